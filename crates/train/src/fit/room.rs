//! Whether the disk has room for what a run writes.

use super::{Learner, kept};
use crate::run::{Run, machine};
use crate::{Error, Result};
use std::path::Path;
use tallow_models::Params;

/// Refuses a run whose checkpoints do not fit, before it trains: all that it keeps, and one that is being written, but for those that are
/// there.
///
/// # Errors
/// [`Error::Full`].
pub fn check(folder: &Path, run: &Run, learner: &Learner) -> Result<()> {
    let there = folder.ancestors().find(|place| place.exists()).unwrap_or(Path::new("."));
    let Some(free) = machine::free_on_disk(there) else { return Ok(()) };
    let plan = run.plan().checkpoint;
    let copies = (plan.keep + plan.best + 1).saturating_sub(kept::by_progress(folder).len()).max(1);
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

/// Of the tensors of one checkpoint.
fn bytes(params: &Params, learner: &Learner) -> u64 {
    let of = |var: &candle_core::Var| (var.elem_count() * var.dtype().size_in_bytes()) as u64;
    let weights: u64 = params.trainable.iter().chain(&params.buffers).map(|(_, param)| of(param.var())).sum();
    let slots: u64 = learner.state.slots.values().map(of).sum();
    // Raw ones and averages, beside those that are evaluated.
    weights * if learner.ema.is_some() { 3 } else { 1 } + slots
}
