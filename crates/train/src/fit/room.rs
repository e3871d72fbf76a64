//! Whether the disk has room for what a run writes.

use super::Learner;
use crate::run::{Run, machine};
use crate::{Error, Result};
use std::path::Path;
use tallow_models::Params;

/// Refuses a run whose checkpoints do not fit, before it trains: `last`, `best` and one that is being written; of a resumed one, which
/// has them, the last alone.
///
/// # Errors
/// [`Error::Full`].
pub fn check(folder: &Path, run: &Run, learner: &Learner, is_resumed: bool) -> Result<()> {
    let Some(free) = machine::free_on_disk(folder) else { return Ok(()) };
    let plan = run.plan().checkpoint;
    let copies = if is_resumed { 1 } else { 3 + (plan.keep - 1) + (plan.best - 1) } as u64;
    let needed = copies * bytes(&run.model.params, learner);
    if free >= needed {
        return Ok(());
    }
    let (of, megabytes) =
        (tallow_data::counted(copies as usize, "checkpoint"), |bytes: u64| bytes.div_ceil(1 << 20));
    Err(Error::Full(format!(
        "{}: expected room for {of}, {} MiB, got {} MiB; make room, keep fewer of them (checkpoint.keep, checkpoint.best), or write \
         elsewhere with --out DIR",
        folder.display(),
        megabytes(needed),
        megabytes(free)
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
