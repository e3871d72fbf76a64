//! One step: where policies and network meet.

use crate::branch_gradients::BranchGradients;
use crate::loss::Loss;
use crate::model::Model;
use crate::optimizer::{Gradients, by_name};
use crate::run::Run;
use crate::{Error, Result};
use candle_core::{DType, Tensor, Var};
use tallow_data::HostBatch;
use tallow_kernels::backward;
use tallow_models::{Mode, Network, Params};
use tallow_policy::{Policy, Rows, TrainingProgress, View};
use tallow_report::BranchMetrics;
use tallow_seed::Seed;

/// What one step computed: gradients by name, and the loss that they belong to.
pub struct Step {
    pub gradients: Gradients,
    /// Σ branches weight · mean loss over the branch's rows.
    pub loss: f64,
    /// What of it is whose, for each branch that ran.
    pub branches: Vec<BranchMetrics>,
}

/// A part of a step's work, told when it has been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Draws, blends and targets of a policy; the upload.
    Mixing,
    /// Network and loss.
    Forward,
    /// Down to every parameter's gradient.
    Backward,
    /// Of a branch's gradient, where there are several branches.
    Norm,
}

/// What a step is made with.
pub struct Work<'a> {
    pub network: &'a Network,
    pub params: &'a Params,
    pub policy: &'a Policy,
    pub loss: &'a Loss,
    /// Micro-batches of a branch.
    pub accumulate: usize,
}

/// Gradients of a run's loss on a batch. `seed` is the step's own.
pub fn step(run: &Run, batch: &HostBatch, seed: Seed, progress: &TrainingProgress) -> Result<Step> {
    let sources = Rows::one_hot(batch.labels.clone(), run.groups(batch), run.model.classes.len());
    let work = Work::of(&run.model, &run.loss);
    work.step(&sources, |view| run.model.upload(&batch.views[run.view(view)]), seed, progress, |_| Ok(()))
}

impl Work<'_> {
    /// Of a model's own plan.
    pub fn of<'a>(model: &'a Model, loss: &'a Loss) -> Work<'a> {
        let Model { plan, network, params, .. } = model;
        Work { network, params, policy: &plan.policy, loss, accumulate: plan.accumulate }
    }

    /// Gradients of Σ weight · loss over the branches, one after another, each in `accumulate` micro-batches: the memory of
    /// one. `values` gives those of a view, `done` hears of each phase.
    pub fn step(
        &self,
        sources: &Rows,
        values: impl Fn(View) -> Result<Tensor>,
        seed: Seed,
        progress: &TrainingProgress,
        mut done: impl FnMut(Phase) -> candle_core::Result<()>,
    ) -> Result<Step> {
        let mut gradients = BranchGradients::new(self);
        let mut sum = 0.0;
        for branch in self.policy.running() {
            let mut pass = branch.begin(sources, seed, *progress);
            // Mixes at `input` see the logical batch, whatever is cut from it afterwards.
            let values = values(branch.view)?;
            if pass.needs_input_gradient() {
                pass.provide_input_gradient(self.input_gradient(&values, &sources.targets)?);
            }
            let values = pass.at("input", values)?;
            done(Phase::Mixing)?;
            let rows = values.dim(0)?;
            for (start, len) in cuts(rows, self.accumulate) {
                let part =
                    if len == rows { values.clone() } else { values.narrow(0, start, len)?.contiguous()? };
                let mode =
                    Mode::Train { seed: seed.fold("network", branch.index as u64).fold("row", start as u64) };
                let logits = self.network.walk(part, &mode, |tap, values| {
                    if tap == "input" {
                        return Ok(values);
                    }
                    done(Phase::Forward)?;
                    let values = pass.at(tap, values)?;
                    done(Phase::Mixing)?;
                    Ok(values)
                })?;
                done(Phase::Forward)?;
                // A mix after `input` may change the number of rows, and is refused together with accumulation.
                let targets = pass.targets();
                done(Phase::Mixing)?;
                let classes = logits.dim(1)?;
                let targets = if len == rows {
                    &targets[..]
                } else {
                    &targets[start * classes..(start + len) * classes]
                };
                let share = branch.weight * len as f64 / rows as f64;
                let loss = (self.loss.of(&logits, targets)? * share)?;
                let value = f64::from(loss.to_dtype(DType::F32)?.to_scalar::<f32>()?);
                sum += value;
                done(Phase::Forward)?;
                // The graph is the loss's alone now: what an op saved is freed as soon as it was walked.
                drop(logits);
                gradients.add(loss, value)?;
                done(Phase::Backward)?;
            }
            let norm = gradients.norm()?;
            done(Phase::Norm)?;
            gradients.close(branch, &pass, norm)?;
            done(Phase::Backward)?;
        }
        let (collected, branches) = gradients.finish();
        let gradients = by_name(self.params, collected);
        done(Phase::Backward)?;
        Ok(Step { gradients, loss: sum, branches })
    }

    /// The gradient of the loss of the unmixed rows by the values, in as many parts as a step; statistics and parameters are
    /// left alone.
    pub fn input_gradient(&self, values: &Tensor, targets: &[f64]) -> Result<Tensor> {
        let rows = values.dim(0)?;
        let classes = targets.len() / rows;
        let mut parts = Vec::new();
        for (start, len) in cuts(rows, self.accumulate) {
            let part = Var::from_tensor(&values.narrow(0, start, len)?.contiguous()?)?;
            let logits = self.network.forward(part.as_tensor(), &Mode::Probe)?;
            let loss = self.loss.of(&logits, &targets[start * classes..(start + len) * classes])?;
            drop(logits);
            let gradient = backward((loss * (len as f64 / rows as f64))?)?.remove(&part);
            let missing =
                || candle_core::Error::Msg("the loss does not reach the input: the graph is cut".into());
            parts.push(gradient.ok_or_else(missing)?);
        }
        Ok(Tensor::cat(&parts, 0)?)
    }
}

impl Step {
    /// A loss that is not finite ends the run.
    pub fn check(&self, run: &Run, progress: &TrainingProgress, recent: &[f64]) -> Result<()> {
        if self.loss.is_finite() {
            return Ok(());
        }
        let recent: Vec<String> = recent.iter().map(|loss| shown(*loss)).collect();
        let before = if recent.is_empty() { "none".into() } else { recent.join(", ") };
        Err(Error::Diverged(format!(
            "the loss of step {} is {}; the losses before it: {before}\n\
             {}",
            progress.step + 1,
            self.loss,
            run.plan().schedule.advice()
        )))
    }
}

/// A loss in four decimals, or four and an exponent where it is huge.
pub fn shown(loss: f64) -> String {
    if loss.abs() < 1e6 { format!("{loss:.4}") } else { format!("{loss:.4e}") }
}

/// (start, length) of `parts` nearly equal cuts of `rows`, none empty.
pub(crate) fn cuts(rows: usize, parts: usize) -> Vec<(usize, usize)> {
    let len = rows.div_ceil(parts);
    (0..rows).step_by(len.max(1)).map(|start| (start, len.min(rows - start))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_stay_short() {
        assert_eq!(shown(1.25), "1.2500");
        assert_eq!(shown(-2.5e29), "-2.5000e29");
    }

    #[test]
    fn cuts_cover_the_rows() {
        assert_eq!(cuts(10, 3), [(0, 4), (4, 4), (8, 2)]);
        assert_eq!(cuts(2, 5), [(0, 1), (1, 1)]);
        assert_eq!(cuts(7, 1), [(0, 7)]);
    }
}
