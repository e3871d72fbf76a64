//! Norms of gradients, and gradients cut to them.

use super::{PIECE, contiguous, on_gpu};
use crate::cpu::element::{Element, by_dtype, view};
use crate::cpu::parallel::{Shared, filled, pieces};
use crate::cpu::simd::vectorized;
use crate::dispatch::{Route, kernel_ran, route};
use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Result, Tensor, bail};

/// √(Σ of all squares), in f64, in the order given; on a GPU with kernels of ours in f32, by a tree of fixed shape.
///
/// # Errors
/// Fails on the CPU on a tensor that is neither f32 nor f64.
pub fn grad_norm(grads: &[&Tensor]) -> Result<f64> {
    if let Some(norm) = on_gpu::norm(grads)? {
        return Ok(f64::from(norm.to_scalar::<f32>()?));
    }
    let mut total = 0.0;
    for grad in grads {
        total += if route("grad_norm", &[grad])? == Route::Cpu {
            kernel_ran();
            let grad = grad.contiguous()?;
            by_dtype!(grad.dtype(), T => squares::<T>(&grad))?
        } else {
            let sum = grad.detach().sqr()?.sum_all()?;
            if sum.dtype() == DType::F64 {
                sum.to_scalar()?
            } else {
                f64::from(sum.to_dtype(DType::F32)?.to_scalar::<f32>()?)
            }
        };
    }
    Ok(total.sqrt())
}

/// [`grad_norm`] as a scalar: on a GPU with kernels of ours f32, and nothing is read; elsewhere f64 on the CPU.
///
/// # Errors
/// Those of [`grad_norm`].
pub fn grad_norm_tensor(grads: &[&Tensor]) -> Result<Tensor> {
    match on_gpu::norm(grads)? {
        Some(norm) => Ok(norm),
        None => Tensor::new(grad_norm(grads)?, &Device::Cpu),
    }
}

/// g = g · min(1, most / (‖g‖ + 1e-6)), ‖g‖ over all gradients: torch's `clip_grad_norm_`. In their own storage, as [`scale`]; on
/// a GPU with kernels of ours ‖g‖ stays there.
///
/// # Errors
/// Those of [`grad_norm`] and [`scale`].
pub fn clip_grads(grads: &mut [&mut Tensor], most: f64) -> Result<()> {
    if on_gpu::clip(grads, most)? {
        return Ok(());
    }
    let all: Vec<&Tensor> = grads.iter().map(|grad| &**grad).collect();
    let factor = most / (grad_norm(&all)? + 1e-6);
    if factor < 1.0 {
        grads.iter_mut().try_for_each(|grad| scale(grad, factor))?;
    }
    Ok(())
}

fn squares<T: Element>(x: &Tensor) -> Result<f64> {
    let x = view::<T>(x)?;
    let x = &*x;
    let parts: Vec<f64> = filled(x.len().div_ceil(PIECE), 1, 1, |i, part| {
        let x = &x[i * PIECE..((i + 1) * PIECE).min(x.len())];
        part[0] = vectorized(
            #[inline(always)]
            || {
                let mut lanes = [0.0f64; 16];
                let mut chunks = x.chunks_exact(16);
                for chunk in &mut chunks {
                    (0..16).for_each(|i| lanes[i] += chunk[i].to_f64() * chunk[i].to_f64());
                }
                chunks.remainder().iter().enumerate().for_each(|(i, x)| lanes[i] += x.to_f64() * x.to_f64());
                lanes.iter().sum()
            },
        );
    });
    Ok(parts.iter().sum())
}

/// x = factor·x. On a CPU in x's own storage, which must not be read as the old x any more.
///
/// # Errors
/// Fails on the CPU where x is neither f32 nor f64.
pub fn scale(x: &mut Tensor, factor: f64) -> Result<()> {
    if route("scale", &[x])? != Route::Cpu {
        *x = (x.detach() * factor)?;
        return Ok(());
    }
    if !x.is_contiguous() {
        *x = x.detach().contiguous()?;
    }
    x.inplace_op1(&Scale { factor })
}

struct Scale {
    factor: f64,
}

impl InplaceOp1 for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn cpu_fwd(&self, x: &mut CpuStorage, layout: &Layout) -> Result<()> {
        kernel_ran();
        let range = contiguous(layout)?;
        match x {
            CpuStorage::F32(x) => run_scale(&mut x[range], self.factor),
            CpuStorage::F64(x) => run_scale(&mut x[range], self.factor),
            _ => bail!("scale: expected f32 or f64"),
        }
        Ok(())
    }
}

fn run_scale<T: Element>(x: &mut [T], factor: f64) {
    let (n, factor, out) = (x.len(), T::from_f64(factor), Shared::new(x));
    pieces(n, PIECE, |start, end| {
        // SAFETY: pieces are disjoint.
        let x = unsafe { out.slice(start, end - start) };
        vectorized(
            #[inline(always)]
            || x.iter_mut().for_each(|x| *x *= factor),
        );
    });
}
