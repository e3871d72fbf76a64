//! One number for every channel, added: the bias of a convolution.

pub mod gpu;

use super::sums;
use crate::cpu::element::{Element, tensor, view};
use crate::cpu::parallel::filled;
use crate::cpu::planes;
use crate::cpu::simd::vectorized;
use crate::dispatch::{Op, apply};
use crate::gpu::Here;
use crate::graph::{Backward, OperandGradients, Output, record};
use candle_core::{DType, Result, Tensor, bail};
use std::ops::Range;

/// y\[r, c, i, j\] = x\[r, c, i, j\] + bias\[c\].
///
/// `x` (R, C, H, W), `bias` (C) → (R, C, H, W). Differentiable in both.
///
/// # Errors
/// Fails on shapes that do not fit, and on operands of two types.
pub fn add_channels(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (Ok((r, c, h, w)), Ok(n)) = (x.dims4(), bias.dims1()) else {
        bail!("add_channels: expected (R, C, H, W) and (C), got {:?} and {:?}", x.shape(), bias.shape());
    };
    if n != c || x.elem_count() == 0 {
        bail!(
            "add_channels: expected (R, C, H, W), not empty, and (C), got {:?} and {:?}",
            x.shape(),
            bias.shape()
        );
    }
    apply("add_channels", AddChannels { r, c, plane: h * w }, &[x, bias])
}

#[derive(Clone, Copy)]
struct AddChannels {
    r: usize,
    c: usize,
    plane: usize,
}

impl Op for AddChannels {
    fn record(&self) -> Option<record::Op> {
        Some(record::Op::AddChannels)
    }

    fn in_f32(&self) -> Range<usize> {
        1..2
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let AddChannels { r, c, plane } = *self;
        let (xs, bs) = (view::<T>(&x[0])?, view::<T>(&x[1])?);
        let (xs, bs) = (&*xs, &*bs);
        let y = filled(r * c, plane, 32768 / plane, |p0, y| {
            let x = &xs[p0 * plane..][..y.len()];
            vectorized(
                #[inline(always)]
                || {
                    for (i, (y, x)) in y.chunks_exact_mut(plane).zip(x.chunks_exact(plane)).enumerate() {
                        let bias = bs[(p0 + i) % c];
                        y.iter_mut().zip(x).for_each(|(y, x)| *y = *x + bias);
                    }
                },
            );
        });
        Output::cpu(y, x[0].shape(), AddChannelsBackward(*self, x[1].dtype()))
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let y = gpu::forward(&here, &here.buffer(x[0])?, &here.floats_of(x[1])?, self.plane)?;
        Ok(Some(Output::new(here.storage(y)?, x[0].shape(), AddChannelsBackward(*self, x[1].dtype()))))
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        x[0].broadcast_add(&x[1].to_dtype(x[0].dtype())?.reshape((1, self.c, 1, 1))?)
    }
}

/// With the type of the bias.
struct AddChannelsBackward(AddChannels, DType);

impl Backward for AddChannelsBackward {
    fn cpu<T: Element>(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let AddChannels { r, c, plane } = self.0;
        let bias = if wanted[1] {
            let dy = view::<T>(&grad)?;
            let dy = &*dy;
            let sums = filled(c, 1, 32768 / (r * plane), |c0, sums| {
                for (sum, c0) in sums.iter_mut().zip(c0..) {
                    // Of the planes in f64, in the order of the batch.
                    let plane_sum =
                        |n: usize| planes::sum(&dy[(n * c + c0) * plane..][..plane], |x: T| x).to_f64();
                    *sum = T::from_f64((0..r).map(plane_sum).sum());
                }
            });
            Some(tensor(sums, c))
        } else {
            None
        };
        Ok(vec![wanted[0].then_some(grad), bias])
    }

    fn gpu(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let AddChannels { c, plane, .. } = self.0;
        let here = Here::of_gradient(&grad)?;
        let bias = || {
            let sums = sums::channels(&here, &here.buffer(&grad)?, (c, plane))?;
            here.tensor(sums, c)?.to_dtype(self.1)
        };
        let bias = wanted[1].then(bias).transpose()?;
        Ok(vec![wanted[0].then_some(grad), bias])
    }
}
