//! Exponential moving average of a network's parameters and running statistics.

use crate::Result;
use crate::plan::EmaPlan;
use candle_core::{Tensor, Var};
use std::collections::BTreeMap;
use tallow_models::Params;

/// a ← d · a + (1 − d) · w after update n (from 0), d = min(decay, (1 + n) / (10 + n)) with warm-up.
pub struct Ema {
    plan: EmaPlan,
    pub averages: BTreeMap<String, Var>,
    /// The counter n: without it a resumed average would warm up again.
    pub updates: u64,
}

impl Ema {
    /// Starts at the current values.
    ///
    /// # Errors
    /// Those of the ops.
    pub fn new(plan: EmaPlan, params: &Params) -> Result<Ema> {
        let mut averages = BTreeMap::new();
        for (name, param) in params.trainable.iter().chain(&params.buffers) {
            averages.insert(name.clone(), Var::from_tensor(&param.var().as_detached_tensor())?);
        }
        Ok(Ema { plan, averages, updates: 0 })
    }

    /// One update of every average.
    ///
    /// # Errors
    /// Those of the ops.
    pub fn update(&mut self, params: &Params) -> Result<()> {
        let n = self.updates as f64;
        let decay =
            if self.plan.warmup { self.plan.decay.min((1.0 + n) / (10.0 + n)) } else { self.plan.decay };
        let all = params.trainable.iter().chain(&params.buffers);
        let all: Vec<_> =
            all.map(|(name, param)| (&self.averages[name], param.var().as_detached_tensor())).collect();
        let pairs: Vec<_> = all.iter().map(|(average, value)| (*average, value)).collect();
        tallow_kernels::ema_updates(&pairs, decay)?;
        self.updates += 1;
        Ok(())
    }

    /// Puts the averages into the network while `act` runs, then the raw values back.
    ///
    /// # Errors
    /// Those of `act` and of the ops.
    pub fn with<T>(&self, params: &Params, act: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut raw: Vec<(&Var, Tensor)> = Vec::new();
        for (name, param) in params.trainable.iter().chain(&params.buffers) {
            raw.push((param.var(), tallow_kernels::copy(param.var().as_tensor())?));
            param.var().set(&self.averages[name].as_detached_tensor())?;
        }
        params.cast()?;
        let done = act();
        for (var, value) in raw {
            var.set(&value)?;
        }
        params.cast()?;
        done
    }
}
