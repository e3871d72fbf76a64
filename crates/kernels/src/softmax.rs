//! Softmax over the last dimension.

use crate::element::{Element, by_dtype, tensor, view};
use crate::node::{Backward, node};
use crate::parallel::{Shared, pieces, unfilled};
use crate::record::{Op, step};
use crate::rows;
use crate::simd::vectorized;
use crate::switch::composed;
use candle_core::{D, Result, Tensor, bail};
use std::marker::PhantomData;

/// y[…, i] = e^x[…, i] / Σ_j e^x[…, j], any shape of rank 1 and more, its last dimension not empty.
///
/// The largest x of a row is taken off first. dx = y · (dy − Σ_j dy_j y_j).
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    let n = x.dims().last().copied().unwrap_or(0);
    if n == 0 {
        bail!("softmax: expected a last dimension that is not empty, got {:?}", x.shape());
    }
    step(Op::Softmax, &[x], || {
        if composed(x) {
            let e = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?.exp()?;
            return e.broadcast_div(&e.sum_keepdim(D::Minus1)?);
        }
        by_dtype!(x.dtype(), run(x, n))
    })
}

/// Numbers of one task, about.
const TASK: usize = 1 << 14;

fn run<T: Element>(x: &Tensor, n: usize) -> Result<Tensor> {
    let xc = x.contiguous()?;
    let mut y = unfilled::<T>(x.elem_count());
    {
        let (xs, out) = (view::<T>(&xc)?, Shared::new(&mut y));
        let xs: &[T] = &xs;
        pieces(xs.len() / n, TASK / n, |start, end| {
            // SAFETY: rows of one task.
            let y = unsafe { out.slice(start * n, (end - start) * n) };
            vectorized(
                #[inline(always)]
                || {
                    y.copy_from_slice(&xs[start * n..end * n]);
                    for y in y.chunks_exact_mut(n) {
                        let sum = rows::exp(y, rows::max(y));
                        let factor = T::one() / sum;
                        y.iter_mut().for_each(|y| *y *= factor);
                    }
                },
            );
        });
    }
    node(&[x], y, x.shape(), Gradient::<T>(n, PhantomData))
}

struct Gradient<T>(usize, PhantomData<T>);

impl<T: Element> Backward for Gradient<T> {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn reads_result(&self) -> bool {
        true
    }

    fn gradients(&self, result: &Tensor, grad: Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let n = self.0;
        let mut dx = unfilled::<T>(grad.elem_count());
        let (y, dy, out) = (view::<T>(result)?, view::<T>(&grad)?, Shared::new(&mut dx));
        let (y, dy): (&[T], &[T]) = (&y, &dy);
        pieces(y.len() / n, TASK / n, |start, end| {
            vectorized(
                #[inline(always)]
                || {
                    for row in start..end {
                        let (y, dy) = (&y[row * n..][..n], &dy[row * n..][..n]);
                        // SAFETY: a row of this task.
                        let dx = unsafe { out.slice(row * n, n) };
                        let mean = rows::dot(y, dy, T::zero());
                        dx.iter_mut().zip(y).zip(dy).for_each(|((dx, y), dy)| *dx = *y * (*dy - mean));
                    }
                },
            );
        });
        Ok(vec![Some(tensor(dx, grad.shape()))])
    }
}
