//! Layer normalisation over the last dimension.

use crate::element::{Element, by_dtype, same_dtype, tensor, view};
use crate::node::{Backward, node};
use crate::parallel::{Shared, fold_parts, pieces, unfilled};
use crate::record::{Op, step};
use crate::rows;
use crate::simd::vectorized;
use crate::switch::composed;
use candle_core::{D, Result, Tensor, bail};

/// y = (x − mean) / √(var + eps) · weight + bias, with the mean and the biased variance of each row of C numbers.
///
/// `x` (…, C), `weight` and `bias` (C). Differentiable in all three.
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
    let dtype = same_dtype("layer_norm", x, &[weight, bias])?;
    step(Op::LayerNorm { eps }, &[x, weight, bias], || {
        if composed(x) {
            let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
            let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
            let normed = centred.broadcast_div(&(variance + eps)?.sqrt()?)?;
            return normed.broadcast_mul(weight)?.broadcast_add(bias);
        }
        by_dtype!(dtype, run(x, weight, bias, eps, c))
    })
}

/// Numbers of one task, about.
const TASK: usize = 1 << 15;

fn run<T: Element>(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64, c: usize) -> Result<Tensor> {
    let (xc, wc, bc) = (x.contiguous()?, weight.contiguous()?, bias.contiguous()?);
    let n = x.elem_count() / c;
    let (mut y, mut moments) = (unfilled::<T>(n * c), unfilled::<T>(2 * n));
    {
        let (xs, ws, bs) = (view::<T>(&xc)?, view::<T>(&wc)?, view::<T>(&bc)?);
        let (xs, ws, bs): (&[T], &[T], &[T]) = (&xs, &ws, &bs);
        let (out, moments) = (Shared::new(&mut y), Shared::new(&mut moments));
        let (share, eps) = (T::from_f64(1.0 / c as f64), T::from_f64(eps));
        pieces(n, TASK / c, |start, end| {
            // SAFETY: rows of one task.
            let (y, moments) = unsafe {
                (out.slice(start * c, (end - start) * c), moments.slice(2 * start, 2 * (end - start)))
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
    }
    let backward = Gradients { x: xc.detach(), weight: wc.detach(), moments, c };
    node(&[x, weight, bias], y, x.shape(), backward)
}

struct Gradients<T> {
    x: Tensor,
    weight: Tensor,
    /// Of each row: mean, and 1 / √(var + eps).
    moments: Vec<T>,
    c: usize,
}

/// Rows of one part of the sums over `n` rows of `c` numbers.
pub(crate) fn part(n: usize, c: usize) -> usize {
    (TASK / c).max(n.div_ceil(64)).max(1)
}

impl<T: Element> Backward for Gradients<T> {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    /// With z = (x − mean)·inverse and g = dy·weight: dx = inverse·(g − mean(g) − z·mean(g·z)), dweight = Σ dy·z, dbias = Σ dy.
    fn gradients(&self, _: &Tensor, grad: Tensor, wanted: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let (c, n) = (self.c, self.moments.len() / 2);
        let (x, weight, dy) = (view::<T>(&self.x)?, view::<T>(&self.weight)?, view::<T>(&grad)?);
        let (x, weight, dy): (&[T], &[T], &[T]) = (&x, &weight, &dy);
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
                        let (mean, inverse) = (self.moments[2 * row], self.moments[2 * row + 1]);
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
}
