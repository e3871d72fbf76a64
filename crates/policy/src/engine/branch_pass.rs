//! One batch on its way through a branch: draws, mixes and labels.

use super::composite::{composite, shares};
use super::keys;
use super::policy::{Branch, Tapped};
use crate::schema::duration::TrainingProgress;
use crate::schema::node::{Action, Node, weights};
use crate::{Error, Inputs, Mix, MixContext, Mixing, Result, Shares};
use candle_core::Tensor;
use std::ops::Range;
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
    /// Where parts of the rows end that are mixed by themselves; the last is the number of rows.
    ends: Vec<usize>,
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
            ends: vec![rows.len()],
            input_gradient: None,
            record: Vec::new(),
        }
    }

    /// The same with each part of the rows mixed by itself: `ends` are where the parts end, in their order, the last the number of rows.
    /// Which mixes happen, and where, is drawn for the batch.
    #[must_use]
    pub fn within(self, ends: &[usize]) -> BranchPass<'a> {
        assert!(
            ends.is_sorted() && ends.last() == Some(&self.rows.len()),
            "parts {ends:?} of {}",
            self.rows.len()
        );
        BranchPass { ends: ends.to_vec(), ..self }
    }

    /// The rows that a part has now.
    pub fn part(&self, part: usize) -> Range<usize> {
        part.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[part]
    }

    /// Whether what happens at a tap depends on the values of the rows.
    pub fn looks_at_values(&self, tap: &str) -> bool {
        self.due.iter().any(|due| due.tap == tap && due.mix.mix.inputs() != Inputs::Nothing)
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
    pub fn at(&mut self, tap: &str, values: Tensor) -> candle_core::Result<Tensor> {
        self.mixed_at(tap, values, None)
    }

    /// The same of the values of one part alone, where nothing [looks at them](Self::looks_at_values); shares and targets are those of all rows.
    ///
    /// # Errors
    /// Those of [`BranchPass::at`].
    pub fn at_part(&mut self, tap: &str, part: usize, values: Tensor) -> candle_core::Result<Tensor> {
        self.mixed_at(tap, values, Some(part))
    }

    fn mixed_at(
        &mut self,
        tap: &str,
        mut values: Tensor,
        part: Option<usize>,
    ) -> candle_core::Result<Tensor> {
        let (now, later) = std::mem::take(&mut self.due).into_iter().partition(|due| due.tap == tap);
        self.due = later;
        let now: Vec<Due> = now;
        for due in now {
            values = self.apply(&due, values, part).map_err(|error| match error {
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

    fn apply(&mut self, due: &Due, values: Tensor, here: Option<usize>) -> Result<Tensor> {
        let refusal = |problem: String| Error::Policy { policy: due.mix.spec.name.to_owned(), problem };
        let dims = values.dims();
        let rows = here.map_or(self.shares.len(), |part| self.part(part).len());
        if dims.first() != Some(&rows) {
            return Err(refusal(format!("expected {rows} rows at tap `{}`, got values {dims:?}", due.tap)));
        }
        let inputs = due.mix.mix.inputs();
        if inputs == Inputs::InputGradient && !self.record.is_empty() {
            return Err(refusal(
                "needs the gradient by the unmixed input; place it before every other mix".to_owned(),
            ));
        }
        if inputs == Inputs::InputGradient && self.input_gradient.is_none() {
            return Err(refusal("needs the gradient by the input, which was not provided".to_owned()));
        }
        if inputs != Inputs::Nothing && here.is_some() {
            return Err(refusal("needs the values of all rows, and has those of a part".to_owned()));
        }
        let (spec, ramps) = (due.mix.spec, due.mix.ramps.as_ref());
        let now = ramps.map(|ramps| ramps.build(&self.progress, spec.name, |value| spec.mix(value)));
        let now = now.transpose()?;
        let mix: &dyn Mix = now.as_deref().unwrap_or(&*due.mix.mix);
        let (sources, seen) = (self.shares.dominant(), values.detach());
        let draw = |part: usize| {
            let mixing = self.draw(due, mix, &sources, &seen, part)?;
            let shares = shares(&mixing, self.part(part).len(), image_size(&values)).map_err(refusal)?;
            Ok((mixing, shares))
        };
        let drawn = (0..self.ends.len()).map(draw).collect::<Result<Vec<_>>>()?;
        let mixed = match (&drawn[..], here) {
            ([(mixing, _)], _) => composite(mixing, &values)?,
            (drawn, Some(part)) => composite(&drawn[part].0, &values)?,
            (drawn, None) => {
                let mixed = drawn.iter().enumerate().map(|(part, (mixing, _))| {
                    let rows = self.part(part);
                    composite(mixing, &values.narrow(0, rows.start, rows.len())?.contiguous()?)
                });
                Tensor::cat(&mixed.collect::<candle_core::Result<Vec<_>>>()?, 0)?
            }
        };
        let parts: Vec<Shares> = drawn.into_iter().map(|(_, shares)| shares).collect();
        let mut end = 0;
        self.ends = parts.iter().map(|part| (end += part.len(), end).1).collect();
        let shares = if let [whole] = &parts[..] { whole.clone() } else { Shares::of_parts(&parts) };
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

    /// What a mix does to a part of the rows, whose sources these are.
    fn draw(&self, due: &Due, mix: &dyn Mix, sources: &[u32], seen: &Tensor, part: usize) -> Result<Mixing> {
        let (part, rows, seed) = match &self.ends[..] {
            [_] => (None, self.part(0), due.seed),
            _ => (Some(part), self.part(part), due.seed.fold(keys::PART, part as u64)),
        };
        let of_part = |tensor: &Tensor| match part {
            None => Ok(tensor.clone()),
            Some(_) => tensor.narrow(0, rows.start, rows.len())?.contiguous(),
        };
        let row = |&source: &u32| (self.rows.classes[source as usize], self.rows.groups[source as usize]);
        let (classes, groups): (Vec<u32>, Vec<Option<u32>>) = sources[rows.clone()].iter().map(row).unzip();
        let inputs = mix.inputs();
        let values = (inputs == Inputs::Values).then(|| of_part(seen)).transpose()?;
        let gradient = self.input_gradient.as_ref().filter(|_| inputs == Inputs::InputGradient);
        let gradient = gradient.map(of_part).transpose()?;
        let pairing = due.mix.pairing;
        let context = MixContext {
            classes: &classes,
            groups: &groups,
            n_classes: self.rows.n_classes,
            size: image_size(seen),
            partners: &pairing.partners(&groups, &mut seed.fold(keys::PAIRING, 0).rng()),
            within_group: pairing.within_group,
            progress: self.progress.fraction(),
            values: values.as_ref(),
            input_gradient: gradient.as_ref(),
        };
        mix.draw(&context, &mut seed.fold(keys::DRAW, 0).rng())
    }
}

/// (height, width) of images or maps.
fn image_size(values: &Tensor) -> Option<(usize, usize)> {
    if let [_, _, height, width] = values.dims() { Some((*height, *width)) } else { None }
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
