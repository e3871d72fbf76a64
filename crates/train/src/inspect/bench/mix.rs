//! A policy on one batch of random values, without a network.

use super::{Clock, Times};
use crate::Result;
use crate::fit::branch::{NetworkAccess, StepContext, walk};
use crate::run::keys;
use candle_core::{Device, Tensor};
use tallow_policy::{Policy, Rows};

/// What mixing a batch took.
pub struct Mixed {
    /// Of a whole batch: rows, draws, blends and targets, of every branch that runs.
    pub times: Times,
    /// Bytes of all repetitions, counting each value that goes into a mix once and each that comes out once.
    pub bytes: u64,
    /// Mixes that happened.
    pub applied: usize,
}

/// Mixes `values` of `shape` (rows first) `steps` times, with new draws each time, after `warmup` that are not timed. Every
/// tap of the policy gets the same values; a policy that looks at the input's gradient is given the values in its place.
///
/// # Errors
/// Those of the ops and the mixes.
pub fn mix(
    policy: &Policy,
    shape: &[usize],
    classes: usize,
    device: &Device,
    (warmup, steps): (usize, usize),
) -> Result<Mixed> {
    let mut rng = keys::bench("values").rng();
    let values = (0..shape.iter().product()).map(|_| rng.uniform() as f32).collect();
    let values = Tensor::from_vec(values, shape, device)?;
    let labels: Vec<u32> = (0..shape[0]).map(|row| (row % classes) as u32).collect();
    let row_bytes = (shape[1..].iter().product::<usize>() * values.dtype().size_in_bytes()) as u64;
    let mut mixed = Mixed { times: Times::default(), bytes: 0, applied: 0 };
    let total = (warmup + steps) as u64;
    for index in 0..total {
        let (mut moved, mut applied) = (0, 0);
        let mut clock = Clock::start(device)?;
        let rows = Rows::one_hot(labels.clone(), vec![None; shape[0]], classes);
        let context = StepContext::plain(&rows, keys::BENCH, index, total);
        for branch in policy.running() {
            let access = NetworkAccess::Identity(None);
            let (pass, targets) = walk(branch, context, values.clone(), &access, &mut ())?;
            moved += pass.record().iter().map(|mix| mix.shares.inputs() + mix.shares.len()).sum::<usize>();
            applied += pass.record().len();
            std::hint::black_box(targets);
        }
        clock.lap()?;
        if index >= warmup as u64 {
            mixed.times.push(clock.total());
            mixed.bytes += row_bytes * moved as u64;
            mixed.applied += applied;
        }
    }
    Ok(mixed)
}
