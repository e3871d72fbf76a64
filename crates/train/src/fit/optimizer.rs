//! Optimizers over the named parameters of a network, with groups and a state that can be saved.

use crate::{Error, Result};
use candle_core::{Tensor, Var};
use std::collections::BTreeMap;
use tallow_kernels::{AdamW, Sgd, adamw_step, sgd_step};
use tallow_models::Params;

/// The update rule and its groups.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer {
    pub rule: Rule,
    pub decay: f64,
    /// Whether norms and biases decay too (they do not by default).
    pub decay_all: bool,
    /// The head's learning rate over that of the rest.
    pub head_lr_scale: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// torch's SGD: g ← g + decay · w; v ← momentum · v + g; w ← w − lr · (nesterov ? g + momentum · v : v).
    Sgd { momentum: f64, nesterov: bool },
    /// torch's AdamW: decoupled decay, bias-corrected first and second moments.
    AdamW { beta1: f64, beta2: f64, eps: f64 },
}

impl Rule {
    /// The names of the tensors an optimizer keeps for each parameter.
    fn slots(&self) -> &'static [&'static str] {
        match self {
            Rule::Sgd { .. } => &["velocity"],
            Rule::AdamW { .. } => &["m", "v"],
        }
    }
}

/// What an optimizer remembers: tensors per parameter, and the number of updates.
pub struct State {
    pub slots: BTreeMap<String, Var>,
    pub updates: u64,
}

/// Gradients by parameter name.
pub type Gradients = BTreeMap<String, Tensor>;

/// What was collected for each parameter that a loss reached and that is not frozen.
pub fn by_name(params: &Params, mut collected: tallow_kernels::Gradients) -> Gradients {
    let learned = params.trainable.iter().filter(|(_, param)| !param.frozen());
    learned.filter_map(|(name, param)| Some((name.clone(), collected.remove(param.var())?))).collect()
}

impl Optimizer {
    /// The state before the first update: zeros for every parameter that is not frozen.
    ///
    /// # Errors
    /// Those of the ops.
    pub fn state(&self, params: &Params) -> Result<State> {
        let mut slots = BTreeMap::new();
        for (name, param) in params.trainable.iter().filter(|(_, p)| !p.frozen()) {
            for slot in self.rule.slots() {
                slots.insert(format!("{name}.{slot}"), Var::from_tensor(&param.var().zeros_like()?)?);
            }
        }
        Ok(State { slots, updates: 0 })
    }

    /// One update of every parameter that is not frozen.
    ///
    /// # Errors
    /// A parameter without a gradient; those of the ops.
    pub fn update(
        &self,
        params: &Params,
        gradients: &Gradients,
        state: &mut State,
        lr: f64,
        momentum: Option<f64>,
    ) -> Result<()> {
        state.updates += 1;
        for (name, param) in params.trainable.iter().filter(|(_, p)| !p.frozen()) {
            let gradient = gradients.get(name).ok_or_else(|| missing_gradient(name))?;
            let lr = if param.stage() == "head" { lr * self.head_lr_scale } else { lr };
            let decay = if self.decay_all || param.decays() { self.decay } else { 0.0 };
            let slot = |slot: &str| &state.slots[&format!("{name}.{slot}")];
            match self.rule {
                Rule::Sgd { momentum: fixed, nesterov } => {
                    let rule = Sgd { lr, momentum: momentum.unwrap_or(fixed), nesterov, decay };
                    sgd_step(param.var(), gradient, slot("velocity"), rule)?;
                }
                Rule::AdamW { beta1, beta2, eps } => {
                    let beta1 = momentum.unwrap_or(beta1);
                    let rule = AdamW { lr, beta1, beta2, eps, decay, step: state.updates as usize };
                    adamw_step(param.var(), gradient, slot("m"), slot("v"), rule)?;
                }
            }
        }
        Ok(())
    }
}

/// A parameter that the loss does not reach: the graph is cut somewhere.
fn missing_gradient(name: &str) -> Error {
    let problem = format!("parameter `{name}` got no gradient: the graph is cut between it and the loss");
    Error::Tensor(candle_core::Error::Msg(problem))
}
