//! The class token before a sequence of patches, and the positions of both.

use crate::element::{Element, by_dtype, same_dtype, tensor, view};
use crate::node::{Backward, node};
use crate::parallel::{Shared, each, pieces, unfilled};
use crate::record::{Op, step};
use crate::simd::vectorized;
use crate::switch::composed;
use candle_core::{Result, Tensor, bail};
use std::marker::PhantomData;

/// y\[r, 0\] = token + positions\[0\], y\[r, 1 + l\] = x\[r, l\] + positions\[1 + l\].
///
/// `x` (R, L, D), `token` (D), `positions` (1 + L, D) → (R, 1 + L, D). Differentiable in all three.
///
/// Source: Dosovitskiy et al. 2021, arXiv:2010.11929, equation 1.
pub fn class_token(x: &Tensor, token: &Tensor, positions: &Tensor) -> Result<Tensor> {
    let (r, l, d) = x.dims3()?;
    if token.dims() != [d] || positions.dims() != [l + 1, d] || x.elem_count() == 0 {
        bail!(
            "class_token: expected (R, L, D), (D) and (1 + L, D), got {:?}, {:?} and {:?}",
            x.shape(),
            token.shape(),
            positions.shape()
        );
    }
    let dtype = same_dtype("class_token", x, &[token, positions])?;
    step(Op::ClassToken, &[x, token, positions], || {
        if composed(x) {
            let first = token.reshape((1, 1, d))?.broadcast_as((r, 1, d))?;
            return Tensor::cat(&[&first, x], 1)?.broadcast_add(positions);
        }
        by_dtype!(dtype, run(x, token, positions, (r, l, d)))
    })
}

fn run<T: Element>(
    x: &Tensor,
    token: &Tensor,
    positions: &Tensor,
    (r, l, d): (usize, usize, usize),
) -> Result<Tensor> {
    let (xc, tc, pc) = (x.contiguous()?, token.contiguous()?, positions.contiguous()?);
    let mut y = unfilled::<T>(r * (l + 1) * d);
    {
        let (xs, ts, ps) = (view::<T>(&xc)?, view::<T>(&tc)?, view::<T>(&pc)?);
        let (xs, ts, ps): (&[T], &[T], &[T]) = (&xs, &ts, &ps);
        let out = Shared::new(&mut y);
        each(r, |row| {
            // SAFETY: one row to a task.
            let y = unsafe { out.slice(row * (l + 1) * d, (l + 1) * d) };
            vectorized(
                #[inline(always)]
                || {
                    let (first, rest) = y.split_at_mut(d);
                    first.iter_mut().zip(ts).zip(ps).for_each(|((y, t), p)| *y = *t + *p);
                    let x = &xs[row * l * d..][..l * d];
                    rest.iter_mut().zip(x).zip(&ps[d..]).for_each(|((y, x), p)| *y = *x + *p);
                },
            );
        });
    }
    node(&[x, token, positions], y, (r, l + 1, d), Gradients::<T>(r, l, d, PhantomData))
}

/// R, L, D.
struct Gradients<T>(usize, usize, usize, PhantomData<T>);

impl<T: Element> Backward for Gradients<T> {
    fn name(&self) -> &'static str {
        "class_token"
    }

    fn gradients(&self, _: &Tensor, grad: Tensor, wanted: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let Gradients(r, l, d, _) = *self;
        let width = (l + 1) * d;
        let dy = view::<T>(&grad)?;
        let dy: &[T] = &dy;
        let dx = wanted[0].then(|| {
            let mut dx = Vec::with_capacity(r * l * d);
            dy.chunks_exact(width).for_each(|row| dx.extend_from_slice(&row[d..]));
            tensor(dx, (r, l, d))
        });
        let mut sums = unfilled::<T>(width);
        let out = Shared::new(&mut sums);
        pieces(width, 1 << 12, |start, end| {
            // SAFETY: one task's.
            let sums = unsafe { out.slice(start, end - start) };
            sums.copy_from_slice(&dy[start..end]);
            vectorized(
                #[inline(always)]
                || {
                    for row in 1..r {
                        let dy = &dy[row * width..][start..end];
                        sums.iter_mut().zip(dy).for_each(|(sum, dy)| *sum += *dy);
                    }
                },
            );
        });
        let token = wanted[1].then(|| tensor(sums[..d].to_vec(), d));
        Ok(vec![dx, token, wanted[2].then(|| tensor(sums, (l + 1, d)))])
    }
}
