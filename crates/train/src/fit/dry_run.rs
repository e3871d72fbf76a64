//! The first step and a first evaluation batch of a run, as a training takes them; nothing is written.

use super::evaluate::evaluate;
use super::{Learner, check_cuts, training_step};
use crate::Result;
use crate::run::Run;
use std::sync::Arc;
use tallow_data::{Dataset, Subset};
use tallow_report::Progress;

/// What a step and an evaluation of a run showed, without a training.
pub struct DryRun {
    pub steps_per_epoch: u64,
    pub steps: u64,
    pub loss: f64,
    pub lr: f64,
    /// Rows of the evaluation batch.
    pub evaluated: usize,
    /// How many kernels ran in the step, as [`tallow_kernels::count_kernels`] counts them; 0 where ops are composed of candle's.
    pub kernel_calls: u64,
}

/// One step and one evaluation batch; writes nothing.
///
/// # Errors
/// As of [`super::fit`], but for files.
pub fn dry_run(run: &Run, progress: &Progress) -> Result<DryRun> {
    let batches = run.batches()?;
    check_cuts(run, &batches)?;
    let (mut loss, mut lr, mut kernel_calls) = (f64::NAN, 0.0, 0);
    for batch in batches.load(&run.model.transforms, 0, 0..1)? {
        let batch = batch?;
        let (stepped, kernels) = tallow_kernels::count_kernels(|| -> Result<(f64, f64)> {
            let mut step = training_step(run, &batch)?;
            step.check(run, 0, &[])?;
            Ok((step.loss, Learner::new(run)?.update(run, &mut step.gradients, 0)?))
        });
        (loss, lr) = stepped?;
        kernel_calls = kernels;
    }
    let rows = run.data.validation.len().min(run.plan().data.batch) as u32;
    let few: Arc<dyn Dataset> = Arc::new(Subset::new(run.data.validation.clone(), (0..rows).collect()));
    let evaluated = evaluate(&run.model, &few, "validation", progress)?.len();
    let (steps_per_epoch, steps) = (run.length.batches_per_epoch, run.length.steps);
    Ok(DryRun { steps_per_epoch, steps, loss, lr, evaluated, kernel_calls })
}
