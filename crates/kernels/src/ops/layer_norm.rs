//! Layer normalisation over the last dimension.

pub mod gpu;

use crate::cpu::element::{Element, tensor, view};
use crate::cpu::parallel::{Shared, fold_parts, pieces, unfilled};
use crate::cpu::rows;
use crate::cpu::simd::vectorized;
use crate::dispatch::{Op, apply};
use crate::gpu::Here;
use crate::graph::{Backward, OperandGradients, Output, record};
use candle_core::{D, DType, Result, Tensor, bail};
use std::ops::Range;

/// y = (x − mean) / √(var + eps) · weight + bias, with the mean and the biased variance of each row of C numbers.
///
/// `x` (…, C), `weight` and `bias` (C). Differentiable in all three.
///
/// # Errors
/// Fails on shapes that do not fit, and on operands of two types.
///
/// Source: Ba et al. 2016, arXiv:1607.06450.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let c = x.dims().last().copied().unwrap_or(0);
    if c == 0 || x.elem_count() == 0 || weight.dims() != [c] || bias.dims() != [c] {
        bail!(
            "layer_norm: expected (…, C), not empty, and twice (C), got {:?}, {:?} and {:?}",
            x.shape(),
            weight.shape(),
            bias.shape()
        );
    }
    apply("layer_norm", LayerNorm { eps, c }, &[x, weight, bias])
}

struct LayerNorm {
    eps: f64,
    c: usize,
}

/// Numbers of one task, about.
const TASK: usize = 1 << 15;

impl Op for LayerNorm {
    fn record(&self) -> Option<record::Op> {
        Some(record::Op::LayerNorm { eps: self.eps })
    }

    fn in_f32(&self) -> Range<usize> {
        1..3
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let (c, n) = (self.c, x[0].elem_count() / self.c);
        let (mut y, mut moments) = (unfilled::<T>(n * c), unfilled::<T>(2 * n));
        let (xs, ws, bs) = (view::<T>(&x[0])?, view::<T>(&x[1])?, view::<T>(&x[2])?);
        let (xs, ws, bs) = (&*xs, &*ws, &*bs);
        let (out, out_moments) = (Shared::new(&mut y), Shared::new(&mut moments));
        let (share, eps) = (T::from_f64(1.0 / c as f64), T::from_f64(self.eps));
        pieces(n, TASK / c, |start, end| {
            // SAFETY: rows of one task.
            let (y, moments) = unsafe {
                (out.slice(start * c, (end - start) * c), out_moments.slice(2 * start, 2 * (end - start)))
            };
            let rows = xs[start * c..end * c].chunks_exact(c).zip(y.chunks_exact_mut(c));
            vectorized(
                #[inline(always)]
                || {
                    for ((x, y), moments) in rows.zip(moments.chunks_exact_mut(2)) {
                        let mean = rows::sum(x) * share;
                        let inverse = T::one() / (rows::squares(x, mean) * share + eps).sqrt();
                        (moments[0], moments[1]) = (mean, inverse);
                        for (((y, x), w), b) in y.iter_mut().zip(x).zip(ws).zip(bs) {
                            *y = (*x - mean) * inverse * *w + *b;
                        }
                    }
                },
            );
        });
        let moments = tensor(moments, (n, 2));
        Output::cpu(
            y,
            x[0].shape(),
            LayerNormBackward { x: x[0].clone(), weight: x[1].clone(), bias: x[2].dtype(), moments },
        )
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let (weight, bias) = (here.floats_of(x[1])?, here.floats_of(x[2])?);
        let (y, moments) = gpu::forward(&here, &here.buffer(x[0])?, (&weight, &bias), self.eps)?;
        let moments = here.tensor(moments, (x[0].elem_count() / self.c, 2))?;
        let backward =
            LayerNormBackward { x: x[0].detach(), weight: x[1].detach(), bias: x[2].dtype(), moments };
        Ok(Some(Output::new(here.storage(y)?, x[0].shape(), backward)))
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        let centred = x[0].broadcast_sub(&x[0].mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let normed = centred.broadcast_div(&(variance + self.eps)?.sqrt()?)?;
        normed.broadcast_mul(&x[1].to_dtype(x[0].dtype())?)?.broadcast_add(&x[2].to_dtype(x[0].dtype())?)
    }
}

struct LayerNormBackward {
    x: Tensor,
    weight: Tensor,
    /// The type of the bias.
    bias: DType,
    /// Of each row: mean, and 1 / √(var + eps).
    moments: Tensor,
}

/// Rows of one part of the sums over `n` rows of `c` numbers.
pub(super) fn part(n: usize, c: usize) -> usize {
    (TASK / c).max(n.div_ceil(64)).max(1)
}

impl Backward for LayerNormBackward {
    /// With z = (x − mean)·inverse and g = dy·weight: dx = inverse·(g − mean(g) − z·mean(g·z)), dweight = Σ dy·z, dbias = Σ dy.
    fn cpu<T: Element>(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let (x, weight, dy) = (view::<T>(&self.x)?, view::<T>(&self.weight)?, view::<T>(&grad)?);
        let moments = view::<T>(&self.moments)?;
        let (x, weight, dy, moments) = (&*x, &*weight, &*dy, &*moments);
        let (c, n) = (weight.len(), moments.len() / 2);
        let size = part(n, c);
        let n_parts = n.div_ceil(size);
        let (mut dx, mut sums) = (unfilled::<T>(n * c), unfilled::<T>(n_parts * 2 * c));
        let (out, shared) = (Shared::new(&mut dx), Shared::new(&mut sums));
        let share = T::from_f64(1.0 / c as f64);
        pieces(n, size, |start, end| {
            // SAFETY: rows and part of one task.
            let (dx, sums) = unsafe {
                (out.slice(start * c, (end - start) * c), shared.slice(start / size * 2 * c, 2 * c))
            };
            let (dw, db) = sums.split_at_mut(c);
            vectorized(
                #[inline(always)]
                || {
                    dw.fill(T::zero());
                    db.fill(T::zero());
                    for (row, dx) in (start..end).zip(dx.chunks_exact_mut(c)) {
                        let (x, dy) = (&x[row * c..][..c], &dy[row * c..][..c]);
                        let (mean, inverse) = (moments[2 * row], moments[2 * row + 1]);
                        // dx = g for now.
                        dx.iter_mut().zip(dy).zip(weight).for_each(|((dx, dy), w)| *dx = *dy * *w);
                        db.iter_mut().zip(dy).for_each(|(db, dy)| *db += *dy);
                        for ((dw, dy), x) in dw.iter_mut().zip(dy).zip(x) {
                            *dw += *dy * ((*x - mean) * inverse);
                        }
                        let a = rows::sum(dx) * share;
                        let b = rows::dot(dx, x, mean) * inverse * inverse * share;
                        dx.iter_mut().zip(x).for_each(|(dx, x)| *dx = inverse * (*dx - a - (*x - mean) * b));
                    }
                },
            );
        });
        let mut sums = fold_parts(sums, n_parts, 2 * c);
        let db = sums.split_off(c);
        Ok(vec![
            wanted[0].then(|| tensor(dx, grad.shape())),
            wanted[1].then(|| tensor(sums, c)),
            wanted[2].then(|| tensor(db, c)),
        ])
    }

    fn gpu(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let here = Here::of_gradient(&grad)?;
        let (x, dy, moments) = (here.buffer(&self.x)?, here.buffer(&grad)?, here.buffer(&self.moments)?);
        let [dx, dw, db] = gpu::backward(&here, (&x, &dy), &here.floats_of(&self.weight)?, &moments)?;
        let of = |gradient, dtype| here.tensor(gradient, self.weight.shape())?.to_dtype(dtype);
        Ok(vec![
            wanted[0].then(|| here.tensor(dx, grad.shape())).transpose()?,
            wanted[1].then(|| of(dw, self.weight.dtype())).transpose()?,
            wanted[2].then(|| of(db, self.bias)).transpose()?,
        ])
    }
}
