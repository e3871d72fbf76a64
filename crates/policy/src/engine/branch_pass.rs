//! One batch on its way through a branch: draws, mixes and labels.

use super::composite::{composite, shares};
use super::keys;
use super::policy::{Branch, Tapped};
use crate::schema::duration::TrainingProgress;
use crate::schema::node::{Action, Node, weights};
use crate::{Error, Inputs, Mix, MixContext, Result, Shares};
use candle_core::Tensor;
use tallow_seed::Seed;

/// What the engine knows of the rows of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    pub classes: Vec<u32>,
    /// Interned; `None` for a row without a group.
    pub groups: Vec<Option<u32>>,
    /// (rows, n_classes), row-major, each row summing to 1.
    pub targets: Vec<f64>,
    pub n_classes: usize,
}

impl Rows {
    /// Rows with one-hot targets. Panics on a class out of range, or unless there is one group for each row.
    pub fn one_hot(classes: Vec<u32>, groups: Vec<Option<u32>>, n_classes: usize) -> Rows {
        assert_eq!(classes.len(), groups.len(), "rows: one group for each class");
        let mut targets = vec![0.0; classes.len() * n_classes];
        for (row, &class) in classes.iter().enumerate() {
            assert!((class as usize) < n_classes, "rows: class {class} of {n_classes}");
            targets[row * n_classes + class as usize] = 1.0;
        }
        Rows { classes, groups, targets, n_classes }
    }

    pub fn len(&self) -> usize {
        self.classes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }
}

/// A mix that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// Index of the branch.
    pub branch: usize,
    pub policy: String,
    pub tap: String,
    /// Place of its node in the recipe.
    pub path: String,
    /// Parameters that change over the run, as they were in this step.
    pub numbers: Vec<(String, f64)>,
    /// Of the rows at its tap, in those that it made: this mix alone.
    pub shares: Shares,
}

/// A batch on its way through a branch. [`BranchPass::at`] is called once at every tap, in the network's order; targets and
/// shares are those of all mixes so far.
#[derive(Clone)]
pub struct BranchPass<'a> {
    branch: usize,
    rows: &'a Rows,
    progress: TrainingProgress,
    due: Vec<Due<'a>>,
    shares: Shares,
    input_gradient: Option<Tensor>,
    record: Vec<Applied>,
}

/// A mix that was drawn to happen and has not yet.
#[derive(Clone)]
struct Due<'a> {
    mix: &'a Tapped,
    tap: &'a str,
    path: &'a str,
    seed: Seed,
}

impl<'a> BranchPass<'a> {
    pub(crate) fn new(
        branch: &'a Branch,
        rows: &'a Rows,
        seed: Seed,
        progress: TrainingProgress,
    ) -> BranchPass<'a> {
        let mut due = Vec::new();
        for (index, node) in branch.nodes.iter().enumerate() {
            schedule(node, seed.fold(keys::NODE, index as u64), &progress, &mut due);
        }
        let shares = Shares::identity(rows.len());
        BranchPass {
            branch: branch.index,
            rows,
            progress,
            due,
            shares,
            input_gradient: None,
            record: Vec::new(),
        }
    }

    /// Whether a policy that happens in this pass looks at what a network makes of the batch.
    pub fn needs_network(&self) -> bool {
        self.due.iter().any(|due| due.mix.mix.inputs().include_the_network(due.tap))
    }

    /// Whether a policy that happens in this pass must see the gradient of the loss by the values at `input`.
    pub fn needs_input_gradient(&self) -> bool {
        self.due.iter().any(|due| due.mix.mix.inputs() == Inputs::InputGradient)
    }

    /// That gradient, shaped as the values at `input`: of a probe on the unmixed rows.
    pub fn provide_input_gradient(&mut self, gradient: Tensor) {
        self.input_gradient = Some(gradient);
    }

    /// The values after the mixes of this tap: (R, …) → (R_out, …). Differentiable in `values`.
    ///
    /// # Errors
    /// Values of other rows than are there, a mix that is not given what it needs, and what its draw or the device answers.
    pub fn at(&mut self, tap: &str, mut values: Tensor) -> candle_core::Result<Tensor> {
        let (now, later) = std::mem::take(&mut self.due).into_iter().partition(|due| due.tap == tap);
        self.due = later;
        let now: Vec<Due> = now;
        for due in now {
            values = self.apply(&due, values).map_err(|error| match error {
                Error::Tensor(error) => error,
                other => candle_core::Error::wrap(other),
            })?;
        }
        Ok(values)
    }

    /// How much of each row of the batch is in each row now: the product over all mixes so far.
    pub fn shares(&self) -> &Shares {
        &self.shares
    }

    /// shares · targets, (R_out, classes), row-major.
    pub fn targets(&self) -> Vec<f64> {
        self.shares.mix(&self.rows.targets, self.rows.n_classes)
    }

    /// The mixes so far, in order.
    pub fn record(&self) -> &[Applied] {
        &self.record
    }

    /// The taps at which a mix is still to happen. None is left after a whole walk, unless a tap does not exist.
    pub fn due(&self) -> impl Iterator<Item = &str> {
        self.due.iter().map(|due| due.tap)
    }

    fn apply(&mut self, due: &Due, values: Tensor) -> Result<Tensor> {
        let refusal = |problem: String| Error::Policy { policy: due.mix.spec.name.to_owned(), problem };
        let dims = values.dims();
        if dims.first() != Some(&self.shares.len()) {
            return Err(refusal(format!(
                "expected {} rows at tap `{}`, got values {dims:?}",
                self.shares.len(),
                due.tap
            )));
        }
        let size = if let [_, _, height, width] = dims { Some((*height, *width)) } else { None };
        let inputs = due.mix.mix.inputs();
        if inputs == Inputs::InputGradient && !self.record.is_empty() {
            return Err(refusal(
                "needs the gradient by the unmixed input; place it before every other mix".to_owned(),
            ));
        }
        if inputs == Inputs::InputGradient && self.input_gradient.is_none() {
            return Err(refusal("needs the gradient by the input, which was not provided".to_owned()));
        }
        let sources = self.shares.dominant();
        let classes: Vec<u32> = sources.iter().map(|&source| self.rows.classes[source as usize]).collect();
        let groups: Vec<Option<u32>> =
            sources.iter().map(|&source| self.rows.groups[source as usize]).collect();
        let pairing = due.mix.pairing;
        let seen = values.detach();
        let context = MixContext {
            classes: &classes,
            groups: &groups,
            n_classes: self.rows.n_classes,
            size,
            partners: &pairing.partners(&groups, &mut due.seed.fold(keys::PAIRING, 0).rng()),
            within_group: pairing.within_group,
            progress: self.progress.fraction(),
            values: (inputs == Inputs::Values).then_some(&seen),
            input_gradient: self.input_gradient.as_ref().filter(|_| inputs == Inputs::InputGradient),
        };
        let (spec, ramps) = (due.mix.spec, due.mix.ramps.as_ref());
        let now = ramps.map(|ramps| ramps.build(&self.progress, spec.name, |value| spec.mix(value)));
        let now = now.transpose()?;
        let mix: &dyn Mix = now.as_deref().unwrap_or(&*due.mix.mix);
        let mixing = mix.draw(&context, &mut due.seed.fold(keys::DRAW, 0).rng())?;
        let shares = shares(&mixing, classes.len(), size).map_err(refusal)?;
        let mixed = composite(&mixing, &values)?;
        self.shares = shares.after(&self.shares);
        self.record.push(Applied {
            branch: self.branch,
            policy: due.mix.spec.name.to_owned(),
            tap: due.tap.to_owned(),
            path: due.path.to_owned(),
            numbers: ramps.map_or(Vec::new(), |ramps| ramps.numbers(&self.progress)),
            shares,
        });
        Ok(mixed)
    }
}

/// Draws whether a node happens, which of its alternatives, and where. Each draw has a child seed of its own, so that a
/// change of one key of the recipe moves no other number.
fn schedule<'a>(node: &'a Node<Tapped>, seed: Seed, progress: &TrainingProgress, due: &mut Vec<Due<'a>>) {
    let happens = |p: f64| seed.fold(keys::CHANCE, 0).rng().bernoulli(p);
    if !node.during.contains(progress) || node.p.is_some_and(|p| !happens(p.at(progress))) {
        return;
    }
    let mut inside = |nodes: &'a [Node<Tapped>], index: usize| {
        schedule(&nodes[index], seed.fold(keys::NODE, index as u64), progress, due);
    };
    match &node.action {
        Action::Policy(mix) => {
            let tap = seed.fold(keys::TAP, 0).rng().below(mix.at.len() as u32);
            due.push(Due { mix, tap: &mix.at[tap as usize], path: &node.path, seed });
        }
        Action::Sequence(nodes) => (0..nodes.len()).for_each(|index| inside(nodes, index)),
        Action::OneOf(nodes) => {
            inside(nodes, seed.fold(keys::CHOICE, 0).rng().weighted(&weights(nodes, progress)));
        }
        Action::Shuffled(nodes) => {
            let order = seed.fold(keys::ORDER, 0).rng().permutation(nodes.len() as u32);
            order.into_iter().for_each(|index| inside(nodes, index as usize));
        }
    }
}
