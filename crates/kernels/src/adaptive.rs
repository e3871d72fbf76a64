//! Means over as many windows as the output has positions, whatever the input's size.

use crate::element::{Element, by_dtype, tensor, view};
use crate::node::{Backward, node};
use crate::parallel::{Shared, pieces, unfilled};
use crate::record::{Op, step};
use crate::switch::{composed, host};
use candle_core::{Result, Tensor, bail};
use std::marker::PhantomData;
use std::ops::Range;

/// y[i, j] = mean of x over rows ⌊i·H/h⌋ … ⌈(i + 1)·H/h⌉ and the same of columns: torch's `AdaptiveAvgPool2d`.
///
/// `x` (R, C, H, W) → (R, C, h, w); x itself where it has that size.
pub fn adaptive_avg_pool2d(x: &Tensor, (oh, ow): (usize, usize)) -> Result<Tensor> {
    let (r, c, h, w) = x.dims4()?;
    if x.elem_count() * oh * ow == 0 {
        bail!(
            "adaptive_avg_pool2d: expected (R, C, H, W), not empty, and a size of at least 1×1, got {:?} and {oh}×{ow}",
            x.shape()
        );
    }
    if (h, w) == (oh, ow) {
        return Ok(x.clone());
    }
    step(Op::AdaptiveAvgPool, &[x], || {
        if composed(x) {
            // One axis after the other: x · Aᵀ.
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
            let x = along(x, w, ow)?.reshape((r, c, h, ow))?.transpose(2, 3)?;
            return along(&x, h, oh)?.reshape((r, c, ow, oh))?.transpose(2, 3)?.contiguous();
        }
        by_dtype!(x.dtype(), run(x, (r * c, h, w), (oh, ow)))
    })
}

/// Of `n` positions, those under position `i` of `out`.
fn window(i: usize, n: usize, out: usize) -> Range<usize> {
    i * n / out..((i + 1) * n).div_ceil(out)
}

fn run<T: Element>(
    x: &Tensor,
    (planes, h, w): (usize, usize, usize),
    (oh, ow): (usize, usize),
) -> Result<Tensor> {
    let xc = x.contiguous()?;
    let mut y = unfilled::<T>(planes * oh * ow);
    {
        let xs = view::<T>(&xc)?;
        let (xs, out): (&[T], _) = (&xs, Shared::new(&mut y));
        pieces(planes, (16384 / (h * w)).max(1), |p0, p1| {
            for p in p0..p1 {
                let x = &xs[p * h * w..][..h * w];
                // SAFETY: planes are disjoint.
                let y = unsafe { out.slice(p * oh * ow, oh * ow) };
                for (at, y) in y.iter_mut().enumerate() {
                    let (rows, columns) = (window(at / ow, h, oh), window(at % ow, w, ow));
                    let count = rows.len() * columns.len();
                    let mut sum = T::zero();
                    rows.for_each(|row| x[row * w..][columns.clone()].iter().for_each(|x| sum += *x));
                    *y = sum / T::from_f64(count as f64);
                }
            }
        });
    }
    let (r, c) = (x.dim(0)?, x.dim(1)?);
    node(&[x], y, (r, c, oh, ow), Gradient { h, w, element: PhantomData::<T> })
}

struct Gradient<T> {
    h: usize,
    w: usize,
    element: PhantomData<T>,
}

impl<T: Element> Backward for Gradient<T> {
    fn name(&self) -> &'static str {
        "adaptive_avg_pool2d"
    }

    fn gradients(&self, _: &Tensor, grad: Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let (r, c, oh, ow) = grad.dims4()?;
        let (h, w) = (self.h, self.w);
        let mut dx = unfilled::<T>(r * c * h * w);
        let dy = view::<T>(&grad)?;
        let (dy, out): (&[T], _) = (&dy, Shared::new(&mut dx));
        pieces(r * c, (16384 / (h * w)).max(1), |p0, p1| {
            for p in p0..p1 {
                // SAFETY: planes are disjoint.
                let dx = unsafe { out.slice(p * h * w, h * w) };
                dx.fill(T::zero());
                for (at, dy) in dy[p * oh * ow..][..oh * ow].iter().enumerate() {
                    let (rows, columns) = (window(at / ow, h, oh), window(at % ow, w, ow));
                    let share = *dy / T::from_f64((rows.len() * columns.len()) as f64);
                    rows.for_each(|row| {
                        dx[row * w..][columns.clone()].iter_mut().for_each(|dx| *dx += share)
                    });
                }
            }
        });
        Ok(vec![Some(tensor(dx, (r, c, h, w)))])
    }
}
