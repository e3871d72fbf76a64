//! Softmax over the last dimension.

pub mod gpu;

use crate::cpu::element::{Element, tensor, view};
use crate::cpu::parallel::filled;
use crate::cpu::rows;
use crate::cpu::simd::vectorized;
use crate::dispatch::{Op, apply};
use crate::gpu::Here;
use crate::graph::{Backward, OperandGradients, Output, record};
use candle_core::{D, Result, Tensor, bail};

/// y[…, i] = e^x[…, i] / Σ_j e^x[…, j], any shape of rank 1 and more, its last dimension not empty.
///
/// The largest x of a row is taken off first. dx = y · (dy − Σ_j dy_j y_j).
///
/// # Errors
/// Fails where the last dimension is empty, and on the CPU where x is neither f32 nor f64.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    let n = x.dims().last().copied().unwrap_or(0);
    if n == 0 {
        bail!("softmax: expected a last dimension that is not empty, got {:?}", x.shape());
    }
    apply("softmax", Softmax { n }, &[x])
}

struct Softmax {
    n: usize,
}

/// Numbers of one task, about.
const TASK: usize = 1 << 14;

impl Op for Softmax {
    fn record(&self) -> Option<record::Op> {
        Some(record::Op::Softmax)
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let (n, xs) = (self.n, view::<T>(&x[0])?);
        let xs = &*xs;
        let y = filled(xs.len() / n, n, TASK / n, |start, y| {
            vectorized(
                #[inline(always)]
                || {
                    y.copy_from_slice(&xs[start * n..][..y.len()]);
                    for y in y.chunks_exact_mut(n) {
                        let sum = rows::exp(y, rows::max(y));
                        let factor = T::one() / sum;
                        y.iter_mut().for_each(|y| *y *= factor);
                    }
                },
            );
        });
        Output::cpu(y, x[0].shape(), SoftmaxBackward { n })
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let y = gpu::forward(&here, &here.buffer(x[0])?, self.n, 1.0)?;
        Ok(Some(Output::new(here.storage(y)?, x[0].shape(), SoftmaxBackward { n: self.n })))
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        let e = x[0].broadcast_sub(&x[0].max_keepdim(D::Minus1)?.detach())?.exp()?;
        e.broadcast_div(&e.sum_keepdim(D::Minus1)?)
    }
}

struct SoftmaxBackward {
    n: usize,
}

impl Backward for SoftmaxBackward {
    fn reads_result(&self) -> bool {
        true
    }

    fn cpu<T: Element>(&self, grad: Tensor, _: &[bool], result: Option<&Tensor>) -> Result<OperandGradients> {
        let n = self.n;
        let (y, dy) = (view::<T>(result.expect("kept, as it is read"))?, view::<T>(&grad)?);
        let (y, dy) = (&*y, &*dy);
        let dx = filled(y.len() / n, n, TASK / n, |start, dx| {
            vectorized(
                #[inline(always)]
                || {
                    for (row, dx) in (start..).zip(dx.chunks_exact_mut(n)) {
                        let (y, dy) = (&y[row * n..][..n], &dy[row * n..][..n]);
                        let mean = rows::dot(y, dy, T::zero());
                        dx.iter_mut().zip(y).zip(dy).for_each(|((dx, y), dy)| *dx = *y * (*dy - mean));
                    }
                },
            );
        });
        Ok(vec![Some(tensor(dx, grad.shape()))])
    }

    fn gpu(&self, grad: Tensor, _: &[bool], result: Option<&Tensor>) -> Result<OperandGradients> {
        let here = Here::of_gradient(&grad)?;
        let y = here.buffer(result.expect("kept, as it is read"))?;
        let dx = gpu::backward(&here, &y, &here.buffer(&grad)?, self.n, 1.0)?;
        Ok(vec![Some(here.tensor(dx, grad.shape())?)])
    }
}
