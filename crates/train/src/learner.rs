//! What a step does to the parameters: clip, optimizer, average.

use crate::Result;
use crate::checkpoint::Restored;
use crate::clip::clip;
use crate::ema::Ema;
use crate::optimizer::{Gradients, State};
use crate::run::Run;
use crate::schedule::Schedule;

/// A run's optimizer and average, under way.
pub struct Learner {
    pub state: State,
    pub ema: Option<Ema>,
    pub schedule: Schedule,
}

impl Learner {
    /// Before the first update.
    pub fn new(run: &Run, schedule: Schedule) -> Result<Learner> {
        let ema = run.plan().ema.map(|plan| Ema::new(plan, &run.model.params)).transpose()?;
        Ok(Learner { state: run.optimizer().state(&run.model.params)?, ema, schedule })
    }

    /// As a checkpoint left it; the position stays the caller's.
    pub fn restored(restored: Restored, schedule: Schedule) -> Learner {
        Learner { state: restored.state, ema: restored.ema, schedule }
    }

    /// Clips the gradients of a step (from 0), and steps the optimizer and the average; returns the learning rate.
    pub fn update(&mut self, run: &Run, gradients: &mut Gradients, step: u64) -> Result<f64> {
        let (lr, momentum) = (self.schedule.lr(step), self.schedule.momentum(step));
        if let Some(max_norm) = run.plan().clip {
            clip(gradients, max_norm)?;
        }
        run.optimizer().update(&run.model.params, gradients, &mut self.state, lr, momentum)?;
        if let Some(ema) = &mut self.ema {
            ema.update(&run.model.params)?;
        }
        Ok(lr)
    }
}
