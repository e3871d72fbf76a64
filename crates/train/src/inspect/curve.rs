//! 20 or 50 training steps give PyTorch's losses: network, loss, gradients and optimizer together.
//!
//! `tests/golden/curve.py` makes the file and says what the steps are.

#[path = "../../../../tests/golden/formula.rs"]
pub mod formula;
mod synermix;

use crate::fit::{Gradients, Loss, LossKind, Optimizer, Rates, Rule, State, by_name};
use crate::run::keys;
use candle_core::{DType, Device, Tensor};
use formula::{formula, unit};
use serde_json::Value;
use tallow_models::{Mode, ModelOptions, Network, Params, Stem, find};
use tallow_seed::Seed;

/// A case of the file.
struct Case {
    shape: Vec<usize>,
    classes: usize,
    lr: f64,
    losses: Vec<f64>,
}

fn read(case: &str) -> Case {
    let file = include_str!("../../../../tests/golden/curve/curve.json");
    let value: Value = serde_json::from_str(file).unwrap();
    let list = |key: &str| value[case][key].as_array().unwrap().iter();
    Case {
        shape: list("shape").map(|n| n.as_u64().unwrap() as usize).collect(),
        classes: value[case]["classes"].as_u64().unwrap() as usize,
        lr: value[case]["rate"].as_f64().unwrap(),
        losses: list("losses").map(|loss| loss.as_f64().unwrap()).collect(),
    }
}

fn build(case: &Case, model: &str, stem: Option<Stem>, dtype: DType) -> (Params, Network) {
    let mut params = Params::new(Seed::new(0), dtype, &Device::Cpu);
    let options = ModelOptions { stem, input: Some(case.shape[2]), ..ModelOptions::new(case.classes) };
    let network = (find(model).unwrap().build)(&mut params, &options).unwrap();
    for (name, param) in params.trainable.iter().chain(&params.buffers) {
        let shape = param.var().dims();
        let mut values = formula(name, shape);
        if model.starts_with("efficientnet") && shape.len() == 1 && name.ends_with("weight") {
            values.iter_mut().for_each(|value| *value *= 0.9);
        }
        let values = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
        param.var().set(&values.to_dtype(dtype).unwrap()).unwrap();
    }
    (params, network)
}

/// A network with the weights of the formula, on its way down.
struct Training {
    params: Params,
    network: Network,
    loss: Loss,
    optimizer: Optimizer,
    state: State,
}

impl Training {
    fn begin(case: &Case, model: &str, stem: Option<Stem>, dtype: DType) -> Training {
        let (params, network) = build(case, model, stem, dtype);
        let loss = Loss { kind: LossKind::CrossEntropy, smoothing: 0.0, class_weights: None };
        let rule = Rule::Sgd { momentum: 0.9, nesterov: true };
        let optimizer = Optimizer { rule, decay: 5e-4, decay_all: true, head_lr_scale: 1.0 };
        let state = optimizer.state(&params, |_| Some(0)).unwrap();
        Training { params, network, loss, optimizer, state }
    }

    fn update(&mut self, case: &Case, gradients: &Gradients) {
        self.optimizer
            .update(
                &self.params,
                gradients,
                &mut self.state,
                |_| Some(0),
                Rates { lr: case.lr, momentum: None },
            )
            .unwrap();
    }
}

fn images(case: &Case, name: &str) -> Tensor {
    let values = unit(name, case.shape.iter().product());
    let values = values.into_iter().map(|u| u * 3f64.sqrt()).collect();
    Tensor::from_vec(values, &case.shape[..], &Device::Cpu).unwrap()
}

/// The losses of `steps` steps.
fn train(case: &Case, model: &str, stem: Option<Stem>, dtype: DType, steps: usize) -> Vec<f64> {
    let mut training = Training::begin(case, model, stem, dtype);
    let mut losses = Vec::new();
    for step in 0..steps {
        let number = step % 4;
        let mut targets = unit(&format!("targets.{number}"), case.shape[0] * case.classes);
        for row in targets.chunks_mut(case.classes) {
            row.iter_mut().for_each(|target| *target += 1.0);
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|target| *target /= sum);
        }
        let mode = Mode::Train { seed: keys::plain_step(0, step as u64) };
        let images = images(case, &format!("images.{number}")).to_dtype(dtype).unwrap();
        let logits = training.network.forward(&images, &mode).unwrap();
        let value = training.loss.of(&logits, &targets).unwrap();
        let gradients = by_name(&training.params, tallow_kernels::backward(&value).unwrap());
        training.update(case, &gradients);
        losses.push(value.to_dtype(DType::F64).unwrap().to_scalar().unwrap());
    }
    losses
}

fn check(name: &str, model: &str, stem: Option<Stem>) {
    let case = read(name);
    let steps = case.losses.len();
    assert!(steps >= 20);
    // The curve is one of learning: a step that did nothing would not pass. There are four batches.
    let round = |at: usize| case.losses[at..at + 4].iter().sum::<f64>() / 4.0;
    assert!(round(steps - 4) < round(0) - 0.05, "{:?}", case.losses);
    let losses = train(&case, model, stem, DType::F64, steps);
    for (step, (ours, torchs)) in losses.iter().zip(&case.losses).enumerate() {
        let difference = (ours - torchs).abs();
        assert!(difference <= 1e-9, "{name}, step {step}: {ours} and {torchs} differ by {difference:e}");
    }
    let first = train(&case, model, stem, DType::F32, 1)[0];
    assert!((first - case.losses[0]).abs() <= 1e-4, "{name}: {first} in f32, {} in f64", case.losses[0]);
    let worst = losses.iter().zip(&case.losses).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!(
        "{name}: f64 curve within {worst:.1e}, first f32 loss within {:.1e}",
        (first - case.losses[0]).abs()
    );
}

#[test]
fn convolutional_networks_learn_as_in_pytorch() {
    check("resnet20", "resnet20", None);
    check("resnet18_cifar", "resnet18", Some(Stem::Cifar));
    check("wrn_16_4", "wrn_16_4", None);
    check("densenet121", "densenet121", None);
}

/// With dropout and stochastic depth.
#[test]
fn mobile_networks_learn_as_in_pytorch() {
    check("mobilenet_v3_small", "mobilenet_v3_small", None);
    check("efficientnet_b0", "efficientnet_b0", None);
}

/// With stochastic depth, where they have it.
#[test]
fn transformers_learn_as_in_pytorch() {
    for model in ["vit_tiny_patch16_224", "swin_t", "convnext_tiny"] {
        check(model, model, None);
    }
}
