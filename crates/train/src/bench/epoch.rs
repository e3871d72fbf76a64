//! A recipe's epoch: of its loader alone, and of its training.

use super::{Clock, Times};
use crate::data::Data;
use crate::fit::prepare;
use crate::learner::Learner;
use crate::plan::Plan;
use crate::run::Run;
use crate::step::step;
use crate::{Error, Result};
use std::time::Instant;
use tallow_data::Loader;

/// An epoch of the loader, nobody waiting for it but the clock.
pub struct Loaded {
    pub images: usize,
    pub batches: usize,
    pub seconds: f64,
    /// Until the first batch.
    pub first_seconds: f64,
}

/// Loads the first epoch of a recipe, at most `limit` batches.
pub fn load(plan: &Plan, data: &Data, limit: usize) -> Result<Loaded> {
    let batches = crate::run::batches(plan, data, 0)?;
    let prepare = prepare(plan, &crate::run::views(&plan.policy), 0, batches.len() as u64)?;
    let batches: Vec<_> = batches.into_iter().take(limit).collect();
    let mut loaded = Loaded { images: 0, batches: batches.len(), seconds: 0.0, first_seconds: 0.0 };
    let began = Instant::now();
    let loader = Loader::new(data.train.clone(), batches, prepare, plan.data.workers);
    for (index, batch) in loader.enumerate() {
        loaded.images += batch?.labels.len();
        if index == 0 {
            loaded.first_seconds = began.elapsed().as_secs_f64();
        }
    }
    loaded.seconds = began.elapsed().as_secs_f64();
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
    /// Mean over the images.
    pub loss: f64,
}

/// Trains the first epoch of a recipe, at most `limit` steps; writes nothing.
pub fn epoch(run: &Run, limit: usize) -> Result<Trained> {
    let plan = run.plan();
    let batches = run.batches(0);
    let count = batches.len() as u64;
    let total = run.steps(count)?;
    let mut learner = Learner::new(run, run.schedule(total, count)?)?;
    let mut trained = Trained {
        images: 0,
        seconds: 0.0,
        waiting: Times::default(),
        step: Times::default(),
        optimizer: Times::default(),
        loss: 0.0,
    };
    let batches = batches.into_iter().take(limit.min(total as usize)).collect();
    let mut clock = Clock::start(&run.model.device)?;
    let loader = Loader::new(
        run.data.train.clone(),
        batches,
        prepare(plan, run.views(), 0, count)?,
        plan.data.workers,
    );
    for (index, batch) in loader.enumerate() {
        let batch = batch?;
        trained.waiting.push(clock.lap()?);
        let index = index as u64;
        let progress = run.progress(index, total, count);
        let mut step = step(run, &batch, run.step_seed(0, index), &progress)?;
        step.check(run, &progress, &[])?;
        trained.step.push(clock.lap()?);
        learner.update(run, &mut step.gradients, index)?;
        trained.optimizer.push(clock.lap()?);
        trained.images += batch.labels.len();
        trained.loss += step.loss * batch.labels.len() as f64;
    }
    clock.lap()?;
    if trained.images == 0 {
        return Err(Error::Data("data: expected at least one batch of training images, got none".into()));
    }
    trained.seconds = clock.total();
    trained.loss /= trained.images as f64;
    Ok(trained)
}
