//! Depthwise convolution of maps whose channels come last: a vector is so many channels of one position.

#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "the vectors are x86's"))]
mod vectors;

use crate::cpu::element::{Element, as_f32, tensor, view};
use crate::cpu::parallel::{Shared, each, fold_parts, unfilled};
use crate::cpu::planes::column_sums;
use crate::cpu::simd::vectorized;
use crate::dispatch::{Op, apply};
use crate::gpu::Here;
use crate::graph::{Backward, OperandGradients, Output, record};
use crate::ops::conv::gpu;
use crate::ops::sums;
use candle_core::{DType, Result, Tensor, bail};
use std::ops::Range;
use vectors::{Correlation, Products, lanes, run_on, tasks};

/// Each channel convolved with a k×k kernel of its own, stride 1, zeros around so that the size stays; plus bias.
///
/// `x` (R, H, W, C), `weight` (C, 1, k, k) with odd k, `bias` (C) → (R, H, W, C). Differentiable in all three. For f32 and k = 7
/// the kernel is written for AVX-512 and AVX2.
///
/// # Errors
/// Fails on shapes that do not fit, and on operands of two types.
pub fn depthwise_last(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (Ok((r, h, w, c)), &[o, 1, k, kw]) = (x.dims4(), weight.dims()) else {
        bail!(
            "depthwise_last: expected (R, H, W, C) and (C, 1, k, k), got {:?} and {:?}",
            x.shape(),
            weight.shape()
        );
    };
    if o != c || k != kw || k % 2 == 0 || bias.dims() != [c] || r * h * w * c == 0 {
        bail!(
            "depthwise_last: expected (R, H, W, C), not empty, (C, 1, k, k) with odd k and (C), got {:?}, {:?} and {:?}",
            x.shape(),
            weight.shape(),
            bias.shape()
        );
    }
    apply("depthwise_last", DepthwiseLast(Last { r, h, w, c, k }), &[x, weight, bias])
}

/// Maps (R, H, W, C) and kernels of k × k, k odd.
#[derive(Debug, Clone, Copy)]
pub struct Last {
    pub r: usize,
    pub h: usize,
    pub w: usize,
    pub c: usize,
    pub k: usize,
}

impl Last {
    /// R·H·W.
    pub fn positions(&self) -> usize {
        self.r * self.h * self.w
    }

    /// k².
    pub fn taps(&self) -> usize {
        self.k * self.k
    }
}

struct DepthwiseLast(Last);

impl Op for DepthwiseLast {
    fn record(&self) -> Option<record::Op> {
        Some(record::Op::DepthwiseLast)
    }

    fn in_f32(&self) -> Range<usize> {
        2..3
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let bias = view::<T>(&x[2])?;
        let y = correlate(&view::<T>(&x[0])?, &view::<T>(&x[1])?, Some(&bias), self.0, false);
        let backward =
            DepthwiseLastBackward { x: x[0].clone(), weight: x[1].clone(), bias: x[2].dtype(), s: self.0 };
        Output::cpu(y, x[0].shape(), backward)
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let (weight, bias) = (here.buffer(x[1])?, here.floats_of(x[2])?);
        let y = gpu::depthwise_last(&here, &here.buffer(x[0])?, (&weight, &bias), self.0)?;
        let backward =
            DepthwiseLastBackward { x: x[0].detach(), weight: x[1].detach(), bias: x[2].dtype(), s: self.0 };
        Ok(Some(Output::new(here.storage(y)?, x[0].shape(), backward)))
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        let planes = x[0].permute((0, 3, 1, 2))?.contiguous()?;
        let y = planes.conv2d(&x[1].contiguous()?, self.0.k / 2, 1, 1, self.0.c)?;
        y.permute((0, 2, 3, 1))?.contiguous()?.broadcast_add(&x[2].to_dtype(x[0].dtype())?)
    }
}

struct DepthwiseLastBackward {
    x: Tensor,
    weight: Tensor,
    /// The type of the bias.
    bias: DType,
    s: Last,
}

impl Backward for DepthwiseLastBackward {
    fn cpu<T: Element>(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let s = self.s;
        let (x, weight, dy) = (view::<T>(&self.x)?, view::<T>(&self.weight)?, view::<T>(&grad)?);
        let dx = wanted[0].then(|| tensor(correlate(&dy, &weight, None, s, true), grad.shape()));
        let dw = wanted[1].then(|| tensor(products(&x, &dy, s), self.weight.shape()));
        let db = wanted[2].then(|| tensor(column_sums(&dy, s.positions(), s.c), s.c));
        Ok(vec![dx, dw, db])
    }

    fn gpu(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let here = Here::of_gradient(&grad)?;
        let (x, weight, dy) = (here.buffer(&self.x)?, here.buffer(&self.weight)?, here.buffer(&grad)?);
        let [dx, dw] = gpu::depthwise_last_backward(&here, (&x, &weight), &dy, self.s)?;
        let db = || here.tensor(sums::columns(&here, &dy, self.s.c)?, self.s.c)?.to_dtype(self.bias);
        Ok(vec![
            wanted[0].then(|| here.tensor(dx, grad.shape())).transpose()?,
            wanted[1].then(|| here.tensor(dw, self.weight.shape())).transpose()?,
            wanted[2].then(db).transpose()?,
        ])
    }
}

/// The kernels as [tap][channel], turned by 180° where wished.
fn by_taps<T: Element>(weight: &[T], s: Last, turned: bool) -> Vec<T> {
    let taps = s.taps();
    let mut out = unfilled(taps * s.c);
    for (c, kernel) in weight.chunks_exact(taps).enumerate() {
        for (tap, value) in kernel.iter().enumerate() {
            out[if turned { taps - 1 - tap } else { tap } * s.c + c] = *value;
        }
    }
    out
}

fn correlate<T: Element>(x: &[T], weight: &[T], bias: Option<&[T]>, s: Last, turned: bool) -> Vec<T> {
    let taps = by_taps(weight, s, turned);
    let mut y = unfilled(x.len());
    let out = Shared::new(&mut y);
    if let (Some(lanes), Some(x), Some(taps)) = (lanes(s), as_f32(x), as_f32(&taps)) {
        let bias = bias.and_then(as_f32);
        // SAFETY: T is f32.
        let out = unsafe { std::mem::transmute::<Shared<T>, Shared<f32>>(out) };
        tasks(s, lanes, |n, c0, frame| run_on(lanes, &Correlation { x, taps, bias, s, out }, (n, c0), frame));
        return y;
    }
    each(s.r * s.h, |line| {
        let (n, i) = (line / s.h, line % s.h);
        // SAFETY: one line to a task.
        let y = unsafe { out.slice(line * s.w * s.c, s.w * s.c) };
        vectorized(
            #[inline(always)]
            || {
                for (j, y) in y.chunks_exact_mut(s.c).enumerate() {
                    match bias {
                        Some(bias) => y.copy_from_slice(bias),
                        None => y.fill(T::zero()),
                    }
                    around(s, i, j, |tap, at| {
                        let x = &x[(n * s.h * s.w + at) * s.c..][..s.c];
                        let taps = &taps[tap * s.c..][..s.c];
                        y.iter_mut().zip(x).zip(taps).for_each(|((y, x), t)| *y += *x * *t);
                    });
                }
            },
        );
    });
    y
}

/// The taps that meet the map from output (i, j): `f(tap, position)`.
#[inline(always)]
fn around(s: Last, i: usize, j: usize, mut f: impl FnMut(usize, usize)) {
    let half = s.k / 2;
    for u in 0..s.k {
        for v in 0..s.k {
            let (y, x) = ((i + u).wrapping_sub(half), (j + v).wrapping_sub(half));
            if y < s.h && x < s.w {
                f(u * s.k + v, y * s.w + x);
            }
        }
    }
}

/// d weight: each image's share apart, added in the order of the batch.
fn products<T: Element>(x: &[T], dy: &[T], s: Last) -> Vec<T> {
    let size = s.c * s.taps();
    let mut parts = unfilled(s.r * size);
    let out = Shared::new(&mut parts);
    if let (Some(lanes), Some(x), Some(dy)) = (lanes(s), as_f32(x), as_f32(dy)) {
        // SAFETY: T is f32.
        let out = unsafe { std::mem::transmute::<Shared<T>, Shared<f32>>(out) };
        tasks(s, lanes, |n, c0, frame| run_on(lanes, &Products { x, dy, s, out }, (n, c0), frame));
        return fold_parts(parts, s.r, size);
    }
    each(s.r, |n| {
        // SAFETY: one part to a task.
        let part = unsafe { out.slice(n * size, size) };
        let mut sums = vec![T::zero(); size]; // [tap][channel]
        vectorized(
            #[inline(always)]
            || {
                for (i, j) in (0..s.h).flat_map(|i| (0..s.w).map(move |j| (i, j))) {
                    let dy = &dy[((n * s.h + i) * s.w + j) * s.c..][..s.c];
                    around(s, i, j, |tap, at| {
                        let x = &x[(n * s.h * s.w + at) * s.c..][..s.c];
                        let sums = &mut sums[tap * s.c..][..s.c];
                        sums.iter_mut().zip(x).zip(dy).for_each(|((sum, x), dy)| *sum += *x * *dy);
                    });
                }
            },
        );
        for (i, part) in part.iter_mut().enumerate() {
            *part = sums[i % s.taps() * s.c + i / s.taps()];
        }
    });
    fold_parts(parts, s.r, size)
}
