//! The sum at the end of a residual block, with a factor for each channel of what the block adds: layer scale.

use super::add_scaled::{add_scaled, floats_of, gpu, tensor_of};
use super::layer_norm::part;
use crate::cpu::element::{Element, tensor, view};
use crate::cpu::parallel::{filled, fold_parts};
use crate::cpu::simd::vectorized;
use crate::dispatch::{Op, apply};
use crate::gpu::Here;
use crate::graph::{Backward, OperandGradients, Output, record};
use candle_core::{Result, Tensor, bail};
use std::ops::Range;

/// y\[r, …, c\] = x\[r, …, c\] + factors\[r\] · scale\[c\] · branch\[r, …, c\]; every factor is 1 where there are none.
///
/// `x` and `branch` (R, …, C), `scale` (C). Differentiable in all three; factors are constants. Where a factor is 0 its row of
/// `branch` has no influence.
///
/// # Errors
/// Fails on shapes that do not fit, and on operands of two types.
///
/// Source: Touvron et al. 2021, arXiv:2103.17239, section 2.
pub fn layer_scale(x: &Tensor, branch: &Tensor, scale: &Tensor, factors: Option<&[f64]>) -> Result<Tensor> {
    let (rows, c) = (x.dims().first().copied().unwrap_or(0), x.dims().last().copied().unwrap_or(0));
    if x.dims() != branch.dims()
        || x.elem_count() == 0
        || scale.dims() != [c]
        || factors.is_some_and(|f| f.len() != rows)
    {
        bail!(
            "layer_scale: expected twice (R, …, C), not empty, a scale (C) and R factors, got {:?}, {:?}, {:?} and {:?}",
            x.shape(),
            branch.shape(),
            scale.shape(),
            factors.map(<[f64]>::len)
        );
    }
    apply("layer_scale", LayerScale { factors }, &[x, branch, scale])
}

struct LayerScale<'a> {
    factors: Option<&'a [f64]>,
}

/// Lines of c numbers in one task: about 2¹⁵ numbers.
fn lines(c: usize) -> usize {
    (1 << 15) / c
}

impl Op for LayerScale<'_> {
    fn record(&self) -> Option<record::Op> {
        self.factors.is_none().then_some(record::Op::LayerScale)
    }

    fn in_f32(&self) -> Range<usize> {
        2..3
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let factors = self.factors.map(tensor_of::<T>);
        let (xs, bs, ss) = (view::<T>(&x[0])?, view::<T>(&x[1])?, view::<T>(&x[2])?);
        let fs = factors.as_ref().map(view::<T>).transpose()?;
        let (xs, bs, ss, fs) = (&*xs, &*bs, &*ss, fs.as_deref());
        let (c, per_row) = (ss.len(), xs.len() / x[0].dim(0)?);
        let y = filled(xs.len() / c, c, lines(c), |start, y| {
            vectorized(
                #[inline(always)]
                || {
                    for (line, y) in (start..).zip(y.chunks_exact_mut(c)) {
                        let factor = fs.map_or(T::one(), |f| f[line * c / per_row]);
                        let (x, b) = (&xs[line * c..][..c], &bs[line * c..][..c]);
                        if factor == T::zero() {
                            y.copy_from_slice(x);
                        } else {
                            for (((y, x), b), s) in y.iter_mut().zip(x).zip(b).zip(ss) {
                                *y = *x + factor * *s * *b;
                            }
                        }
                    }
                },
            );
        });
        let backward =
            LayerScaleBackward { branch: x[1].clone(), scale: x[2].clone(), factors: factors.clone() };
        Output::cpu(y, x[0].shape(), backward)
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let factors = self.factors.map(|factors| floats_of(&here, factors)).transpose()?;
        let (a, b, scale) = (here.buffer(x[0])?, here.buffer(x[1])?, here.floats_of(x[2])?);
        let y = gpu::layer_scale(&here, (&a, &b), &scale, factors.as_ref())?;
        let rows = |factors| here.tensor(factors, x[0].dim(0)?);
        let factors = factors.map(rows).transpose()?;
        let backward = LayerScaleBackward { branch: x[1].detach(), scale: x[2].detach(), factors };
        Ok(Some(Output::new(here.storage(y)?, x[0].shape(), backward)))
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        add_scaled(x[0], &x[1].broadcast_mul(&x[2].to_dtype(x[1].dtype())?)?, self.factors)
    }
}

struct LayerScaleBackward {
    branch: Tensor,
    scale: Tensor,
    factors: Option<Tensor>,
}

impl Backward for LayerScaleBackward {
    fn cpu<T: Element>(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let (dy, scale, branch) = (view::<T>(&grad)?, view::<T>(&self.scale)?, view::<T>(&self.branch)?);
        let factors = self.factors.as_ref().map(view::<T>).transpose()?;
        let (dy, scale, branch, factors) = (&*dy, &*scale, &*branch, factors.as_deref());
        let (c, per_row) = (scale.len(), dy.len() / grad.dim(0)?);
        let n = dy.len() / c;
        let factor = |line: usize| factors.map_or(T::one(), |f| f[line * c / per_row]);
        let dbranch = wanted[1].then(|| {
            let db = filled(n, c, lines(c), |start, db| {
                vectorized(
                    #[inline(always)]
                    || {
                        for (line, db) in (start..).zip(db.chunks_exact_mut(c)) {
                            let (factor, dy) = (factor(line), &dy[line * c..][..c]);
                            for ((db, dy), s) in db.iter_mut().zip(dy).zip(scale) {
                                *db = factor * *s * *dy;
                            }
                        }
                    },
                );
            });
            tensor(db, grad.shape())
        });
        let dscale = wanted[2].then(|| {
            let size = part(n, c);
            let parts = n.div_ceil(size);
            let sums = filled(parts, c, 1, |part, sums| {
                sums.fill(T::zero());
                vectorized(
                    #[inline(always)]
                    || {
                        for line in part * size..((part + 1) * size).min(n) {
                            let factor = factor(line);
                            if factor == T::zero() {
                                continue;
                            }
                            let (dy, b) = (&dy[line * c..][..c], &branch[line * c..][..c]);
                            for ((s, dy), b) in sums.iter_mut().zip(dy).zip(b) {
                                *s += factor * *dy * *b;
                            }
                        }
                    },
                );
            });
            tensor(fold_parts(sums, parts, c), c)
        });
        Ok(vec![wanted[0].then(|| grad.clone()), dbranch, dscale])
    }

    fn gpu(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let here = Here::of_gradient(&grad)?;
        let factors = self.factors.as_ref().map(|factors| here.buffer(factors)).transpose()?;
        let (branch, dy, scale) =
            (here.buffer(&self.branch)?, here.buffer(&grad)?, here.floats_of(&self.scale)?);
        let [db, ds] = gpu::layer_scale_backward(&here, (&branch, &dy), &scale, factors.as_ref())?;
        let dscale = || here.tensor(ds, self.scale.shape())?.to_dtype(self.scale.dtype());
        Ok(vec![
            wanted[0].then(|| grad.clone()),
            wanted[1].then(|| here.tensor(db, grad.shape())).transpose()?,
            wanted[2].then(dscale).transpose()?,
        ])
    }
}
