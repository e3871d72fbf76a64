//! One branch of a batch on its way from values to logits: where policies and network meet. Training, previews, replays, statistics
//! and benches all walk here, and differ in the network that they give and in what they listen to.

use super::loss::Loss;
use crate::Result;
use crate::plan::RunLength;
use crate::run::{Batch, Model, keys};
use candle_core::{Device, Tensor, Var};
use tallow_kernels::Gradients;
use tallow_models::{Mode, Network, Params};
use tallow_policy::{Branch, BranchPass, INPUT, Policy, Rows, TrainingProgress};
use tallow_seed::Seed;

/// What is minimised: Σ over branches of weight · loss(network(policy(batch))).
#[derive(Clone, Copy)]
pub struct Objective<'a> {
    pub network: &'a Network,
    pub params: &'a Params,
    pub policy: &'a Policy,
    pub loss: &'a Loss,
    /// Micro-batches of a branch.
    pub accumulate: usize,
}

impl<'a> Objective<'a> {
    /// Of a model's own plan.
    pub fn of(model: &'a Model, loss: &'a Loss) -> Objective<'a> {
        let Model { plan, network, params, .. } = model;
        Objective { network, params, policy: &plan.policy, loss, accumulate: plan.accumulate }
    }

    /// The gradient of the loss of the unmixed rows by the values, in as many parts as a step, on the device of the values.
    /// Running statistics and parameters are left alone.
    ///
    /// # Errors
    /// Those of the ops.
    fn input_gradient(&self, values: &Tensor, targets: &[f64]) -> Result<Tensor> {
        let rows = values.dim(0)?;
        let classes = targets.len() / rows;
        let mut parts = Vec::new();
        for (start, len) in cuts(rows, self.accumulate) {
            let part = values.narrow(0, start, len)?.contiguous()?.to_device(self.params.device())?;
            let part = Var::from_tensor(&part)?;
            let logits = self.network.forward(part.as_tensor(), &Mode::Probe)?;
            let loss = self.loss.of(&logits, &targets[start * classes..(start + len) * classes])?;
            drop(logits);
            let mut gradients = Gradients::default();
            gradients.add_times(loss, len as f64 / rows as f64)?;
            let gradient = gradients.remove(&part);
            let missing =
                || candle_core::Error::Msg("the loss does not reach the input: the graph is cut".into());
            parts.push(gradient.ok_or_else(missing)?);
        }
        Ok(Tensor::cat(&parts, 0)?.to_device(values.device())?)
    }
}

/// The network that a branch is walked with.
pub enum NetworkAccess<'a> {
    /// All of it, in training mode.
    Available(Objective<'a>),
    /// None: a mix at a tap sees zeros of these shapes of a row. Enough for draws that look at no values.
    Shapes(Vec<(String, Vec<usize>)>),
    /// The identity in its place: every tap has the values at `input`. The gradient by the input is that of the objective, or
    /// without one the values.
    Identity(Option<Objective<'a>>),
}

/// A part of the work on a branch, told when it has been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Draws, blends and targets of a policy; before them, the upload.
    Mixing,
    /// The gradient by the input, for mixes that look at it.
    InputGradient,
    /// Network and loss.
    Forward,
    /// Down to every parameter's gradient.
    Backward,
    /// Of a branch's gradient, where there are several branches.
    Norm,
}

/// Hears of a branch on its way.
pub trait Observer {
    /// Whether the logits are asked for. Without, the network runs only where a mix inside it is due.
    const LOGITS: bool = false;

    /// # Errors
    /// Those of the observer: they end the walk.
    fn done(&mut self, _: Phase) -> candle_core::Result<()> {
        Ok(())
    }

    /// The values after the mixes at `input`: (R, …).
    ///
    /// # Errors
    /// Those of the observer: they end the walk.
    fn at_input(&mut self, _: &BranchPass, _: &Tensor) -> Result<()> {
        Ok(())
    }

    /// Logits (r, C) of a micro-batch, its targets and its weight in the loss, the branch's · r / R.
    ///
    /// # Errors
    /// Those of the observer: they end the walk.
    fn logits(&mut self, _logits: Tensor, _targets: &[f64], _weight: f64) -> Result<()> {
        Ok(())
    }
}

/// Nobody listens.
impl Observer for () {}

/// Where a batch is in a run: what the draws of its branches depend on, but for the recipe.
#[derive(Clone, Copy)]
pub struct StepContext<'a> {
    pub rows: &'a Rows,
    /// The step's own.
    pub seed: Seed,
    pub training_progress: TrainingProgress,
    /// Where parts of the rows end that are mixed by themselves.
    pub parts: &'a [usize],
}

impl<'a> StepContext<'a> {
    /// Of a training batch.
    pub fn of(batch: &'a Batch) -> StepContext<'a> {
        let Batch { rows, seed, training_progress, parts, .. } = batch;
        StepContext { rows, seed: *seed, training_progress: *training_progress, parts }
    }

    /// Of a step without a recipe, in a run of so many steps.
    pub fn plain(rows: &'a Rows, seed: u64, step: u64, steps: u64) -> StepContext<'a> {
        let training_progress = RunLength::of_steps(steps, rows.len()).at(step);
        StepContext { rows, seed: keys::plain_step(seed, step), training_progress, parts: &[] }
    }

    /// Draws which mixes of a branch happen, and where.
    pub fn begin(&self, branch: &'a Branch) -> BranchPass<'a> {
        let pass = branch.begin(self.rows, self.seed, self.training_progress);
        if self.parts.is_empty() { pass } else { pass.within(self.parts) }
    }
}

/// Walks a branch: the mixes at `input`, then in micro-batches the network with its mixes at the taps. `values` are those of the
/// branch's view before any mix, (R, …). Returns the pass, and the targets after all mixes, (R_out, C).
///
/// # Errors
/// A mix that looks at a network which is not there; those of the ops, the mixes and the observer.
pub fn walk<'a, O: Observer>(
    branch: &'a Branch,
    context: StepContext<'a>,
    values: Tensor,
    access: &NetworkAccess,
    observer: &mut O,
) -> Result<(BranchPass<'a>, Vec<f64>)> {
    let mut pass = context.begin(branch);
    observer.done(Phase::Mixing)?;
    if pass.needs_input_gradient() {
        let gradient = match access {
            NetworkAccess::Available(objective) | NetworkAccess::Identity(Some(objective)) => {
                Some(objective.input_gradient(&values, &context.rows.targets)?)
            }
            NetworkAccess::Identity(None) => Some(values.clone()),
            NetworkAccess::Shapes(_) => None,
        };
        gradient.into_iter().for_each(|gradient| pass.provide_input_gradient(gradient));
        observer.done(Phase::InputGradient)?;
    }
    // Mixes at `input` see the logical batch, whatever is cut from it afterwards.
    let mut values = pass.at(INPUT, values)?;
    observer.done(Phase::Mixing)?;
    observer.at_input(&pass, &values)?;
    match access {
        NetworkAccess::Available(objective) if O::LOGITS || pass.due().next().is_some() => {
            let targets = through(objective, branch, context, values, &mut pass, observer)?;
            return Ok((pass, targets));
        }
        NetworkAccess::Available(_) => {}
        NetworkAccess::Shapes(shapes) => {
            let mut rows = values.dim(0)?;
            for (tap, shape) in shapes {
                let zeros = Tensor::zeros([&[rows], &shape[..]].concat(), values.dtype(), &Device::Cpu)?;
                rows = pass.at(tap, zeros)?.dim(0)?;
            }
        }
        NetworkAccess::Identity(_) => loop {
            let due = pass.due().next().map(str::to_owned);
            let Some(tap) = due else { break };
            values = pass.at(&tap, values)?;
        },
    }
    let targets = pass.targets();
    observer.done(Phase::Mixing)?;
    Ok((pass, targets))
}

/// The part of a walk that goes through the network; returns the targets.
fn through<O: Observer>(
    objective: &Objective,
    branch: &Branch,
    context: StepContext,
    values: Tensor,
    pass: &mut BranchPass,
    observer: &mut O,
) -> Result<Vec<f64>> {
    let mut targets = Vec::new();
    let rows = values.dim(0)?;
    for (start, len) in cuts(rows, objective.accumulate) {
        let part = if len == rows { values.clone() } else { values.narrow(0, start, len)?.contiguous()? };
        let mode = Mode::Train { seed: keys::network(context.seed, branch.index, start) };
        let logits = objective.network.walk(part, &mode, |tap, values| {
            if tap == INPUT {
                return Ok(values);
            }
            observer.done(Phase::Forward)?;
            let values = pass.at(tap, values)?;
            observer.done(Phase::Mixing)?;
            Ok(values)
        })?;
        observer.done(Phase::Forward)?;
        // A mix after `input` may change the number of rows, and is refused together with accumulation.
        if start == 0 {
            targets = pass.targets();
        }
        observer.done(Phase::Mixing)?;
        let classes = logits.dim(1)?;
        let of_part =
            if len == rows { &targets[..] } else { &targets[start * classes..(start + len) * classes] };
        observer.logits(logits, of_part, branch.weight * len as f64 / rows as f64)?;
    }
    Ok(targets)
}

/// (start, length) of `parts` nearly equal cuts of `rows`, none empty.
pub fn cuts(rows: usize, parts: usize) -> Vec<(usize, usize)> {
    let len = rows.div_ceil(parts);
    (0..rows).step_by(len.max(1)).map(|start| (start, len.min(rows - start))).collect()
}

/// Rows of the smallest of these cuts.
pub fn smallest_cut(rows: usize, parts: usize) -> usize {
    cuts(rows, parts).iter().map(|(_, len)| *len).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_cover_the_rows() {
        assert_eq!(cuts(10, 3), [(0, 4), (4, 4), (8, 2)]);
        assert_eq!(cuts(2, 5), [(0, 1), (1, 1)]);
        assert_eq!(cuts(7, 1), [(0, 7)]);
        assert_eq!((smallest_cut(10, 3), smallest_cut(2, 5), smallest_cut(0, 1)), (2, 1, 0));
    }
}
