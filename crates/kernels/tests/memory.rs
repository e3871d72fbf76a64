//! Every kernel on the CPU that has `unsafe` code, forward and backward on a few numbers: what `.ci/miri` interprets, where a read outside
//! of memory, of numbers that nobody wrote, or of what another thread writes ends the test. Vector code needs a processor and is not
//! interpreted; the kernels' other tests, under `.ci/address`, run that.

use candle_core::{Device, Result, Tensor, Var};
use tallow_kernels::*;

/// Small numbers, all different.
fn numbers(shape: &[usize]) -> Var {
    let count: usize = shape.iter().product();
    let numbers: Vec<f32> = (0..count).map(|i| ((i * 7 + 3) % 11) as f32 / 8.0 - 0.6).collect();
    Var::from_tensor(&Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()).unwrap()
}

/// Runs an op and its gradient; both are finite, and the gradient is there for every variable.
fn walk(name: &str, x: &[&Var], op: impl Fn() -> Result<Tensor>) {
    let y = op().unwrap_or_else(|error| panic!("{name}: {error}"));
    let sum = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().sum::<f32>();
    assert!(sum(&y).is_finite(), "{name}");
    let (rows, width) = (y.dim(0).unwrap(), y.elem_count() / y.dim(0).unwrap());
    let logits = rearrange(&y, &[rows, width], &[0, 1], &[rows, width]).unwrap();
    let targets = Tensor::full(1.0 / width as f32, logits.shape(), &Device::Cpu).unwrap();
    let gradients = backward(soft_cross_entropy(&logits, &targets, None).unwrap()).unwrap();
    for x in x {
        let gradient = gradients.get(x).unwrap_or_else(|| panic!("{name}: no gradient"));
        assert!(sum(gradient).is_finite(), "{name}");
    }
}

#[test]
fn pointwise_ops_and_sums() {
    let x = numbers(&[2, 3, 4, 5]);
    for (name, op) in [
        ("relu", relu as fn(&Tensor) -> Result<Tensor>),
        ("relu6", relu6),
        ("silu", silu),
        ("gelu", gelu),
        ("hard_swish", hard_swish),
        ("sigmoid", sigmoid),
        ("softmax", softmax),
        ("global_avg_pool", global_avg_pool),
    ] {
        walk(name, &[&x], || op(&x));
    }
    walk("max_pool2d", &[&x], || max_pool2d(&x, 3, 2, 1));
    walk("avg_pool2d", &[&x], || avg_pool2d(&x, 2, 2, 0, true));
    walk("adaptive_avg_pool2d", &[&x], || adaptive_avg_pool2d(&x, (2, 3)));
    walk("rearrange", &[&x], || rearrange(&x, &[2, 3, 4, 5], &[0, 2, 3, 1], &[2, 20, 3]));
}

#[test]
fn norms() -> Result<()> {
    let (x, residual) = (numbers(&[2, 3, 2, 3]), numbers(&[2, 3, 2, 3]));
    let (weight, bias) = (numbers(&[3]), numbers(&[3]));
    let running =
        RunningStats { mean: numbers(&[3]), var: Var::ones(3, candle_core::DType::F32, &Device::Cpu)? };
    for stats in [Stats::BatchAndUpdate, Stats::Batch, Stats::Running] {
        let norm =
            BatchNorm { weight: &weight, bias: &bias, running: &running, stats, eps: 1e-5, momentum: 0.1 };
        walk("batch_norm", &[&x, &residual, &weight], || batch_norm(&x, norm, Some(&residual), true));
    }
    let last = numbers(&[2, 4, 3]);
    walk("layer_norm", &[&last, &weight, &bias], || layer_norm(&last, &weight, &bias, 1e-5));
    Ok(())
}

/// Every way that a convolution is computed, by the sizes that choose it.
#[test]
fn convolutions() {
    let conv = |stride, padding, groups| Conv { stride, padding, dilation: 1, groups };
    for (name, [c, o, k, side], conv) in [
        ("columns", [2, 3, 3, 5], conv(2, 1, 1)),
        ("pointwise", [3, 4, 1, 3], conv(1, 0, 1)),
        ("by lanes", [16, 16, 3, 5], conv(2, 1, 1)),
        ("Winograd's", [16, 16, 3, 4], conv(1, 1, 1)),
        ("two by two", [16, 16, 3, 2], conv(1, 1, 1)),
        ("groups of lanes", [32, 32, 3, 3], conv(1, 1, 4)),
        ("depthwise", [2, 2, 3, 5], conv(1, 1, 2)),
        ("depthwise in strides", [16, 16, 3, 6], conv(2, 1, 16)),
        ("depthwise of 5", [16, 16, 5, 7], conv(1, 2, 16)),
    ] {
        let (x, weight) = (numbers(&[1, c, side, side]), numbers(&[o, c / conv.groups, k, k]));
        walk(name, &[&x, &weight], || conv2d(&x, &weight, conv));
    }
    let (x, weight, bias) = (numbers(&[1, 4, 3, 5]), numbers(&[5, 1, 7, 7]), numbers(&[5]));
    walk("depthwise_last", &[&x, &weight, &bias], || depthwise_last(&x, &weight, &bias));
}

#[test]
fn sequences() {
    let (x, weight, bias) = (numbers(&[2, 3, 4]), numbers(&[5, 4]), numbers(&[5]));
    walk("linear", &[&x, &weight, &bias], || linear(&x, &weight, Some(&bias)));
    let (token, positions) = (numbers(&[4]), numbers(&[4, 4]));
    walk("class_token", &[&x, &token, &positions], || class_token(&x, &token, &positions));
    let qkv = numbers(&[2, 3, 12]);
    walk("attention", &[&qkv], || attention(&qkv, 2));
    let (map, bias) = (numbers(&[1, 4, 4, 12]), numbers(&[2, 4, 4]));
    walk("window_attention", &[&map, &bias], || window_attention(&map, 2, &bias, 2, 1));
    let (branch, scale) = (numbers(&[2, 3, 4]), numbers(&[4]));
    walk("layer_scale", &[&x, &branch, &scale], || layer_scale(&x, &branch, &scale, Some(&[0.5, 2.0])));
}

#[test]
fn channels() {
    let (x, scale, other) = (numbers(&[2, 3, 2, 2]), numbers(&[2, 3]), numbers(&[2, 2, 2, 2]));
    walk("scale_channels", &[&x, &scale], || scale_channels(&x, &scale));
    walk("concat_channels", &[&x, &other], || concat_channels(&[&x, &other]));
}

#[test]
fn mixes() {
    let x = numbers(&[3, 2, 4, 4]);
    let shares = [vec![(0, 0.25), (2, 0.75)], vec![(1, 1.0)], vec![(0, 0.5), (1, 0.25), (2, 0.25)]];
    walk("mix_rows", &[&x], || mix_rows(&shares, &x));
    let (partner, boxes) = ([2, 0, 1], [(0, 2, 1, 4), (1, 1, 0, 0), (0, 4, 0, 4)]);
    walk("paste_boxes", &[&x], || paste_boxes(&x, &partner, &boxes));
    walk("paste_resized", &[&x], || paste_resized(&x, &partner, &[(0, 2, 1, 4), (1, 2, 0, 1), (0, 4, 0, 3)]));
    let masks: Vec<Vec<f32>> = (0..3).map(|i| (0..16).map(|at| (at * i) as f32 / 45.0).collect()).collect();
    walk("blend_masks", &[&x], || blend_masks(&x, &partner, &masks));
}

#[test]
fn optimizers() -> Result<()> {
    let (parameter, gradient, velocity) = (numbers(&[40]), numbers(&[40]), numbers(&[40]));
    let options = Sgd { lr: 0.1, momentum: 0.9, nesterov: true, decay: 1e-4 };
    sgd_step(&parameter, &gradient, &velocity, options)?;
    let mut clipped = copy(&gradient)?;
    clip_grads(&mut [&mut clipped], 0.5)?;
    assert!(clipped.flatten_all()?.to_vec1::<f32>()?.iter().all(|number| number.abs() <= 0.5));
    Ok(())
}
