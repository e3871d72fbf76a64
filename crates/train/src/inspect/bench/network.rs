//! Steps and evaluations of a network of the zoo on one batch of random pixels.

use super::{Clock, Times};
use crate::Result;
use crate::fit::branch::{Objective, Phase, StepContext};
use crate::fit::{Loss, LossKind, Optimizer, Rates, Rule, State, Step};
use crate::run::{Precision, Statistics, keys};
use candle_core::{DType, Device, Tensor};
use tallow_data::Pixels;
use tallow_models::{Mode, ModelOptions, ModelSpec, Network, Params, Stem};
use tallow_policy::{Policy, Rows};

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
    /// One that the device has.
    pub precision: Precision,
}

/// A network with initial values, and a batch on the device.
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
    /// Draws, blends and targets of the policy, and the gradient by the input where it looks at that.
    pub mixing: Times,
    /// Of each branch's gradient, all branches together; 0 where there is one.
    pub norms: Times,
    /// Of the last step.
    pub loss: f64,
}

impl Bench {
    /// # Errors
    /// Options that the network does not take; those of the device.
    pub fn build(work: Work, device: &Device) -> Result<Bench> {
        tallow_kernels::allow_tf32(work.precision == Precision::Tf32);
        let compute = work.precision.of_values(device);
        let mut params =
            Params::new(keys::initial_weights(keys::BENCH), DType::F32, device).computing_in(compute);
        let options =
            ModelOptions { stem: work.stem, input: Some(work.input), ..ModelOptions::new(work.classes) };
        let network = (work.model.build)(&mut params, &options)?;
        let mut rng = keys::bench("pixels").rng();
        let bytes = (0..work.batch * work.input * work.input * 3).map(|_| rng.below(256) as u8).collect();
        let pixels = Pixels { rows: work.batch, height: work.input, width: work.input, bytes };
        let statistics = Statistics { mean: work.model.mean, std: work.model.std };
        let values = statistics.upload(&pixels, compute, device)?;
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
    ///
    /// # Errors
    /// Those of the ops and the mixes.
    pub fn train(&self, policy: &Policy, warmup: usize, steps: usize) -> Result<Phases> {
        let rule = Rule::Sgd { momentum: 0.9, nesterov: true };
        let optimizer = Optimizer { rule, decay: 5e-4, decay_all: true, head_lr_scale: 1.0 };
        let mut state = optimizer.state(&self.params, |_| Some(0))?;
        let total = (warmup + steps) as u64;
        let mut phases = Phases::default();
        for index in 0..total {
            if index == warmup as u64 {
                phases = Phases::default();
            }
            let context = StepContext::plain(&self.rows, keys::BENCH, index, total);
            self.timed_step(policy, context, &optimizer, &mut state, &mut phases)?;
        }
        Ok(phases)
    }

    fn timed_step(
        &self,
        policy: &Policy,
        context: StepContext,
        optimizer: &Optimizer,
        state: &mut State,
        phases: &mut Phases,
    ) -> Result<()> {
        let loss = Loss { kind: LossKind::CrossEntropy, smoothing: 0.0, class_weights: None };
        let Bench { network, params, .. } = self;
        let objective = Objective { network, params, policy, loss: &loss, accumulate: 1 };
        let (mut forward, mut backward, mut mixing, mut norms) = (0.0, 0.0, 0.0, 0.0);
        let mut clock = Clock::start(&self.device)?;
        let done = |phase| {
            let seconds = clock.lap()?;
            match phase {
                Phase::Forward => forward += seconds,
                Phase::Backward => backward += seconds,
                Phase::Mixing | Phase::InputGradient => mixing += seconds,
                Phase::Norm => norms += seconds,
            }
            Ok(())
        };
        let Step { gradients, loss, .. } = objective.gradients(context, |_| Ok(self.values.clone()), done)?;
        phases.loss = loss;
        optimizer.update(&self.params, &gradients, state, |_| Some(0), Rates { lr: 0.01, momentum: None })?;
        self.params.cast()?;
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
    ///
    /// # Errors
    /// Those of the ops.
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
