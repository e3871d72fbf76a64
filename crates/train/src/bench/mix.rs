//! A policy on one batch of random values, without a network.

use super::{Clock, Times};
use crate::Result;
use candle_core::{Device, Tensor};
use tallow_policy::{Policy, Rows, TrainingProgress};
use tallow_seed::Seed;

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
pub fn mix(
    policy: &Policy,
    shape: &[usize],
    classes: usize,
    device: &Device,
    (warmup, steps): (usize, usize),
) -> Result<Mixed> {
    let mut rng = Seed::new(1).fold("values", 0).rng();
    let values = (0..shape.iter().product()).map(|_| rng.uniform() as f32).collect();
    let values = Tensor::from_vec(values, shape, device)?;
    let labels: Vec<u32> = (0..shape[0]).map(|row| (row % classes) as u32).collect();
    let row_bytes = (shape[1..].iter().product::<usize>() * values.dtype().size_in_bytes()) as u64;
    let mut mixed = Mixed { times: Times::default(), bytes: 0, applied: 0 };
    for index in 0..warmup + steps {
        let total = (warmup + steps) as u64;
        let progress = TrainingProgress {
            step: index as u64,
            steps: total,
            batches_per_epoch: total,
            batch: shape[0] as u64,
        };
        let seed = Seed::new(1).fold("step", index as u64);
        let (mut bytes, mut applied) = (0, 0);
        let mut clock = Clock::start(device)?;
        let rows = Rows::one_hot(labels.clone(), vec![None; shape[0]], classes);
        for branch in policy.running() {
            let mut pass = branch.begin(&rows, seed, progress);
            if pass.needs_input_gradient() {
                pass.provide_input_gradient(values.clone());
            }
            let mut now = values.clone();
            loop {
                let next = pass.due().next().map(str::to_owned);
                let Some(tap) = next else { break };
                let (before, done) = (now.dim(0)?, pass.record().len());
                now = pass.at(&tap, now)?;
                let more = pass.record().len() - done;
                // Mixes of one tap keep the number of rows but for the last.
                bytes += row_bytes * (before * (2 * more - 1) + now.dim(0)?) as u64;
                applied += more;
            }
            std::hint::black_box(pass.targets());
        }
        clock.lap()?;
        if index >= warmup {
            mixed.times.push(clock.total());
            mixed.bytes += bytes;
            mixed.applied += applied;
        }
    }
    Ok(mixed)
}
