//! The policy of a recipe: branches, each with its mixes.

use super::branch_pass::{BranchPass, Rows};
use super::keys;
use crate::schema::duration::{Duration, TrainingProgress};
use crate::schema::node::{Node, never_open};
use crate::schema::quantity::choice;
use crate::schema::ramps::Ramps;
use crate::{Inputs, Mistake, Mix, Pairing, Spec};
use tallow_data::nearest;
use tallow_seed::Seed;

/// What a recipe's `policy` names: branches, each with its policies.
pub struct Policy {
    /// The preset's name, or `custom`.
    pub name: String,
    pub branches: Vec<Branch>,
}

/// One forward pass: its view, the policies on its way, its weight in the loss.
pub struct Branch {
    /// Its place in the recipe; part of the key of its random numbers.
    pub index: usize,
    pub view: View,
    /// Of its loss in the sum; a branch of weight 0 does not run.
    pub weight: f64,
    pub nodes: Vec<Node<Tapped>>,
}

choice! {
    /// What a branch sees of each image.
    pub enum View {
        /// The recipe's image policies.
        Augmented = "augmented",
        /// The evaluation transform.
        Clean = "clean",
    }
}

/// A mix at its tap.
pub struct Tapped {
    pub spec: &'static Spec,
    /// As it is at the start of its ramps.
    pub mix: Box<dyn Mix>,
    /// Its parameters, where some change over the run.
    pub(super) ramps: Option<Ramps>,
    /// One of these taps is drawn for each batch, uniformly.
    pub at: Vec<String>,
    pub pairing: Pairing,
}

/// A mention of a tap in a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapUse {
    pub tap: String,
    pub policy: String,
    /// Whether the policy needs images or maps at this tap.
    pub spatial: bool,
    /// The place of the policy's node.
    pub path: String,
}

/// The tap before every stage: images.
pub const INPUT: &str = "input";
/// The tap after the last stage: (R, features).
pub const PENULTIMATE: &str = "penultimate";

impl Policy {
    /// No mixing: one augmented branch of weight 1.
    pub fn none() -> Policy {
        let branch = Branch { index: 0, view: View::Augmented, weight: 1.0, nodes: Vec::new() };
        Policy { name: "none".to_owned(), branches: vec![branch] }
    }

    /// The branches that run: those whose weight is not 0.
    pub fn running(&self) -> impl Iterator<Item = &Branch> {
        self.branches.iter().filter(|branch| branch.weight != 0.0)
    }

    /// Every tap that is named, in the order written.
    pub fn taps(&self) -> Vec<TapUse> {
        let mut uses = Vec::new();
        for (node, Tapped { spec, at, .. }) in self.branches.iter().flat_map(Branch::mixes) {
            uses.extend(at.iter().map(|tap| TapUse {
                tap: tap.clone(),
                policy: spec.name.to_owned(),
                spatial: spec.spatial,
                path: node.path.clone(),
            }));
        }
        uses
    }

    /// Those inside the network: a batch that is cut into parts (accumulation) cannot be mixed there as one.
    pub fn later_taps(&self) -> Vec<TapUse> {
        self.taps().into_iter().filter(|mention| mention.tap != INPUT).collect()
    }

    /// The taps that a network, `model`, does not have.
    pub fn check_taps(&self, model: &str, taps: &[&str]) -> Vec<Mistake> {
        let unknown = self.taps().into_iter().filter(|mention| !taps.contains(&mention.tap.as_str()));
        unknown
            .map(|TapUse { tap, path, .. }| {
                let near = nearest(&tap, taps.iter().copied());
                let near = near.map_or(String::new(), |near| format!("did you mean `{near}`? "));
                let problem = format!("tap `{tap}` is not in {model}; {near}taps: {}", taps.join(", "));
                Mistake::new(format!("{path}.at"), problem)
            })
            .collect()
    }

    /// The policies of masks at taps of a network, `model`, that have no maps, from the shape of a row at each tap:
    /// (C, H, W) for maps, (L, D) for sequences, (D) for features.
    pub fn check_shapes(&self, model: &str, shapes: &[(&str, &[usize])]) -> Vec<Mistake> {
        let shape = |tap: &str| shapes.iter().find(|(known, _)| *known == tap).map(|(_, shape)| *shape);
        let misplaced = self.taps().into_iter().filter(|mention| mention.spatial).filter_map(|mention| {
            let kind = match shape(&mention.tap)? {
                [_, _, _] => return None,
                [_, _] => "sequences, (R, L, D)",
                _ => "features, (R, D)",
            };
            let problem = format!(
                "`{}` needs images or maps, and `{}` of {model} has {kind}; choose a tap of maps, or a linear mix",
                mention.policy, mention.tap
            );
            Some(Mistake::new(format!("{}.at", mention.path), problem))
        });
        misplaced.collect()
    }

    /// The windows that never open in a run: outside of a window around them, or after its end. `share` is the part of the run
    /// that a duration takes, where that is known; what cannot be compared is accepted.
    pub fn check_windows(&self, share: impl Fn(Duration) -> Option<f64>) -> Vec<Mistake> {
        self.branches.iter().flat_map(|branch| never_open(&branch.nodes, false, &share)).collect()
    }
}

impl Branch {
    /// Draws which policies happen at `progress`, and at which taps. `draws` is keyed by (seed, epoch, step); the branch
    /// and the policy's index are added here.
    pub fn begin<'a>(&'a self, rows: &'a Rows, draws: Seed, progress: TrainingProgress) -> BranchPass<'a> {
        BranchPass::new(self, rows, draws.fold(keys::BRANCH, self.index as u64), progress)
    }

    /// Whether a policy of this branch may ask for the gradient of the loss by the input.
    pub fn needs_input_gradient(&self) -> bool {
        self.mixes().iter().any(|(_, tapped)| tapped.mix.inputs() == Inputs::InputGradient)
    }

    /// Whether a policy of this branch may look at what a network makes of the batch.
    pub fn needs_network(&self) -> bool {
        let looks = |(_, tapped): &(&Node<Tapped>, &Tapped)| {
            tapped.at.iter().any(|tap| tapped.mix.inputs().include_the_network(tap))
        };
        self.mixes().iter().any(looks)
    }

    /// Every mix with its node, in the order written.
    pub fn mixes(&self) -> Vec<(&Node<Tapped>, &Tapped)> {
        self.nodes.iter().flat_map(Node::policies).collect()
    }
}
