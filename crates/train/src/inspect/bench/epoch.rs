//! A recipe's epoch: of its loader alone, and of its training.

use super::{Clock, Times};
use crate::Result;
use crate::fit::{Learner, training_step};
use crate::plan::Plan;
use crate::run::{Batches, Data, Run, Transforms};
use std::time::Instant;
use tallow_ranks::Traffic;

/// An epoch of the loader, nobody waiting for it but the clock.
pub struct Loaded {
    pub images: usize,
    pub batches: usize,
    pub seconds: f64,
    /// Until the first batch.
    pub first_seconds: f64,
}

/// Loads the first epoch of a recipe, at most `limit` batches.
///
/// # Errors
/// A sampler or length that does not fit the data; images that cannot be read.
pub fn load(plan: &Plan, data: &Data, limit: usize) -> Result<Loaded> {
    let (batches, transforms) = (Batches::new(plan, data)?, Transforms::without_network(plan)?);
    let mut loaded = Loaded { images: 0, batches: 0, seconds: 0.0, first_seconds: 0.0 };
    let began = Instant::now();
    for batch in batches.load(&transforms, 0, 0..limit as u64)? {
        loaded.images += batch?.rows.len();
        loaded.seconds = began.elapsed().as_secs_f64();
        if loaded.batches == 0 {
            loaded.first_seconds = loaded.seconds;
        }
        loaded.batches += 1;
    }
    Ok(loaded)
}

/// A training epoch, loading included, evaluation and files not.
pub struct Trained {
    pub images: usize,
    pub seconds: f64,
    /// Waiting for the loader.
    pub waiting: Times,
    /// Upload, mixing, forward and backward of a step.
    pub step: Times,
    /// Clipping, optimizer and average.
    pub optimizer: Times,
    /// What other ranks were sent, and the wait for them.
    pub traffic: Traffic,
    /// Mean over the images.
    pub loss: f64,
}

/// Trains the first epoch of a recipe, at most `limit` steps; writes nothing.
///
/// # Errors
/// A loss that is not finite; images that cannot be read; those of the ops.
pub fn epoch(run: &Run, limit: usize) -> Result<Trained> {
    let (batches, mut learner) = (run.batches()?, Learner::new(run)?);
    let mut trained = Trained {
        images: 0,
        seconds: 0.0,
        waiting: Times::default(),
        step: Times::default(),
        optimizer: Times::default(),
        traffic: Traffic::default(),
        loss: 0.0,
    };
    let before = run.ranks.traffic();
    let mut clock = Clock::start(&run.model.device)?;
    for (batch, index) in
        batches.load(&run.model.transforms, 0, 0..run.length.steps.min(limit as u64))?.zip(0..)
    {
        let batch = batch?;
        trained.waiting.push(clock.lap()?);
        let mut step = training_step(run, &batch)?;
        step.check(run, index, &[])?;
        trained.step.push(clock.lap()?);
        learner.update(run, &mut step.gradients, index)?;
        trained.optimizer.push(clock.lap()?);
        trained.images += batch.rows.len();
        trained.loss += step.loss * batch.rows.len() as f64;
    }
    clock.lap()?;
    trained.traffic = run.ranks.traffic().since(before);
    trained.seconds = clock.total();
    trained.loss /= trained.images as f64;
    Ok(trained)
}
