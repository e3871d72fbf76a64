//! Numbers, and the comparison of an op with finite differences, its fallback, and its f64 self.

use crate::device::gpu;
use candle_core::{DType, Device, Result, Tensor, Var};
use tallow_kernels::{BatchNorm, RunningStats, Stats, composed, count_kernels};
use tallow_seed::Seed;

/// Normal numbers.
pub fn numbers(shape: &[usize], seed: u64) -> Tensor {
    let mut rng = Seed::new(seed).rng();
    let data: Vec<f64> = (0..shape.iter().product()).map(|_| rng.normal()).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

/// Numbers in 0.1..2.
pub fn positive(shape: &[usize], seed: u64) -> Tensor {
    let mut rng = Seed::new(seed).rng();
    let data: Vec<f64> = (0..shape.iter().product()).map(|_| rng.uniform_in(0.1, 2.0)).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

/// `f` with kernels, or composed of candle's ops.
pub fn on<R>(fallback: bool, f: impl FnOnce() -> R) -> R {
    if fallback {
        let (result, kernels) = count_kernels(|| composed(f));
        assert_eq!(kernels, 0, "a kernel ran under the fallback");
        result
    } else {
        f()
    }
}

/// torch's defaults.
pub fn norm<'a>(
    weight: &'a Tensor,
    bias: &'a Tensor,
    running: &'a RunningStats,
    stats: Stats,
) -> BatchNorm<'a> {
    BatchNorm { weight, bias, running, stats, eps: 1e-5, momentum: 0.1 }
}

pub fn near(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "number {i}: {a} and {b}");
    }
}

/// ‖a − b‖ / ‖b‖ (‖a − b‖ where b is 0).
pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
    let (difference, size) = (norm(&mut a.iter().zip(b).map(|(a, b)| a - b)), norm(&mut b.iter().copied()));
    if size > 0.0 { difference / size } else { difference }
}

pub fn flat(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// `x` in the type and on the device of `like`.
pub fn beside(x: &Tensor, like: &Tensor) -> Result<Tensor> {
    x.to_dtype(like.dtype())?.to_device(like.device())
}

/// The result, then the gradients of Σ result · (fixed normal numbers).
pub fn all(
    inputs: &[Tensor],
    dtype: DType,
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<Vec<Vec<f64>>> {
    all_on(&Device::Cpu, inputs, dtype, f)
}

fn all_on(
    device: &Device,
    inputs: &[Tensor],
    dtype: DType,
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<Vec<Vec<f64>>> {
    let var = |t: &Tensor| Var::from_tensor(&t.to_dtype(dtype)?.to_device(device)?);
    let vars: Vec<Var> = inputs.iter().map(var).collect::<Result<_>>()?;
    let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let y = f(&tensors)?;
    let loss = (&y * beside(&numbers(y.dims(), 99), &y)?)?.sum_all()?;
    let grads = tallow_kernels::backward(&loss)?;
    let mut out = vec![flat(&y)];
    for (i, var) in vars.iter().enumerate() {
        let grad = grads.get(var).unwrap_or_else(|| panic!("operand {i} has no gradient"));
        assert_eq!(grad.dims(), var.dims());
        out.push(flat(grad));
    }
    Ok(out)
}

pub fn check(case: &str, inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) -> Result<()> {
    let (ours, kernels) = count_kernels(|| all(inputs, DType::F64, &f));
    let ours = ours?;
    assert!(kernels > 0, "{case}: no kernel ran");
    let fallback = on(true, || all(inputs, DType::F64, &f))?;
    let single = on(false, || all(inputs, DType::F32, &f))?;
    for (part, (a, b)) in ours.iter().zip(&fallback).enumerate() {
        let size = b.iter().fold(1.0f64, |m, x| m.max(x.abs()));
        for (i, (a, b)) in a.iter().zip(b).enumerate() {
            assert!(
                (a - b).abs() <= 1e-9 * size,
                "{case}: part {part}, number {i}: kernel {a}, fallback {b}"
            );
        }
    }
    is_single(&format!("{case}: f32"), &single, &ours);
    if let Some(device) = gpu() {
        let of_gpu = all_on(device, inputs, DType::F32, &f)?;
        is_single(&format!("{case}: f32 of {:?}", device.location()), &of_gpu, &ours);
    }
    // The loss is Σ y · c; central differences at up to 12 places of each operand.
    let weights = |y: &Tensor| flat(&numbers(y.dims(), 99));
    let value = |inputs: &[Tensor]| -> Result<f64> {
        let y = on(false, || f(inputs))?;
        Ok(flat(&y).iter().zip(weights(&y)).map(|(y, c)| y * c).sum())
    };
    for (operand, input) in inputs.iter().enumerate() {
        let data = flat(input);
        let step = data.len().div_ceil(12);
        for place in (0..data.len()).step_by(step) {
            let moved = |by: f64| -> Result<f64> {
                let mut data = data.clone();
                data[place] += by;
                let mut inputs = inputs.to_vec();
                inputs[operand] = Tensor::from_vec(data, input.shape(), &Device::Cpu)?;
                value(&inputs)
            };
            let h = 1e-6;
            let numeric = (moved(h)? - moved(-h)?) / (2.0 * h);
            let exact = ours[operand + 1][place];
            let size = 1.0 + ours[operand + 1].iter().fold(0.0f64, |m, x| m.max(x.abs()));
            assert!(
                (numeric - exact).abs() <= 2e-6 * size,
                "{case}: operand {operand}, place {place}: difference quotient {numeric}, gradient {exact}"
            );
        }
    }
    Ok(())
}

/// Each part within single precision of what f64 gives.
fn is_single(case: &str, single: &[Vec<f64>], double: &[Vec<f64>]) {
    for (part, (a, b)) in single.iter().zip(double).enumerate() {
        let size = b.iter().map(|x| x * x).sum::<f64>().sqrt();
        let error = distance(a, b);
        // Sums that cancel to nearly 0 (a gradient through batch norm) are measured against 1.
        assert!(error <= 1e-5 || error * size <= 1e-5, "{case}: part {part} is {error:e} from f64");
    }
}
