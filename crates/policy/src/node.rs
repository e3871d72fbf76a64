//! Policies as a recipe composes them: nodes on the way of a branch.

use crate::branch_pass::{BranchPass, Rows};
use crate::duration::{TrainingProgress, Window};
use crate::{Inputs, Mistake, Mix, Pairing, Ramp, Ramped};
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
    pub nodes: Vec<Node>,
}

/// What a branch sees of each image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The recipe's image policies.
    Augmented,
    /// The evaluation transform.
    Clean,
}

/// An action, and when it happens.
pub struct Node {
    pub action: Action,
    /// The probability that it happens at all: one draw per batch.
    pub p: Ramp,
    pub during: Window,
    /// Its place, such as `branches[0].policies[1]`.
    pub path: String,
}

pub enum Action {
    Mix(Tapped),
    /// One after another.
    Chain(Vec<Node>),
    /// One of these, drawn anew for each batch in proportion to the weights.
    OneOf(Vec<(f64, Node)>),
}

/// A mix at its tap.
pub struct Tapped {
    pub policy: String,
    /// As it is at the start of its ramps.
    pub mix: Box<dyn Mix>,
    /// Makes the mix of a step, where parameters change over the run.
    pub ramped: Option<Ramped>,
    /// Whether it needs images or maps.
    pub spatial: bool,
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
        for tapped in self.branches.iter().flat_map(|branch| branch.mixes()) {
            uses.extend(tapped.1.at.iter().map(|tap| TapUse {
                tap: tap.clone(),
                policy: tapped.1.policy.clone(),
                spatial: tapped.1.spatial,
                path: tapped.0.path.clone(),
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
}

impl Branch {
    /// Draws which policies happen at `progress`, and at which taps. `draws` is keyed by (seed, epoch, step); the branch
    /// and the policy's index are added here.
    pub fn begin<'a>(&'a self, rows: &'a Rows, draws: Seed, progress: TrainingProgress) -> BranchPass<'a> {
        BranchPass::new(self, rows, draws.fold("branch", self.index as u64), progress)
    }

    /// Whether a policy of this branch may ask for the gradient of the loss by the input.
    pub fn needs_input_gradient(&self) -> bool {
        self.mixes().iter().any(|(_, tapped)| tapped.mix.inputs() == Inputs::InputGradient)
    }

    /// Whether a policy of this branch may look at what a network makes of the batch.
    pub fn needs_network(&self) -> bool {
        let looks = |(_, tapped): &(&Node, &Tapped)| {
            tapped.at.iter().any(|tap| tapped.mix.inputs().include_the_network(tap))
        };
        self.mixes().iter().any(looks)
    }

    /// Every mix with its node, in the order written.
    pub fn mixes(&self) -> Vec<(&Node, &Tapped)> {
        fn walk<'a>(node: &'a Node, found: &mut Vec<(&'a Node, &'a Tapped)>) {
            match &node.action {
                Action::Mix(tapped) => found.push((node, tapped)),
                Action::Chain(nodes) => nodes.iter().for_each(|node| walk(node, found)),
                Action::OneOf(choices) => choices.iter().for_each(|(_, node)| walk(node, found)),
            }
        }
        let mut found = Vec::new();
        self.nodes.iter().for_each(|node| walk(node, &mut found));
        found
    }
}
