//! What a step does to the parameters: clip, optimizer, average.

use super::checkpoint::Restored;
use super::ema::Ema;
use super::optimizer::{Gradients, Rates, State};
use super::plateau::Plateau;
use super::schedule::{Schedule, Shape};
use crate::Result;
use crate::run::Run;
use tallow_data::counted;
use tallow_kernels::autoreleasepool;
use tallow_metrics::Metric;

/// A run's optimizer and average, under way.
pub struct Learner {
    pub state: State,
    pub ema: Option<Ema>,
    pub schedule: Schedule,
    /// Where the schedule follows the metric.
    pub plateau: Option<Plateau>,
}

impl Learner {
    /// Before the first update.
    ///
    /// # Errors
    /// A warm-up or a milestone beyond the run's end; those of the ops.
    pub fn new(run: &Run) -> Result<Learner> {
        let ema = run.plan().ema.map(|plan| Ema::new(plan, &run.model.params)).transpose()?;
        let state = run.optimizer().state(&run.model.params, |stage| run.begins(stage))?;
        let schedule = run.schedule()?;
        let plateau = Plateau::of(&schedule, run.plan().select.better);
        Ok(Learner { state, ema, schedule, plateau })
    }

    /// As a checkpoint left it; the position stays the caller's.
    ///
    /// # Errors
    /// A warm-up or a milestone beyond the run's end.
    pub fn restored(restored: Restored, run: &Run) -> Result<Learner> {
        let Restored { position, state, ema } = restored;
        let schedule = run.schedule()?;
        let plateau = position.plateau.or_else(|| Plateau::of(&schedule, run.plan().select.better));
        Ok(Learner { state, ema, schedule, plateau })
    }

    /// The learning rate of a step.
    pub fn lr(&self, step: u64) -> f64 {
        match &self.plateau {
            Some(plateau) if step >= self.schedule.warmup => plateau.lr,
            _ => self.schedule.lr(step),
        }
    }

    /// Tells a schedule that follows the metric what it is after an epoch, before `step`; what people should know where the learning rate fell.
    pub fn observe(&mut self, step: u64, value: f64, select: &Metric) -> Option<String> {
        let (Some(plateau), Shape::Plateau(rule)) = (&mut self.plateau, &self.schedule.shape) else {
            return None;
        };
        plateau.observe(value, rule, select.better).then(|| {
            let (name, epochs, lr) = (select.name, counted(rule.patience + 1, "epoch"), plateau.lr);
            let from = if step < self.schedule.warmup { "after the warm-up" } else { "from here" };
            format!("  no better {name} for {epochs}: the learning rate is {lr:.3e} {from}")
        })
    }

    /// Clips the gradients of a step (from 0), and steps the optimizer and the average; returns the learning rate.
    ///
    /// # Errors
    /// A parameter without a gradient; those of the ops.
    pub fn update(&mut self, run: &Run, gradients: &mut Gradients, step: u64) -> Result<f64> {
        let rates = Rates { lr: self.lr(step), momentum: self.schedule.momentum(step) };
        let begins = |stage: &str| run.begins(stage);
        autoreleasepool(|| {
            if let Some(max_norm) = run.plan().clip {
                tallow_kernels::clip_grads(&mut gradients.values_mut().collect::<Vec<_>>(), max_norm)?;
            }
            run.optimizer().update(&run.model.params, gradients, &mut self.state, begins, rates)?;
            run.model.params.cast()?;
            if let Some(ema) = &mut self.ema {
                ema.update(&run.model.params)?;
            }
            Ok(rates.lr)
        })
    }
}
