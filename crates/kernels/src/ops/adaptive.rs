//! Means over as many windows as the output has positions, whatever the input's size.

use super::pool::gpu;
use crate::cpu::element::{Element, tensor, view};
use crate::cpu::parallel::filled;
use crate::dispatch::{Op, apply, host};
use crate::gpu::Here;
use crate::graph::{Backward, OperandGradients, Output, record};
use candle_core::{Result, Tensor, bail};
use std::ops::Range;

/// y[i, j] = mean of x over rows ⌊i·H/h⌋ … ⌈(i + 1)·H/h⌉ and the same of columns: torch's `AdaptiveAvgPool2d`.
///
/// `x` (R, C, H, W) → (R, C, h, w); x itself where it has that size.
///
/// # Errors
/// Fails where x is no (R, C, H, W) or empty, or the size is.
pub fn adaptive_avg_pool2d(x: &Tensor, (oh, ow): (usize, usize)) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    if x.elem_count() * oh * ow == 0 {
        bail!(
            "adaptive_avg_pool2d: expected (R, C, H, W), not empty, and a size of at least 1×1, got {:?} and {oh}×{ow}",
            x.shape()
        );
    }
    if (h, w) == (oh, ow) {
        return Ok(x.clone());
    }
    apply("adaptive_avg_pool2d", AdaptiveAvgPool { h, w, oh, ow }, &[x])
}

#[derive(Clone, Copy)]
struct AdaptiveAvgPool {
    h: usize,
    w: usize,
    oh: usize,
    ow: usize,
}

/// Of `n` positions, those under position `i` of `out`.
fn window(i: usize, n: usize, out: usize) -> Range<usize> {
    i * n / out..((i + 1) * n).div_ceil(out)
}

impl AdaptiveAvgPool {
    /// Rows and columns under a position of the result.
    fn window(&self, at: usize) -> (Range<usize>, Range<usize>) {
        (window(at / self.ow, self.h, self.oh), window(at % self.ow, self.w, self.ow))
    }

    /// Planes of one task.
    fn block(&self) -> usize {
        16384 / (self.h * self.w)
    }
}

impl Op for AdaptiveAvgPool {
    fn record(&self) -> Option<record::Op> {
        Some(record::Op::AdaptiveAvgPool)
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let AdaptiveAvgPool { h, w, oh, ow } = *self;
        let (r, c, ..) = x[0].dims4()?;
        let xs = view::<T>(&x[0])?;
        let (xs, plane, map) = (&*xs, h * w, oh * ow);
        let y = filled(r * c, map, self.block(), |p0, y: &mut [T]| {
            for (y, x) in y.chunks_exact_mut(map).zip(xs[p0 * plane..].chunks_exact(plane)) {
                for (at, y) in y.iter_mut().enumerate() {
                    let (rows, columns) = self.window(at);
                    let count = rows.len() * columns.len();
                    let mut sum = T::zero();
                    rows.for_each(|row| x[row * w..][columns.clone()].iter().for_each(|x| sum += *x));
                    *y = sum / T::from_f64(count as f64);
                }
            }
        });
        Output::cpu(y, (r, c, oh, ow), AdaptiveAvgPoolBackward(*self))
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let (AdaptiveAvgPool { h, w, oh, ow }, (r, c, ..)) = (*self, x[0].dims4()?);
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let y = gpu::adaptive_forward(&here, &here.buffer(x[0])?, (h, w), (oh, ow))?;
        Ok(Some(Output::new(here.storage(y)?, (r, c, oh, ow), AdaptiveAvgPoolBackward(*self))))
    }

    /// One axis after the other: x · Aᵀ.
    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        let (AdaptiveAvgPool { h, w, oh, ow }, (r, c, ..)) = (*self, x[0].dims4()?);
        let along = |x: &Tensor, n: usize, out: usize| -> Result<Tensor> {
            let mut means = vec![0.0; out * n];
            for i in 0..out {
                let window = window(i, n, out);
                let share = 1.0 / window.len() as f64;
                means[i * n..][window].fill(share);
            }
            let lines = x.elem_count() / n;
            x.contiguous()?.reshape((lines, n))?.matmul(&host(means, (out, n), x)?.t()?)
        };
        let x = along(x[0], w, ow)?.reshape((r, c, h, ow))?.transpose(2, 3)?;
        along(&x, h, oh)?.reshape((r, c, ow, oh))?.transpose(2, 3)?.contiguous()
    }
}

struct AdaptiveAvgPoolBackward(AdaptiveAvgPool);

impl Backward for AdaptiveAvgPoolBackward {
    fn cpu<T: Element>(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let AdaptiveAvgPool { h, w, oh, ow } = self.0;
        let (r, c, ..) = grad.dims4()?;
        let dy = view::<T>(&grad)?;
        let (dy, plane, map) = (&*dy, h * w, oh * ow);
        let dx = filled(r * c, plane, self.0.block(), |p0, dx: &mut [T]| {
            dx.fill(T::zero());
            for (dx, dy) in dx.chunks_exact_mut(plane).zip(dy[p0 * map..].chunks_exact(map)) {
                for (at, dy) in dy.iter().enumerate() {
                    let (rows, columns) = self.0.window(at);
                    let share = *dy / T::from_f64((rows.len() * columns.len()) as f64);
                    rows.for_each(|row| {
                        dx[row * w..][columns.clone()].iter_mut().for_each(|dx| *dx += share)
                    });
                }
            }
        });
        Ok(vec![Some(tensor(dx, (r, c, h, w)))])
    }

    fn gpu(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let (AdaptiveAvgPool { h, w, oh, ow }, (r, c, ..)) = (self.0, grad.dims4()?);
        let here = Here::of_gradient(&grad)?;
        let dx = gpu::adaptive_backward(&here, &here.buffer(&grad)?, (h, w), (oh, ow))?;
        Ok(vec![Some(here.tensor(dx, (r, c, h, w))?)])
    }
}
