//! Training and evaluation steps equal PyTorch's: logits, loss, gradients of everything, running statistics.
//!
//! `tests/golden/models.py` makes the files and says how weights and sketches are defined.

#[path = "../../../tests/golden/device.rs"]
mod device;
#[path = "../../../tests/golden/formula.rs"]
mod formula;

use candle_core::{DType, Device, Tensor, Var};
use formula::{formula, hashes, unit};
use std::collections::BTreeMap;
use std::path::Path;
use tallow_kernels::backward;
use tallow_models::{Mode, ModelOptions, Network, Params, Stem, find, weights};
use tallow_seed::Seed;

/// Projections of a sketch.
const K: usize = 32;

/// Largest norm of the difference over the norm.
struct Tolerance {
    logits: f64,
    statistics: f64,
    gradients: f64,
}

const F64: Tolerance = Tolerance { logits: 1e-9, statistics: 1e-9, gradients: 1e-9 };
/// PyTorch's own two memory layouts differ by up to 4e-2 in resnet50's gradients: signs flip at relu.
/// Logits of ResNeXt-50 are 1.001e-4 apart without AVX-512.
const F32: Tolerance = Tolerance { logits: 1.1e-4, statistics: 1e-4, gradients: 5e-2 };

#[test]
fn resnet18_f64() {
    check("resnet18", "resnet18", None, [4, 3, 64, 64], DType::F64, F64);
}

#[test]
fn resnet18_f32() {
    check("resnet18", "resnet18", None, [4, 3, 64, 64], DType::F32, F32);
}

#[test]
fn resnet50_f64() {
    check("resnet50", "resnet50", None, [4, 3, 64, 64], DType::F64, F64);
}

#[test]
fn resnet50_f32() {
    check("resnet50", "resnet50", None, [4, 3, 64, 64], DType::F32, F32);
}

#[test]
fn resnet18_with_odd_sides() {
    check("resnet18_odd", "resnet18", None, [2, 3, 139, 75], DType::F64, F64);
    check("resnet18_odd", "resnet18", None, [2, 3, 139, 75], DType::F32, F32);
}

#[test]
fn resnet18_with_the_cifar_stem() {
    check("resnet18_cifar", "resnet18", Some(Stem::Cifar), [2, 3, 32, 32], DType::F64, F64);
    check("resnet18_cifar", "resnet18", Some(Stem::Cifar), [2, 3, 32, 32], DType::F32, F32);
}

#[test]
fn resnet20_of_the_cifar_family() {
    check("resnet20", "resnet20", None, [4, 3, 32, 32], DType::F64, F64);
    check("resnet20", "resnet20", None, [4, 3, 32, 32], DType::F32, F32);
}

#[test]
fn mobilenet_v3_f64() {
    check("mobilenet_v3_large", "mobilenet_v3_large", None, [3, 3, 64, 64], DType::F64, F64);
    check("mobilenet_v3_small", "mobilenet_v3_small", None, [2, 3, 75, 64], DType::F64, F64);
}

#[test]
fn mobilenet_v3_f32() {
    check("mobilenet_v3_large", "mobilenet_v3_large", None, [3, 3, 64, 64], DType::F32, F32);
    check("mobilenet_v3_small", "mobilenet_v3_small", None, [2, 3, 75, 64], DType::F32, F32);
}

#[test]
fn resnext50() {
    both("resnext50_32x4d", [3, 3, 64, 64]);
}

#[test]
fn resnet18d_with_odd_sides() {
    both("resnet18d", [2, 3, 97, 75]);
}

#[test]
fn preact_resnet18() {
    both("preact_resnet18", [2, 3, 32, 32]);
}

#[test]
fn wide_resnet_for_cifar() {
    both("wrn_16_4", [2, 3, 32, 32]);
}

#[test]
fn mobilenet_v2() {
    both("mobilenet_v2", [3, 3, 64, 75]);
}

#[test]
fn vgg11_with_batch_norm() {
    both("vgg11_bn", [3, 3, 64, 64]);
}

#[test]
fn densenet121() {
    both("densenet121", [3, 3, 64, 75]);
}

#[test]
fn efficientnet_b0() {
    both("efficientnet_b0", [3, 3, 64, 75]);
}

#[test]
fn efficientnet_v2_s() {
    both("efficientnet_v2_s", [3, 3, 64, 64]);
}

fn both(model: &str, shape: [usize; 4]) {
    check(model, model, None, shape, DType::F64, F64);
    check(model, model, None, shape, DType::F32, F32);
}

/// The yardstick itself: whether one element is off or all are, the estimate is near the true ratio.
#[test]
fn a_sketch_measures_a_difference() {
    for n in [7, 32, 33, 5000] {
        let values = unit("values", n);
        let noise = unit("noise", n);
        let one = |i: usize| if i == n / 3 { 1.0 } else { 0.0 };
        for noise in [noise.clone(), (0..n).map(one).collect::<Vec<_>>()] {
            let scale = 1e-6 * norm(values.iter().copied()) / norm(noise.iter().copied());
            let other: Vec<f64> = values.iter().zip(&noise).map(|(v, d)| v + scale * d).collect();
            let estimate = sketched(&other, &sketch(&values)) / 1e-6;
            assert!((0.6..1.4).contains(&estimate), "{n}: {estimate}");
        }
    }
}

fn check(file: &str, model: &str, stem: Option<Stem>, shape: [usize; 4], dtype: DType, tolerance: Tolerance) {
    check_on(&Device::Cpu, file, model, stem, shape, dtype, &tolerance);
    if let (Some(device), DType::F32) = (device::gpu(), dtype) {
        check_on(device, file, model, stem, shape, dtype, &tolerance);
    }
}

fn check_on(
    device: &Device,
    file: &str,
    model: &str,
    stem: Option<Stem>,
    shape: [usize; 4],
    dtype: DType,
    tolerance: &Tolerance,
) {
    let path = format!("{}/../../tests/golden/models/{file}.safetensors", env!("CARGO_MANIFEST_DIR"));
    let golden: BTreeMap<String, Vec<f64>> = weights::read(Path::new(&path))
        .unwrap()
        .tensors
        .into_iter()
        .map(|(name, tensor)| (name, tensor.flatten_all().unwrap().to_vec1().unwrap()))
        .collect();
    let classes = golden["logits"].len() / shape[0];
    let options = ModelOptions { stem, input: Some(shape[2]), ..ModelOptions::new(classes) };
    let (params, network) = build(model, &options, dtype, device);
    let images = unit("images", shape.iter().product()).into_iter().map(|u| u * 3f64.sqrt()).collect();
    let images = Var::from_tensor(&tensor(images, &shape, dtype, device)).unwrap();
    let targets = tensor(soft_targets(shape[0], classes), &[shape[0], classes], dtype, device);

    let mut worst = BTreeMap::from([("logits", 0f64), ("statistics", 0.0), ("gradients", 0.0)]);
    let mut see = |kind: &'static str, name: &str, difference: f64, limit: f64| {
        assert!(
            difference <= limit,
            "{file} {dtype:?} {:?}: {name}: {difference:e}, at most {limit:e}",
            device.location()
        );
        *worst.get_mut(kind).unwrap() = worst[kind].max(difference);
    };

    let eval = network.forward(&images.as_detached_tensor(), &Mode::Eval).unwrap();
    see("logits", "eval", relative(&numbers(&eval), &golden["eval"]), tolerance.logits);
    // PyTorch's dropout and stochastic depth drew what ours draw.
    let mode = Mode::Train { seed: Seed::new(0) };
    let logits = network.forward(images.as_tensor(), &mode).unwrap();
    see("logits", "logits", relative(&numbers(&logits), &golden["logits"]), tolerance.logits);
    let loss = soft_cross_entropy(&logits, &targets);
    see("logits", "loss", relative(&numbers(&loss), &golden["loss"]), tolerance.logits);

    let gradients = backward(&loss).unwrap();
    let vars = params.trainable.iter().map(|(name, param)| (name.as_str(), param.var()));
    let mut seen = 3;
    for (name, var) in vars.chain([("images", &images)]) {
        let gradient = gradients.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
        let of = |name: &str| &golden[&format!("grad.{name}")];
        seen += 1;
        // Of a branch that was left out for every row.
        if of(name)[0] == 0.0 {
            assert!(
                numbers(gradient).iter().all(|value| *value == 0.0),
                "{file} {dtype:?}: grad.{name} is not 0"
            );
            continue;
        }
        // A bias that the next norm takes away again has no gradient but rounding: its size is that of its weight's.
        let beside = name.strip_suffix("bias").map_or(0.0, |name| of(&format!("{name}weight"))[0]);
        let scale = if of(name)[0] < 1e-9 * beside { beside } else { of(name)[0] };
        let difference = sketched(&numbers(gradient), of(name)) * of(name)[0] / scale;
        see("gradients", &format!("grad.{name}"), difference, tolerance.gradients);
    }
    for (name, buffer) in &params.buffers {
        see("statistics", name, sketched(&numbers(buffer.var()), &golden[name]), tolerance.statistics);
        seen += 1;
    }
    assert_eq!(seen, golden.len(), "every golden tensor is compared");
    println!("{file} {dtype:?} {:?}: {worst:?}", device.location());
}

fn build(model: &str, options: &ModelOptions, dtype: DType, device: &Device) -> (Params, Network) {
    let mut params = Params::new(Seed::new(0), dtype, device);
    let network = (find(model).unwrap().build)(&mut params, options).unwrap();
    for (name, param) in params.trainable.iter().chain(&params.buffers) {
        let shape = param.var().dims();
        let mut values = formula(name, shape);
        // The factor of `GAINS` in models.py.
        if model == "efficientnet_v2_s" && shape.len() == 1 && name.ends_with("weight") {
            values.iter_mut().for_each(|value| *value *= 0.9);
        }
        param.var().set(&tensor(values, shape, dtype, device)).unwrap();
    }
    (params, network)
}

/// A vision transformer with positions for 4×4 patches.
#[test]
fn vit_tiny() {
    check("vit_tiny_patch16_224", "vit_tiny_patch16_224", None, [2, 3, 64, 64], DType::F64, F64);
    check("vit_tiny_patch16_224", "vit_tiny_patch16_224", None, [2, 3, 64, 64], DType::F32, F32);
}

/// Maps of 14×16, 7×8, 4×4 and 2×2: windows that fit, that are padded, that are rolled and masked, and one alone.
#[test]
fn swin_tiny() {
    check("swin_t", "swin_t", None, [2, 3, 56, 64], DType::F64, F64);
    check("swin_t", "swin_t", None, [2, 3, 56, 64], DType::F32, F32);
}

/// Maps of 18×16, 9×8, 4×4 and 2×2: a row is left out.
#[test]
fn convnext_tiny() {
    check("convnext_tiny", "convnext_tiny", None, [2, 3, 72, 64], DType::F64, F64);
    check("convnext_tiny", "convnext_tiny", None, [2, 3, 72, 64], DType::F32, F32);
}

/// −Σ y log softmax(z), mean over rows.
fn soft_cross_entropy(logits: &Tensor, targets: &Tensor) -> Tensor {
    let shifted = logits.broadcast_sub(&logits.max_keepdim(1).unwrap().detach()).unwrap();
    let log_sum = shifted.exp().unwrap().sum_keepdim(1).unwrap().log().unwrap();
    let rows = (targets * shifted.broadcast_sub(&log_sum).unwrap()).unwrap().sum(1).unwrap();
    rows.mean(0).unwrap().neg().unwrap()
}

fn tensor(values: Vec<f64>, shape: &[usize], dtype: DType, device: &Device) -> Tensor {
    let values = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
    values.to_dtype(dtype).unwrap().to_device(device).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.to_device(&Device::Cpu).unwrap();
    tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

fn norm(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn relative(values: &[f64], golden: &[f64]) -> f64 {
    assert_eq!(values.len(), golden.len());
    norm(values.iter().zip(golden).map(|(a, b)| a - b)) / norm(golden.iter().copied())
}

/// The norm of the difference over the golden norm, estimated from the sketch; and never less than what the norms differ by.
fn sketched(values: &[f64], golden: &[f64]) -> f64 {
    let sketch = sketch(values);
    assert_eq!(sketch.len(), golden.len());
    let difference = norm(sketch[1..].iter().zip(&golden[1..]).map(|(a, b)| a - b));
    let scale = if values.len() > K { (K as f64).sqrt() } else { 1.0 };
    (difference / scale).max((sketch[0] - golden[0]).abs()) / golden[0]
}

/// The norm, then 32 random-sign projections, or the values themselves where there are no more.
fn sketch(values: &[f64]) -> Vec<f64> {
    let mut sketch = vec![norm(values.iter().copied())];
    if values.len() <= K {
        sketch.extend(values);
        return sketch;
    }
    let mut sums = [0f64; K];
    for (value, bits) in values.iter().zip(hashes("sign")) {
        for (k, sum) in sums.iter_mut().enumerate() {
            *sum += if bits >> k & 1 == 1 { *value } else { -*value };
        }
    }
    sketch.extend(sums);
    sketch
}

fn soft_targets(rows: usize, classes: usize) -> Vec<f64> {
    let mut targets: Vec<f64> = unit("targets", rows * classes).into_iter().map(|u| u + 1.0).collect();
    for row in targets.chunks_mut(classes) {
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|target| *target /= sum);
    }
    targets
}
