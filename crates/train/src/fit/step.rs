//! One training step: the gradients of the loss over all branches.

use super::branch::{NetworkAccess, Objective, Phase, StepContext, walk};
use super::branch_gradients::{BranchGradients, BranchStep};
use super::numbers::{Numbers, Read, read};
use super::optimizer::Gradients;
use super::shards;
use crate::run::{Batch, Run};
use crate::{Error, Result};
use candle_core::Tensor;
use tallow_kernels::autoreleasepool;
use tallow_policy::View;

/// What one step computed: gradients by name, and the loss that they belong to.
pub struct Step {
    pub gradients: Gradients,
    /// Σ branches weight · mean loss over the branch's rows.
    pub loss: f64,
    /// What each branch that ran gave to it.
    pub branches: Vec<BranchStep>,
}

/// A step whose numbers nobody has read yet.
pub struct Computed {
    pub gradients: Gradients,
    pub numbers: Numbers,
}

/// Gradients of a run's loss on a batch.
///
/// # Errors
/// Those of the ops and the mixes.
pub fn training_step(run: &Run, batch: &Batch) -> Result<Step> {
    compute(run, batch)?.read()
}

/// The same without a read: on a GPU the host goes on while it computes.
///
/// # Errors
/// Those of the ops and the mixes.
pub fn compute(run: &Run, batch: &Batch) -> Result<Computed> {
    run.model.freeze_at(batch.training_progress.step, |stage| run.begins(stage))?;
    if run.plan().shards > 1 {
        return shards::compute(run, batch);
    }
    let objective = Objective::of(&run.model, &run.loss);
    let upload = |view| run.model.upload(batch.pixels(view));
    autoreleasepool(|| objective.compute(StepContext::of(batch), upload, |_| Ok(())))
}

impl Computed {
    fn read(self) -> Result<Step> {
        let Computed { gradients, numbers } = self;
        let Read { loss, branches } = read(vec![numbers])?.remove(0);
        Ok(Step { gradients, loss, branches })
    }
}

impl Objective<'_> {
    /// Gradients of Σ weight · loss over the branches, one after another, each in `accumulate` micro-batches: the memory of
    /// one. `values` gives those of a view, `done` hears of each phase.
    ///
    /// # Errors
    /// Those of the ops, the mixes, `values` and `done`.
    pub fn gradients(
        &self,
        context: StepContext,
        values: impl Fn(View) -> Result<Tensor>,
        done: impl FnMut(Phase) -> candle_core::Result<()>,
    ) -> Result<Step> {
        self.compute(context, values, done)?.read()
    }

    fn compute(
        &self,
        context: StepContext,
        values: impl Fn(View) -> Result<Tensor>,
        done: impl FnMut(Phase) -> candle_core::Result<()>,
    ) -> Result<Computed> {
        let mut collected = BranchGradients::new(self, done);
        let access = NetworkAccess::Available(*self);
        for branch in self.policy.running() {
            let values = values(branch.view)?;
            let (pass, targets) = walk(branch, context, values, &access, &mut collected)?;
            collected.close(branch, &pass, targets)?;
        }
        let (gradients, numbers) = collected.finish()?;
        Ok(Computed { gradients, numbers })
    }
}

impl Step {
    /// # Errors
    /// A loss that is not finite, which ends the run; `step` counts from 0, `recent` are the losses before.
    pub fn check(&self, run: &Run, step: u64, recent: &[f64]) -> Result<()> {
        check(self.loss, run, step, recent)
    }
}

/// # Errors
/// A loss that is not finite, which ends the run; `step` counts from 0, `recent` are the losses before.
pub fn check(loss: f64, run: &Run, step: u64, recent: &[f64]) -> Result<()> {
    if loss.is_finite() {
        return Ok(());
    }
    let recent: Vec<String> = recent.iter().map(|loss| shown(*loss)).collect();
    let before = if recent.is_empty() { "none".into() } else { recent.join(", ") };
    Err(Error::Diverged(format!(
        "the loss of step {} is {loss}; the losses before it: {before}\n\
         {}",
        step + 1,
        run.plan().schedule.advice()
    )))
}

/// # Errors
/// A gradient that is not finite, where its norm is known: of each of several branches. Else the next loss tells.
pub fn check_norms(branches: &[BranchStep], run: &Run, step: u64) -> Result<()> {
    let spoilt = |branch: &&BranchStep| branch.gradient_norm.is_some_and(|norm| !norm.is_finite());
    let Some(branch) = branches.iter().find(spoilt) else { return Ok(()) };
    Err(Error::Diverged(format!(
        "the gradient of step {}, branch {}, is not finite; its loss is {}\n{}",
        step + 1,
        branch.branch,
        shown(branch.loss),
        run.plan().schedule.advice()
    )))
}

/// A loss in four decimals, or four and an exponent where it is huge.
pub fn shown(loss: f64) -> String {
    if loss.abs() < 1e6 { format!("{loss:.4}") } else { format!("{loss:.4e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_stay_short() {
        assert_eq!(shown(1.25), "1.2500");
        assert_eq!(shown(-2.5e29), "-2.5000e29");
    }
}
