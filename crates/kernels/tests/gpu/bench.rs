//! What cases are made with: numbers, their buffers, and the comparison with the CPU.

use crate::emulation::{Buffer, Emulation};
use candle_core::{DType, Device, Result, Tensor, Var, bail};
use tallow_kernels::gpu::{Device as _, Kind, Memory, Storage};
use tallow_seed::Seed;

pub struct Bench<'a> {
    pub device: &'a Emulation,
    /// The type of values.
    pub storage: Storage,
}

/// Normal numbers, f32.
pub fn normal(shape: &[usize], seed: u64) -> Tensor {
    let mut rng = Seed::new(seed).rng();
    let data: Vec<f32> = (0..shape.iter().product()).map(|_| rng.normal() as f32).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

pub fn flat(x: &Tensor) -> Result<Vec<f32>> {
    x.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

/// Gradients of Σ y·dy by the operands, on the CPU.
pub fn gradients(
    operands: &[&Tensor],
    dy: &Tensor,
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<Vec<Tensor>> {
    let vars = operands.iter().map(|x| Var::from_tensor(&x.detach())).collect::<Result<Vec<_>>>()?;
    let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let found = tallow_kernels::backward((f(&tensors)? * dy)?.sum_all()?)?;
    Ok(vars.iter().map(|var| found.get(var).expect("reached").clone()).collect())
}

impl Bench<'_> {
    /// Numbers as the storage has them, and their buffer.
    pub fn values(&self, x: &Tensor) -> Result<(Tensor, Buffer)> {
        let dtype = if self.storage == Storage::Bf16 { DType::BF16 } else { DType::F32 };
        let x = x.to_dtype(dtype)?.to_dtype(DType::F32)?;
        let bytes = flat(&x)?.into_iter().flat_map(|v| match self.storage {
            Storage::F32 => v.to_bits().to_ne_bytes().to_vec(),
            Storage::Bf16 => ((v.to_bits() >> 16) as u16).to_ne_bytes().to_vec(),
        });
        let buffer = Buffer::new(self.storage.kind(), bytes.collect());
        Ok((x, buffer))
    }

    /// Normal numbers.
    pub fn normal(&self, shape: &[usize], seed: u64) -> Result<(Tensor, Buffer)> {
        self.values(&normal(shape, seed))
    }

    /// An f32 buffer.
    pub fn floats(&self, x: &Tensor) -> Result<Buffer> {
        self.device.floats(&flat(x)?)
    }

    /// The numbers of a buffer.
    pub fn read(&self, x: &Buffer) -> Vec<f32> {
        let bytes = x.bytes.borrow();
        match x.kind() {
            Kind::F32 => bytes.chunks_exact(4).map(|b| f32::from_ne_bytes(b.try_into().unwrap())).collect(),
            Kind::Bf16 => bytes
                .chunks_exact(2)
                .map(|b| f32::from_bits(u32::from(u16::from_ne_bytes(b.try_into().unwrap())) << 16))
                .collect(),
            Kind::U32 | Kind::U8 => unreachable!("values are compared"),
        }
    }

    /// Every number within `tolerance`·(root mean square + its size), and half a unit of the last place of bf16 where the buffer
    /// has that type.
    pub fn near(&self, what: &str, got: &Buffer, want: &Tensor, tolerance: f32) -> Result<()> {
        let (kind, got, want) = (got.kind(), self.read(got), flat(want)?);
        if got.len() != want.len() {
            bail!("{what}: {} numbers, not {}", got.len(), want.len());
        }
        let rms = (want.iter().map(|v| v * v).sum::<f32>() / want.len() as f32).sqrt();
        let unit = if kind == Kind::Bf16 { 1.0 / 256.0 } else { 0.0 };
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            let allowed = tolerance * (rms + want.abs()) + unit * want.abs();
            let differs = (got - want).abs();
            if differs.is_nan() || differs > allowed {
                bail!("{what}: number {i}: {got}, on the CPU {want}");
            }
        }
        Ok(())
    }

    /// The same bits, once the numbers are stored alike; NaN is NaN.
    pub fn same(&self, what: &str, got: &Buffer, want: &Tensor) -> Result<()> {
        let (want, _) = self.values(want)?;
        for (i, (got, want)) in self.read(got).into_iter().zip(flat(&want)?).enumerate() {
            if got.to_bits() != want.to_bits() && !(got.is_nan() && want.is_nan()) {
                bail!("{what}: number {i}: {got}, on the CPU {want}");
            }
        }
        Ok(())
    }
}
