//! What cases are made with: an op on the CPU and on the device, forward and backward, and the launches that it took.

use crate::stand_in::new_lines;
use candle_core::{DType, Device, Result, Tensor, Var, bail};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;
use tallow_kernels::launches::SOURCES;
use tallow_kernels::{backward, count_kernels};
use tallow_seed::Seed;

pub struct Bench {
    pub device: Device,
}

/// One op.
pub struct Op<'a> {
    pub name: String,
    /// f32 on the CPU; the first `variables` of them get a gradient.
    pub inputs: Vec<Tensor>,
    pub variables: usize,
    /// Kernels of ours, forward and backward.
    pub launches: [&'a [&'a str]; 2],
    pub tolerance: f32,
    /// Whether it has kernels in bf16.
    pub bf16: bool,
    /// Operands that may be f32 beside the others in bf16.
    pub in_f32: Range<usize>,
}

/// Normal numbers, f32.
pub fn normal(shape: &[usize], seed: u64) -> Tensor {
    let mut rng = Seed::new(seed).rng();
    let data: Vec<f32> = (0..shape.iter().product()).map(|_| rng.normal() as f32).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

pub fn flat(x: &Tensor) -> Result<Vec<f32>> {
    x.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

/// Every number within `tolerance`·(root mean square + its size).
pub fn near(what: &str, got: &Tensor, want: &Tensor, tolerance: f32) -> Result<()> {
    if got.dims() != want.dims() {
        bail!("{what}: shape {:?}, on the CPU {:?}", got.shape(), want.shape());
    }
    let (got, want) = (flat(got)?, flat(want)?);
    let rms = (want.iter().map(|v| v * v).sum::<f32>() / want.len().max(1) as f32).sqrt();
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        let differs = (got - want).abs();
        if differs.is_nan() || differs > tolerance * (rms + want.abs()) {
            bail!("{what}: number {i}: {got}, on the CPU {want}");
        }
    }
    Ok(())
}

/// The kernels of ours among lines of the log, without their type, and cuDNN's convolutions.
pub fn launched(lines: &[String]) -> Vec<String> {
    static OURS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
        let names = SOURCES.iter().flat_map(|source| source.signatures().unwrap());
        names.map(|signature| signature.name.as_str()).collect()
    });
    let kernel = |line: &String| {
        if line.starts_with("convolution_") {
            return line.split(' ').next().map(str::to_owned);
        }
        let name = line.strip_prefix("launch ")?.split(' ').next()?.rsplit_once('_')?.0.to_owned();
        OURS.contains(name.as_str()).then_some(name)
    };
    lines.iter().filter_map(kernel).collect()
}

impl Bench {
    pub fn new() -> Result<Bench> {
        Ok(Bench { device: crate::device()? })
    }

    /// The launches of `pass`, which are `launches`, where a stand-in says which; and one application of a kernel in any case.
    fn pass<T>(&self, what: &str, launches: &[&str], pass: impl FnOnce() -> Result<T>) -> Result<T> {
        new_lines();
        let (result, count) = count_kernels(pass);
        let result = result?;
        if count != u64::from(!launches.is_empty()) {
            bail!("{what}: {count} kernels ran – expected one – it was composed");
        }
        if let Some(lines) = new_lines() {
            let got = launched(&lines);
            if got != launches {
                bail!("{what}: launched {got:?} – expected {launches:?}");
            }
        }
        Ok(result)
    }

    /// The op on the device gives what it gives on the CPU, and so do its gradients.
    pub fn check(&self, op: &Op, f: impl Fn(&[Tensor]) -> Result<Tensor>) -> Result<()> {
        self.check_as(op, DType::F32, 0..0, &f)?;
        if op.bf16 {
            self.check_as(op, DType::BF16, 0..0, &f)?;
        }
        if op.in_f32.is_empty() { Ok(()) } else { self.check_as(op, DType::BF16, op.in_f32.clone(), &f) }
    }

    /// Operands in `dtype`, but for those `in_f32`; gradients have the types of their operands.
    fn check_as(
        &self,
        op: &Op,
        dtype: DType,
        in_f32: Range<usize>,
        f: &impl Fn(&[Tensor]) -> Result<Tensor>,
    ) -> Result<()> {
        let what = |part: &str| format!("{} in {dtype:?}, {in_f32:?} in f32: {part}", op.name);
        let of = |i: usize| if in_f32.contains(&i) { DType::F32 } else { dtype };
        // The numbers that the type has.
        let rounded = |x: &Tensor, dtype| x.to_dtype(dtype)?.to_dtype(DType::F32);
        let inputs = op.inputs.iter().enumerate().map(|(i, x)| rounded(x, of(i)));
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let on =
            |x: &Tensor, device: &Device, dtype| Var::from_tensor(&x.to_dtype(dtype)?.to_device(device)?);
        let made = |device: &Device, is_gpu: bool| -> Result<(Vec<Var>, Vec<Tensor>)> {
            let all = inputs.iter().enumerate();
            let vars = all.map(|(i, x)| on(x, device, if is_gpu { of(i) } else { DType::F32 }));
            let vars = vars.collect::<Result<Vec<_>>>()?;
            let constant = |(i, var): (usize, &Var)| {
                if i < op.variables { var.as_tensor().clone() } else { var.as_detached_tensor() }
            };
            let tensors = vars.iter().enumerate().map(constant).collect();
            Ok((vars, tensors))
        };
        let (cpu, on_cpu) = made(&Device::Cpu, false)?;
        let (gpu, on_gpu) = made(&self.device, true)?;
        let want = f(&on_cpu)?;
        let got = self.pass(&what("forward"), op.launches[0], || f(&on_gpu))?;
        let tolerance = if dtype == DType::BF16 { 1.0 / 64.0 } else { op.tolerance };
        // A loss in bf16 is f32.
        let kept = if got.rank() == 0 { DType::F32 } else { dtype };
        if got.dtype() != kept {
            bail!("{}: expected {kept:?}, got {:?}", what("y"), got.dtype());
        }
        near(&what("y"), &got, &want, tolerance)?;
        let dy = rounded(&normal(want.dims(), 99), kept)?;
        let wanted = backward((want * &dy)?.sum_all()?)?;
        let loss = (got * dy.to_dtype(kept)?.to_device(&self.device)?)?.sum_all()?;
        let found = self.pass(&what("backward"), op.launches[1], || backward(loss))?;
        for (i, (cpu, gpu)) in cpu.iter().zip(&gpu).enumerate().take(op.variables) {
            let part = what(&format!("gradient {i}"));
            let (Some(want), Some(got)) = (wanted.get(cpu), found.get(gpu)) else {
                bail!("{part}: not reached");
            };
            if got.dtype() != of(i) {
                bail!("{part}: expected {:?}, got {:?}", of(i), got.dtype());
            }
            near(&part, got, want, tolerance)?;
        }
        Ok(())
    }
}
