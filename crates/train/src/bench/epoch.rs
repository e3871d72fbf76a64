//! A recipe's epoch: of its loader alone, and of its training.

use super::{Clock, Times};
use crate::fit::prepare;
use crate::plan::Plan;
use crate::run::{Data, Run};
use crate::step::step;
use crate::{Error, Result, clip};
use std::time::Instant;
use tallow_data::Loader;
use tallow_policy::Moment;
use tallow_seed::Seed;

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
    let batches: Vec<_> = crate::run::batches(plan, data, 0)?.into_iter().take(limit).collect();
    let views = crate::run::views(&plan.policy);
    let mut loaded = Loaded { images: 0, batches: batches.len(), seconds: 0.0, first_seconds: 0.0 };
    let began = Instant::now();
    let loader = Loader::new(data.train.clone(), batches, prepare(plan, &views, 0), plan.data.workers);
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
    let schedule = run.schedule(total, count)?;
    let mut state = run.optimizer().state(&run.model.params)?;
    let mut ema = plan.ema.map(|ema| crate::ema::Ema::new(ema, &run.model.params)).transpose()?;
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
    let loader =
        Loader::new(run.data.train.clone(), batches, prepare(plan, run.views(), 0), plan.data.workers);
    for (index, batch) in loader.enumerate() {
        let batch = batch?;
        trained.waiting.push(clock.lap()?);
        let index = index as u64;
        let moment =
            Moment { step: index, steps: total, batches_per_epoch: count, batch: plan.data.batch as u64 };
        let seed = Seed::new(plan.seed).fold("epoch", 0).fold("step", index);
        let mut step = step(run, &batch, seed, &moment)?;
        step.check(run, &moment, &[])?;
        trained.step.push(clock.lap()?);
        if let Some(max_norm) = plan.clip {
            clip::clip(&mut step.gradients, max_norm)?;
        }
        let (rate, momentum) = (schedule.rate(index), schedule.momentum(index));
        run.optimizer().update(&run.model.params, &step.gradients, &mut state, rate, momentum)?;
        if let Some(ema) = &mut ema {
            ema.update(&run.model.params)?;
        }
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
