//! Steps and evaluations of a network of the zoo on one batch of random pixels.

use super::{Clock, Times};
use crate::Result;
use crate::loss::{Kind, Loss};
use crate::optimizer::{Optimizer, Rule, State};
use crate::step::{self, Phase, Step};
use crate::upload::Statistics;
use candle_core::{DType, Device, Tensor};
use tallow_data::Pixels;
use tallow_models::{Mode, ModelOptions, ModelSpec, Network, Params, Stem};
use tallow_policy::{Policy, Rows, TrainingProgress};
use tallow_seed::Seed;

/// The work of one step.
#[derive(Clone, Copy)]
pub struct Work {
    pub model: &'static ModelSpec,
    /// `None`: the model's own.
    pub stem: Option<Stem>,
    /// Side of the square input, pixels.
    pub input: usize,
    pub batch: usize,
    pub classes: usize,
}

/// A network in f32 with initial values, and a batch on the device.
pub struct Bench {
    work: Work,
    device: Device,
    params: Params,
    network: Network,
    values: Tensor,
    rows: Rows,
}

/// Seconds of training steps and of their parts.
#[derive(Clone, Debug, Default)]
pub struct Phases {
    /// All of it, and the release of what it made.
    pub step: Times,
    /// Network and loss, without mixing.
    pub forward: Times,
    /// Down to every parameter's gradient.
    pub backward: Times,
    pub optimizer: Times,
    /// Draws, blends and targets of the policy.
    pub mixing: Times,
    /// Of each branch's gradient, all branches together; 0 where there is one.
    pub norms: Times,
    /// Of the last step.
    pub loss: f64,
}

impl Bench {
    pub fn build(work: Work, device: &Device) -> Result<Bench> {
        let seed = Seed::new(1);
        let mut params = Params::new(seed.fold("init", 0), DType::F32, device);
        let options =
            ModelOptions { stem: work.stem, input: Some(work.input), ..ModelOptions::new(work.classes) };
        let network = (work.model.build)(&mut params, &options)?;
        let mut rng = seed.fold("pixels", 0).rng();
        let bytes = (0..work.batch * work.input * work.input * 3).map(|_| rng.below(256) as u8).collect();
        let pixels = Pixels { rows: work.batch, height: work.input, width: work.input, bytes };
        let statistics = Statistics { mean: work.model.mean, std: work.model.std };
        let values = statistics.upload(&pixels, DType::F32, device)?;
        let labels = (0..work.batch).map(|row| (row % work.classes) as u32).collect();
        let rows = Rows::one_hot(labels, vec![None; work.batch], work.classes);
        Ok(Bench { work, device: device.clone(), params, network, values, rows })
    }

    /// Numbers in the trainable tensors.
    pub fn parameters(&self) -> usize {
        self.params.size()
    }

    /// Operations of the convolutions and linear layers of a forward pass of the batch, two for each multiply-add, counted
    /// on this network as if each were computed directly.
    pub fn forward_flops(&self) -> Option<u64> {
        let side = self.work.input;
        self.network.macs([3, side, side]).map(|macs| 2 * macs * self.work.batch as u64)
    }

    /// Training steps: a policy's branches, soft cross-entropy, gradients of every parameter, SGD with Nesterov momentum 0.9
    /// and decay 5e-4 of all. The first `warmup` are not timed.
    pub fn train(&self, policy: &Policy, warmup: usize, steps: usize) -> Result<Phases> {
        let rule = Rule::Sgd { momentum: 0.9, nesterov: true };
        let optimizer = Optimizer { rule, decay: 5e-4, decay_all: true, head_lr_scale: 1.0 };
        let mut state = optimizer.state(&self.params)?;
        let total = warmup + steps;
        let mut phases = Phases::default();
        for index in 0..total {
            if index == warmup {
                phases = Phases::default();
            }
            let progress = TrainingProgress {
                step: index as u64,
                steps: total as u64,
                batches_per_epoch: total as u64,
                batch: self.work.batch as u64,
            };
            self.step(policy, &progress, &optimizer, &mut state, &mut phases)?;
        }
        Ok(phases)
    }

    fn step(
        &self,
        policy: &Policy,
        progress: &TrainingProgress,
        optimizer: &Optimizer,
        state: &mut State,
        phases: &mut Phases,
    ) -> Result<()> {
        let work = step::Work {
            network: &self.network,
            params: &self.params,
            policy,
            loss: &Loss { kind: Kind::CrossEntropy, smoothing: 0.0, class_weights: None },
            accumulate: 1,
        };
        let seed = Seed::new(1).fold("step", progress.step);
        let (mut forward, mut backward, mut mixing, mut norms) = (0.0, 0.0, 0.0, 0.0);
        let mut clock = Clock::start(&self.device)?;
        let done = |phase| {
            let seconds = clock.lap()?;
            match phase {
                Phase::Forward => forward += seconds,
                Phase::Backward => backward += seconds,
                Phase::Mixing => mixing += seconds,
                Phase::Norm => norms += seconds,
            }
            Ok(())
        };
        let Step { gradients, loss, .. } =
            work.step(&self.rows, |_| Ok(self.values.clone()), seed, progress, done)?;
        phases.loss = loss;
        optimizer.update(&self.params, &gradients, state, 0.01, None)?;
        let updating = clock.lap()?;
        drop(gradients);
        clock.lap()?;
        phases.step.push(clock.total());
        phases.forward.push(forward);
        phases.backward.push(backward);
        phases.optimizer.push(updating);
        phases.mixing.push(mixing);
        phases.norms.push(norms);
        Ok(())
    }

    /// Forward passes in evaluation mode, without a graph.
    pub fn evaluate(&self, warmup: usize, steps: usize) -> Result<Times> {
        let mut times = Times::default();
        for index in 0..warmup + steps {
            let mut clock = Clock::start(&self.device)?;
            let logits = self.network.forward(&self.values, &Mode::Eval)?;
            clock.lap()?;
            drop(logits);
            if index >= warmup {
                times.push(clock.total());
            }
        }
        Ok(times)
    }
}
