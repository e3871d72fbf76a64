//! Whether the disk has room for what a run writes.

use super::{Learner, kept};
use crate::plan::{CheckpointPlan, Every, RunLength};
use crate::run::{Run, machine};
use crate::{Error, Result};
use std::path::Path;
use tallow_models::Params;

/// Refuses a run whose checkpoints do not fit, before it trains: all that it will keep, and one that is being written, but for those that
/// are there.
///
/// # Errors
/// [`Error::Full`].
pub fn check(folder: &Path, run: &Run, learner: &Learner, length: RunLength) -> Result<()> {
    let there = folder.ancestors().find(|place| place.exists()).unwrap_or(Path::new("."));
    let Some(free) = machine::free_on_disk(there) else { return Ok(()) };
    let copies = most(run.plan().checkpoint, length).saturating_sub(kept::by_progress(folder).len()).max(1);
    let needed = copies as u64 * bytes(&run.model.params, learner);
    if free >= needed {
        return Ok(());
    }
    let (of, mebibytes) = (tallow_data::counted(copies, "checkpoint"), |bytes: u64| bytes.div_ceil(1 << 20));
    Err(Error::Full(format!(
        "{}: expected room for {of}, {} MiB, got {} MiB; make room, keep fewer of them (checkpoint.keep, checkpoint.best), or write \
         elsewhere with --out DIR",
        folder.display(),
        mebibytes(needed),
        mebibytes(free)
    )))
}

/// How many checkpoints there are at most, with the one that is being written. By the clock, one may be written at each step.
fn most(plan: CheckpointPlan, length: RunLength) -> usize {
    let epochs = length.steps.div_ceil(length.batches_per_epoch.max(1));
    let within = match plan.every {
        Some(Every::Steps(steps)) => length.steps / steps,
        Some(Every::Time(_)) => length.steps,
        None => 0,
    };
    let at_most = |kept: usize, written: u64| (kept as u64).min(written) as usize;
    at_most(plan.keep, epochs + within) + at_most(plan.best, epochs) + 1
}

/// Of the tensors of one checkpoint.
fn bytes(params: &Params, learner: &Learner) -> u64 {
    let of = |var: &candle_core::Var| (var.elem_count() * var.dtype().size_in_bytes()) as u64;
    let weights: u64 = params.trainable.iter().chain(&params.buffers).map(|(_, param)| of(param.var())).sum();
    let slots: u64 = learner.state.slots.values().map(of).sum();
    // Raw ones and averages, beside those that are evaluated.
    weights * if learner.ema.is_some() { 3 } else { 1 } + slots
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn no_more_is_asked_for_than_is_written() {
        let length = RunLength { steps: 25, batches_per_epoch: 10, batch: 8 };
        let of = |every, keep, best| most(CheckpointPlan { every, keep, best }, length);
        assert_eq!(of(None, 1, 1), 3);
        assert_eq!(of(None, 10_000, 10_000), 3 + 3 + 1);
        assert_eq!(of(Some(Every::Steps(5)), 10_000, 1), 3 + 5 + 1 + 1);
        assert_eq!(of(Some(Every::Steps(5)), 4, 2), 4 + 2 + 1);
        assert_eq!(of(Some(Every::Time(Duration::from_secs(60))), 10, 1), 10 + 1 + 1);
    }
}
