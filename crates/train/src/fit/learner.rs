//! What a step does to the parameters: clip, optimizer, average.

use super::checkpoint::Restored;
use super::clip::clip;
use super::ema::Ema;
use super::optimizer::{Gradients, Rates, State};
use super::schedule::Schedule;
use crate::Result;
use crate::run::Run;

/// A run's optimizer and average, under way.
pub struct Learner {
    pub state: State,
    pub ema: Option<Ema>,
    pub schedule: Schedule,
}

impl Learner {
    /// Before the first update.
    ///
    /// # Errors
    /// A warm-up or a milestone beyond the run's end; those of the ops.
    pub fn new(run: &Run) -> Result<Learner> {
        let ema = run.plan().ema.map(|plan| Ema::new(plan, &run.model.params)).transpose()?;
        let state = run.optimizer().state(&run.model.params, |stage| run.begins(stage))?;
        Ok(Learner { state, ema, schedule: run.schedule()? })
    }

    /// As a checkpoint left it; the position stays the caller's.
    ///
    /// # Errors
    /// A warm-up or a milestone beyond the run's end.
    pub fn restored(restored: Restored, run: &Run) -> Result<Learner> {
        let lowered = restored.position.plateau.as_ref().map(|plateau| plateau.lr);
        let schedule = Schedule { lowered, ..run.schedule()? };
        Ok(Learner { state: restored.state, ema: restored.ema, schedule })
    }

    /// Clips the gradients of a step (from 0), and steps the optimizer and the average; returns the learning rate.
    ///
    /// # Errors
    /// A parameter without a gradient; those of the ops.
    pub fn update(&mut self, run: &Run, gradients: &mut Gradients, step: u64) -> Result<f64> {
        let rates = Rates { lr: self.schedule.lr(step), momentum: self.schedule.momentum(step) };
        if let Some(max_norm) = run.plan().clip {
            clip(gradients, max_norm)?;
        }
        let begins = |stage: &str| run.begins(stage);
        run.optimizer().update(&run.model.params, gradients, &mut self.state, begins, rates)?;
        if let Some(ema) = &mut self.ema {
            ema.update(&run.model.params)?;
        }
        Ok(rates.lr)
    }
}
