//! What holds for every model of the zoo: sizes and names, initial values, shapes, gradients, freezing.

mod initial;
mod logits;
mod sizes;

use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;
use tallow_kernels::{backward, soft_cross_entropy};
use tallow_models::layers::StochasticDepth;
use tallow_models::{MODELS, Mode, ModelOptions, ModelSpec, Network, Params, Stem, find};
use tallow_seed::Seed;

const TRAIN: fn() -> Mode = || Mode::Train { seed: Seed::new(0) };

fn build(spec: &ModelSpec, options: &ModelOptions) -> (Params, Network) {
    let mut params = Params::new(Seed::new(7), DType::F32, &Device::Cpu);
    let network = (spec.build)(&mut params, options).unwrap();
    (params, network)
}

fn images(shape: [usize; 4]) -> Tensor {
    let mut rng = Seed::new(3).rng();
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.normal() as f32).collect();
    Tensor::from_vec(values, &shape, &Device::Cpu).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

/// What `tests/golden/zoo.py` made, by model.
fn golden() -> serde_json::Map<String, serde_json::Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/models/zoo.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn blank(spec: &ModelSpec, options: &ModelOptions) -> (Params, Network) {
    let mut params = Params::blank(DType::F32, &Device::Cpu);
    let network = (spec.build)(&mut params, options).unwrap();
    (params, network)
}

/// Those that a test on two cores can afford; the others are of the same families.
fn small() -> impl Iterator<Item = &'static ModelSpec> {
    MODELS.iter().copied().filter(|spec| {
        let size = blank(spec, &ModelOptions::new(5)).0.size();
        size < 15_000_000 || matches!(spec.name, "swin_t" | "convnext_tiny")
    })
}

#[test]
fn every_tap_has_the_shape_of_its_outline() {
    for spec in small() {
        for stem in [Stem::ImageNet, Stem::Cifar] {
            let options = ModelOptions { classes: 5, channels: 2, stem: Some(stem), input: Some(37) };
            let mut params = Params::new(Seed::new(7), DType::F32, &Device::Cpu);
            let Ok(network) = (spec.build)(&mut params, &options) else {
                assert!(!spec.has_stems && stem != spec.stem, "{}", spec.name);
                continue;
            };
            assert_eq!(network.taps(), spec.taps);
            // Positions are those of a square.
            let (h, w) = if network.outline([2, 37, 33]).is_some() { (37, 33) } else { (37, 37) };
            let outline = network.outline([2, h, w]).unwrap();
            let mut seen = Vec::new();
            let see = |tap: &str, values: Tensor| {
                seen.push((tap.to_owned(), values.dims()[1..].to_vec()));
                Ok(values)
            };
            let logits = network.walk(images([3, 2, h, w]), &Mode::Eval, see).unwrap();
            seen.push(("head".to_owned(), logits.dims()[1..].to_vec()));
            let outlined: Vec<_> =
                outline.iter().map(|(tap, o)| (tap.to_string(), o.shape.clone())).collect();
            assert_eq!(seen, outlined, "{} {stem:?}", spec.name);
            assert_eq!(network.outline([3, h, w]), None, "three channels do not fit");
        }
    }
}

#[test]
fn resnet18s_taps_at_224_px() {
    let (_, network) = build(find("resnet18").unwrap(), &ModelOptions::new(1000));
    let shapes: Vec<_> =
        network.outline([3, 224, 224]).unwrap().into_iter().map(|(tap, o)| (tap, o.shape)).collect();
    let expected: [(&str, &[usize]); 8] = [
        ("input", &[3, 224, 224]),
        ("stem", &[64, 56, 56]),
        ("stage1", &[64, 56, 56]),
        ("stage2", &[128, 28, 28]),
        ("stage3", &[256, 14, 14]),
        ("stage4", &[512, 7, 7]),
        ("penultimate", &[512]),
        ("head", &[1000]),
    ];
    assert_eq!(shapes, expected.map(|(tap, shape)| (tap, shape.to_vec())));
}

#[test]
fn mobilenets_taps_at_224_px() {
    for (name, channels, features) in [
        ("mobilenet_v3_large", [16, 24, 40, 112, 960], 1280),
        ("mobilenet_v3_small", [16, 16, 24, 48, 576], 1024),
    ] {
        let (_, network) = build(find(name).unwrap(), &ModelOptions::new(9));
        let outline = network.outline([3, 224, 224]).unwrap();
        let shapes: Vec<_> = outline.into_iter().map(|(_, o)| o.shape).collect();
        let mut expected = vec![vec![3, 224, 224]];
        expected.extend(channels.iter().zip([112, 56, 28, 14, 7]).map(|(c, side)| vec![*c, side, side]));
        expected.extend([vec![features], vec![9]]);
        assert_eq!(shapes, expected, "{name}");
    }
}

/// Of the two taps around it, and of passes that differ in the seed alone.
#[test]
fn dropout_acts_in_training_alone() {
    let (params, network) = build(find("mobilenet_v3_small").unwrap(), &ModelOptions::new(5));
    let values = images([8, 3, 32, 32]);
    let logits = |mode: &Mode, rows: &Tensor| numbers(&network.head.forward(rows, mode).unwrap());
    let mut features = None;
    let keep = |tap: &str, values: Tensor| {
        if tap == "penultimate" {
            features = Some(values.clone());
        }
        Ok(values)
    };
    network.walk(values, &Mode::Probe, keep).unwrap();
    let features = features.unwrap();
    let train = |seed: u64| Mode::Train { seed: Seed::new(seed) };
    assert_eq!(logits(&Mode::Probe, &features), logits(&Mode::Eval, &features));
    assert_eq!(logits(&train(1), &features), logits(&train(1), &features));
    assert_ne!(logits(&train(1), &features), logits(&train(2), &features));
    assert_ne!(logits(&train(1), &features), logits(&Mode::Probe, &features));

    // A head that adds up all features: 1024 ones, each 0 or 1 / (1 − 0.2).
    let weight = params.trainable["classifier.3.weight"].var();
    weight.set(&weight.ones_like().unwrap()).unwrap();
    let ones = Tensor::ones((100, 1024), DType::F32, &Device::Cpu).unwrap();
    let sums = logits(&train(1), &ones);
    let kept: Vec<f64> = sums.iter().map(|sum| sum * 0.8 / 1024.0).collect();
    assert!(kept.iter().all(|share| (share * 1024.0 - (share * 1024.0).round()).abs() < 1e-2));
    let mean = kept.iter().sum::<f64>() / kept.len() as f64;
    // Of 102 400 draws: sd √(0.8 · 0.2 / 102 400) = 0.00125.
    assert!((mean - 0.8).abs() < 0.005, "{mean}");
    assert!(kept.windows(10).any(|pair| pair[0] != pair[5]), "each row draws its own");
    assert!(logits(&Mode::Eval, &ones).iter().all(|sum| *sum == 1024.0));
}

/// The loss of three images.
fn loss(network: &Network, images: &Tensor, mode: &Mode) -> Tensor {
    let logits = network.forward(images, mode).unwrap();
    soft_cross_entropy(
        &logits,
        &Tensor::eye(5, DType::F32, &Device::Cpu).unwrap().narrow(0, 0, 3).unwrap(),
        None,
    )
    .unwrap()
}

/// A step down the gradient: every parameter has one, and the loss falls.
#[test]
fn every_model_trains() {
    for spec in small() {
        let side = if spec.input == 32 { 16 } else { 64 };
        let (params, network) = build(spec, &ModelOptions { input: Some(side), ..ModelOptions::new(5) });
        let images = images([3, 3, side, side]);
        let first = loss(&network, &images, &Mode::Probe);
        let gradients = backward(&first).unwrap();
        let mut square = 0.0;
        for (name, param) in &params.trainable {
            let gradient =
                gradients.get(param.var()).unwrap_or_else(|| panic!("{}: {name} has none", spec.name));
            assert_eq!(gradient.dims(), param.var().dims());
            let norm = gradient.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(norm.is_finite() && norm > 0.0, "{}: {name}: {norm}", spec.name);
            square += f64::from(norm);
        }
        for (name, buffer) in &params.buffers {
            assert!(gradients.get(buffer.var()).is_none(), "{}: {name} is no parameter", spec.name);
        }
        // A step so short that the loss falls by what its gradient says, within a factor of 2: how short depends on how bent it is.
        let start: Vec<Tensor> =
            params.trainable.values().map(|p| tallow_kernels::copy(p.var().as_tensor()).unwrap()).collect();
        let falls = [1e-2, 3e-3, 1e-3, 3e-4].map(|expected| {
            for (param, start) in params.trainable.values().zip(&start) {
                let step = (gradients.get(param.var()).unwrap() * (expected / square)).unwrap();
                param.var().set(&(start - step).unwrap()).unwrap();
            }
            (numbers(&first)[0] - numbers(&loss(&network, &images, &Mode::Probe))[0]) / expected
        });
        assert!(falls.iter().any(|fall| (0.5..2.0).contains(fall)), "{}: {falls:?}", spec.name);
        // What is drawn does not make it less finite.
        assert!(numbers(&loss(&network, &images, &TRAIN()))[0].is_finite(), "{}", spec.name);
    }
}

/// torchvision's formula: a row is left out with probability p, else times 1 / (1 − p).
#[test]
fn stochastic_depth_leaves_out_rows() {
    let depth = StochasticDepth { name: "block".into(), rate: 0.3 };
    let (x, branch) = (images([4000, 1, 2, 1]), images([4000, 1, 2, 1]).affine(0.5, 5.0).unwrap());
    let rows = |mode: &Mode| {
        let y = depth.forward(&x, &branch, mode).unwrap();
        let factor = ((y - &x).unwrap() / &branch).unwrap();
        factor.flatten_from(1).unwrap().to_vec2::<f32>().unwrap()
    };
    for mode in [Mode::Eval, Mode::Probe] {
        assert!(rows(&mode).iter().flatten().all(|factor| (factor - 1.0).abs() < 1e-4));
    }
    let drawn = rows(&TRAIN());
    let left_out = drawn.iter().filter(|row| row.iter().all(|factor| factor.abs() < 1e-4)).count();
    let kept = drawn.iter().filter(|row| row.iter().all(|factor| (factor * 0.7 - 1.0).abs() < 1e-3)).count();
    assert_eq!(left_out + kept, 4000);
    // sd √(4000 · 0.3 · 0.7) = 29
    assert!((1055..1345).contains(&left_out), "{left_out}");
    assert_eq!(drawn, rows(&TRAIN()));
    assert_ne!(drawn, rows(&Mode::Train { seed: Seed::new(1) }));
}

/// Values of all tensors, and whether each parameter got a gradient, after a step in `mode`.
fn after(mode: Mode, freeze: &[&str]) -> (BTreeMap<String, Vec<f64>>, BTreeMap<String, bool>, Params) {
    let (params, network) = build(find("resnet18").unwrap(), &ModelOptions::new(5));
    network.freeze(&params, freeze).unwrap();
    let logits = network.forward(&images([3, 3, 48, 48]), &mode).unwrap();
    let gradients = backward(logits.sum_all().unwrap()).unwrap();
    let has = |var| gradients.get(var).is_some();
    let graph = params.trainable.iter().map(|(name, param)| (name.clone(), has(param.var()))).collect();
    let values =
        params.tensors().unwrap().iter().map(|(name, tensor)| (name.clone(), numbers(tensor))).collect();
    (values, graph, params)
}

#[test]
fn only_training_moves_statistics_and_only_evaluation_has_no_graph() {
    let (params, _) = build(find("resnet18").unwrap(), &ModelOptions::new(5));
    let start: BTreeMap<_, _> =
        params.tensors().unwrap().iter().map(|(name, t)| (name.clone(), numbers(t))).collect();
    let (eval, graph, _) = after(Mode::Eval, &[]);
    assert!(eval == start && graph.values().all(|has| !has));
    let (probe, graph, _) = after(Mode::Probe, &[]);
    assert!(probe == start && graph.values().all(|has| *has));
    let (train, graph, params) = after(TRAIN(), &[]);
    assert!(graph.values().all(|has| *has));
    for (name, values) in &train {
        let moved = !params.trainable.contains_key(name);
        assert_eq!(values != &start[name], moved, "{name}");
    }
    assert!(params.counts.len() == 20 && params.counts.values().all(|count| count.value() == 1));
}

#[test]
fn frozen_stages_have_no_gradient_and_keep_their_statistics() {
    let (params, _) = build(find("resnet18").unwrap(), &ModelOptions::new(5));
    let start: BTreeMap<_, _> =
        params.tensors().unwrap().iter().map(|(name, t)| (name.clone(), numbers(t))).collect();
    let (values, graph, params) = after(TRAIN(), &["stem", "stage2"]);
    for (name, param) in params.trainable.iter().chain(&params.buffers) {
        let frozen = name.starts_with("conv1.") || name.starts_with("bn1.") || name.starts_with("layer2.");
        assert_eq!(param.frozen(), frozen, "{name}");
        assert_eq!(matches!(param.stage(), "stem" | "stage2"), frozen, "{name}");
        match graph.get(name) {
            Some(has) => assert_eq!(*has, !frozen, "{name}"),
            None => assert_eq!(values[name] == start[name], frozen, "{name}"),
        }
    }
    for (name, count) in &params.counts {
        let frozen = name.starts_with("bn1.") || name.starts_with("layer2.");
        assert_eq!(count.value(), u64::from(!frozen), "{name}");
    }
}

#[test]
fn a_frozen_stage_computes_what_evaluation_does() {
    let (params, network) = build(find("resnet18").unwrap(), &ModelOptions::new(5));
    let stages = ["stem", "stage1", "stage2", "stage3", "stage4", "penultimate", "head"];
    network.freeze(&params, &stages).unwrap();
    let images = images([2, 3, 48, 48]);
    let train = network.forward(&images, &TRAIN()).unwrap();
    assert_eq!(numbers(&train), numbers(&network.forward(&images, &Mode::Eval).unwrap()));
}

#[test]
fn parameters_know_their_stage_and_whether_they_decay() {
    let (params, network) = build(find("resnet50").unwrap(), &ModelOptions::new(5));
    for (name, param) in &params.trainable {
        let stage = match name.split('.').next().unwrap() {
            "conv1" | "bn1" => "stem".to_owned(),
            "fc" => "head".to_owned(),
            layer => layer.replace("layer", "stage"),
        };
        assert_eq!(param.stage(), stage);
        let weight_of_a_product =
            name.contains("conv") || name.contains("downsample.0") || name == "fc.weight";
        assert_eq!(param.decays(), weight_of_a_product, "{name}");
    }
    let error = network.freeze(&params, &["stem", "stage5"]).unwrap_err().to_string();
    assert_eq!(
        error,
        "freeze: there is no stage `stage5`; stages: stem, stage1, stage2, stage3, stage4, penultimate, head"
    );
    assert!(params.trainable.values().all(|param| !param.frozen()), "nothing is frozen by a mistake");
}

#[test]
fn mobilenet_has_no_cifar_stem() {
    let options = ModelOptions { stem: Some(Stem::Cifar), ..ModelOptions::new(5) };
    let mut params = Params::new(Seed::new(7), DType::F32, &Device::Cpu);
    let error = (find("mobilenet_v3_small").unwrap().build)(&mut params, &options).err().unwrap().to_string();
    assert_eq!(
        error,
        "stem: MobileNetV3 has its own only (3×3 at stride 2) – leave `stem` out, or take resnet18 for a CIFAR stem"
    );
    assert!(params.trainable.is_empty());
}

#[test]
fn the_cifar_family_has_no_imagenet_stem() {
    let options = ModelOptions { stem: Some(Stem::ImageNet), ..ModelOptions::new(5) };
    let mut params = Params::new(Seed::new(7), DType::F32, &Device::Cpu);
    let error = (find("resnet20").unwrap().build)(&mut params, &options).err().unwrap().to_string();
    assert_eq!(
        error,
        "stem: the CIFAR family (resnet20, 32, 56, 110) has `cifar` only; for an ImageNet stem take resnet18"
    );
    assert!(params.trainable.is_empty());
}

#[test]
fn a_vision_transformer_says_what_it_has_positions_for() {
    let (_, network) = build(find("vit_tiny_patch16_224").unwrap(), &ModelOptions::new(5));
    let error = network.forward(&images([1, 3, 64, 64]), &Mode::Eval).unwrap_err().to_string();
    assert_eq!(
        error,
        "input: the network has positions for 14×14 patches of 16 px, the image has 64×64 px – build it with `input` 64"
    );
}
