//! Optimizers over the named parameters of a network, with groups and a state that can be saved.

use crate::{Error, Result};
use candle_core::{Tensor, Var};
use std::collections::BTreeMap;
use tallow_kernels::{AdamW, Sgd, adamw_steps, sgd_steps};
use tallow_models::{Param, Params};

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
    /// torch's Adam: g ← g + decay · w, then AdamW's step without decay.
    Adam(Moments),
    /// torch's AdamW: decoupled decay, bias-corrected first and second moments.
    AdamW(Moments),
}

/// How the moments of Adam and AdamW are averaged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
}

impl Rule {
    /// The names of the tensors an optimizer keeps for each parameter.
    pub fn slots(&self) -> &'static [&'static str] {
        match self {
            Rule::Sgd { .. } => &["velocity"],
            Rule::Adam(_) | Rule::AdamW(_) => &["m", "v"],
        }
    }
}

/// What an optimizer remembers: tensors per parameter, and the number of updates.
pub struct State {
    pub slots: BTreeMap<String, Var>,
    pub updates: u64,
}

/// The learning rate of an update, and the momentum where the schedule sets it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    pub lr: f64,
    pub momentum: Option<f64>,
}

/// Gradients by parameter name.
pub type Gradients = BTreeMap<String, Tensor>;

/// What was collected for each parameter that a loss reached and that is not frozen.
pub fn by_name(params: &Params, mut collected: tallow_kernels::Gradients) -> Gradients {
    let learned = params.trainable.iter().filter(|(_, param)| !param.frozen());
    learned.filter_map(|(name, param)| Some((name.clone(), collected.remove(param.leaf())?))).collect()
}

impl Optimizer {
    /// The state before the first update: zeros for every parameter that is trained at some time; `begins` says of a stage from
    /// which update, and `None` of one that never is.
    ///
    /// # Errors
    /// Those of the ops.
    pub fn state(&self, params: &Params, begins: impl Fn(&str) -> Option<u64>) -> Result<State> {
        let mut slots = BTreeMap::new();
        for (name, param) in params.trainable.iter().filter(|(_, p)| begins(p.stage()).is_some()) {
            for slot in self.rule.slots() {
                slots.insert(format!("{name}.{slot}"), Var::from_tensor(&param.var().zeros_like()?)?);
            }
        }
        Ok(State { slots, updates: 0 })
    }

    /// One update of every parameter that is not frozen. Moments are corrected for the updates since `begins`.
    ///
    /// # Errors
    /// A parameter without a gradient; those of the ops.
    pub fn update<'a>(
        &self,
        params: &'a Params,
        gradients: &'a Gradients,
        state: &mut State,
        begins: impl Fn(&str) -> Option<u64>,
        Rates { lr, momentum }: Rates,
    ) -> Result<()> {
        let mut reached = Vec::new();
        for (name, param) in params.trainable.iter().filter(|(_, p)| !p.frozen()) {
            let gradient = gradients.get(name).ok_or_else(|| missing_gradient(name))?;
            reached.push((name.as_str(), param, gradient));
        }
        state.updates += 1;
        let slot = |name: &str, slot: &str| &state.slots[&format!("{name}.{slot}")];
        for (Group { lr, decay, step }, members) in self.groups(reached, state.updates, begins, lr) {
            let members = members.into_iter();
            match self.rule {
                Rule::Sgd { momentum: fixed, nesterov } => {
                    let rule = Sgd { lr, momentum: momentum.unwrap_or(fixed), nesterov, decay };
                    let rows = members.map(|(name, p, gradient)| (p.var(), gradient, slot(name, "velocity")));
                    sgd_steps(&rows.collect::<Vec<_>>(), rule)?;
                }
                Rule::Adam(moments) | Rule::AdamW(moments) => {
                    let Moments { beta1, beta2, eps } = moments;
                    let (beta1, coupled) = (momentum.unwrap_or(beta1), matches!(self.rule, Rule::Adam(_)));
                    let rule = AdamW { lr, beta1, beta2, eps, decay, coupled, step };
                    let row = |(name, p, gradient): (_, &'a Param, _)| {
                        (p.var(), gradient, slot(name, "m"), slot(name, "v"))
                    };
                    adamw_steps(&members.map(row).collect::<Vec<_>>(), rule)?;
                }
            }
        }
        Ok(())
    }

    /// Parameters that are updated alike, after so many updates: on a GPU a launch takes several of them.
    fn groups<'a>(
        &self,
        reached: Vec<Reached<'a>>,
        updates: u64,
        begins: impl Fn(&str) -> Option<u64>,
        lr: f64,
    ) -> Vec<(Group, Vec<Reached<'a>>)> {
        let mut groups: Vec<(Group, Vec<Reached>)> = Vec::new();
        for (name, param, gradient) in reached {
            let group = Group {
                lr: if param.stage() == "head" { lr * self.head_lr_scale } else { lr },
                decay: if self.decay_all || param.decays() { self.decay } else { 0.0 },
                step: (updates - begins(param.stage()).unwrap_or(0)) as usize,
            };
            match groups.iter_mut().find(|(known, _)| *known == group) {
                Some((_, members)) => members.push((name, param, gradient)),
                None => groups.push((group, vec![(name, param, gradient)])),
            }
        }
        groups
    }
}

/// What an update of parameters has of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Group {
    lr: f64,
    decay: f64,
    /// Of moments, from 1.
    step: usize,
}

/// A parameter that is trained, its name and its gradient.
type Reached<'a> = (&'a str, &'a Param, &'a Tensor);

/// A parameter that the loss does not reach: the graph is cut somewhere.
fn missing_gradient(name: &str) -> Error {
    let problem = format!("parameter `{name}` got no gradient: the graph is cut between it and the loss");
    Error::Tensor(candle_core::Error::Msg(problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};
    use tallow_models::Init;

    /// torch 2.15: `Adam([w], lr=0.1, weight_decay=0.1)` in float64 from w = [1, −2].
    #[test]
    fn adam_is_torchs() -> Result<()> {
        let mut params = Params::blank(DType::F64, &Device::Cpu);
        let param = params.parameter("w", &[2], Init::Zeros)?;
        param.var().set(&Tensor::new(&[1.0, -2.0], &Device::Cpu)?)?;
        let rule = Rule::Adam(Moments { beta1: 0.9, beta2: 0.999, eps: 1e-8 });
        let adam = Optimizer { rule, decay: 0.1, decay_all: true, head_lr_scale: 1.0 };
        let mut state = adam.state(&params, |_| Some(0))?;
        let expected = [
            [0.9000000016666666, -1.9000000008333333],
            [0.8050097658613199, -1.8537472646427609],
            [0.8120982607786772, -1.8149250153848373],
        ];
        for (gradient, expected) in [[0.5, -1.0], [0.25, 0.5], [-1.0, 0.125]].iter().zip(expected) {
            let gradients = Gradients::from([("w".to_owned(), Tensor::new(gradient, &Device::Cpu)?)]);
            adam.update(&params, &gradients, &mut state, |_| Some(0), Rates { lr: 0.1, momentum: None })?;
            let got: Vec<f64> = param.var().to_vec1()?;
            assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14), "{got:?}");
        }
        Ok(())
    }

    /// The head has a learning rate of its own, what decays a decay, and a stage that thawed its count of steps.
    #[test]
    fn what_is_updated_alike_is_one_group() -> Result<()> {
        let mut params = Params::blank(DType::F32, &Device::Cpu);
        for (stage, name, shape) in [
            ("stem", "a.weight", &[2, 2][..]),
            ("stem", "b.bias", &[2]),
            ("stem", "c.weight", &[3, 2]),
            ("layer4", "d.weight", &[2, 2]),
            ("head", "e.weight", &[2, 2]),
        ] {
            params.begin_stage(stage);
            params.parameter(name, shape, Init::Zeros)?;
        }
        let gradient = Tensor::zeros(1, DType::F32, &Device::Cpu)?;
        let reached = || params.trainable.iter().map(|(name, param)| (name.as_str(), param, &gradient));
        let names = |decay_all, head_lr_scale, thawed| -> Vec<(f64, f64, usize, String)> {
            let rule = Rule::AdamW(Moments { beta1: 0.9, beta2: 0.999, eps: 1e-8 });
            let optimizer = Optimizer { rule, decay: 0.1, decay_all, head_lr_scale };
            let begins = |stage: &str| Some(if stage == "layer4" { thawed } else { 0 });
            let groups = optimizer.groups(reached().collect(), 7, begins, 0.5);
            let one = |(Group { lr, decay, step }, members): (Group, Vec<Reached>)| {
                (lr, decay, step, members.iter().map(|(name, ..)| &name[..1]).collect())
            };
            groups.into_iter().map(one).collect()
        };
        let group = |lr, decay, step, names: &str| (lr, decay, step, names.to_owned());
        assert_eq!(names(true, 1.0, 0), [group(0.5, 0.1, 7, "abcde")]);
        assert_eq!(names(false, 1.0, 0), [group(0.5, 0.1, 7, "acde"), group(0.5, 0.0, 7, "b")]);
        assert_eq!(names(true, 10.0, 0), [group(0.5, 0.1, 7, "abcd"), group(5.0, 0.1, 7, "e")]);
        assert_eq!(names(true, 1.0, 5), [group(0.5, 0.1, 7, "abce"), group(0.5, 0.1, 2, "d")]);
        Ok(())
    }

    /// What thaws after two updates takes the steps of an optimizer that begins there.
    #[test]
    fn moments_are_corrected_for_the_updates_since_a_thaw() -> Result<()> {
        let rule = Rule::AdamW(Moments { beta1: 0.9, beta2: 0.999, eps: 1e-8 });
        let adamw = Optimizer { rule, decay: 0.1, decay_all: true, head_lr_scale: 1.0 };
        let run = |frozen: u64| -> Result<Vec<f64>> {
            let mut params = Params::blank(DType::F64, &Device::Cpu);
            let param = params.parameter("w", &[2], Init::Ones)?;
            let mut state = adamw.state(&params, |_| Some(frozen))?;
            for update in 0..frozen + 3 {
                param.set_frozen(update < frozen);
                let gradient =
                    Tensor::new(&[0.5, -1.0 - (update - update.min(frozen)) as f64], &Device::Cpu)?;
                let gradients = Gradients::from([("w".to_owned(), gradient)]);
                adamw.update(
                    &params,
                    &gradients,
                    &mut state,
                    |_| Some(frozen),
                    Rates { lr: 0.1, momentum: None },
                )?;
            }
            Ok(param.var().to_vec1()?)
        };
        assert_eq!(run(2)?, run(0)?);
        Ok(())
    }
}
