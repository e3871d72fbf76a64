//! One factor per channel of each row: the gate of squeeze-and-excitation.

use crate::element::{Element, by_dtype, same_dtype, tensor, view};
use crate::node::{Backward, node};
use crate::parallel::{Shared, pieces, unfilled};
use crate::record::{Op, step};
use crate::simd::vectorized;
use crate::switch::composed;
use candle_core::{Result, Tensor, bail};
use std::marker::PhantomData;

/// y[r, c, i, j] = x[r, c, i, j] · scale[r, c].
///
/// `x` (R, C, H, W), `scale` (R, C) → (R, C, H, W). Differentiable in both.
///
/// Source: Hu et al. 2018, arXiv:1709.01507, equation 4.
pub fn scale_channels(x: &Tensor, scale: &Tensor) -> Result<Tensor> {
    let (Ok((r, c, h, w)), Ok(factors)) = (x.dims4(), scale.dims2()) else {
        bail!(
            "scale_channels: expected (R, C, H, W) and (R, C), got {:?} and {:?}",
            x.shape(),
            scale.shape()
        );
    };
    if factors != (r, c) || h * w == 0 {
        bail!(
            "scale_channels: expected (R, C, H, W), its maps not empty, and (R, C), got {:?} and {:?}",
            x.shape(),
            scale.shape()
        );
    }
    let dtype = same_dtype("scale_channels", x, &[scale])?;
    step(Op::ScaleChannels, &[x, scale], || {
        if composed(x) {
            return x.broadcast_mul(&scale.reshape((r, c, 1, 1))?);
        }
        by_dtype!(dtype, run(x, scale, r * c, h * w))
    })
}

/// Planes of one task.
fn block(plane: usize) -> usize {
    (32768 / plane).max(1)
}

fn run<T: Element>(x: &Tensor, scale: &Tensor, planes: usize, plane: usize) -> Result<Tensor> {
    let (xc, sc) = (x.contiguous()?, scale.contiguous()?);
    let mut y = unfilled::<T>(planes * plane);
    {
        let (xs, factors) = (view::<T>(&xc)?, view::<T>(&sc)?);
        let (xs, factors): (&[T], &[T]) = (&xs, &factors);
        let out = Shared::new(&mut y);
        pieces(planes, block(plane), |p0, p1| {
            // SAFETY: pieces are disjoint.
            let y = unsafe { out.slice(p0 * plane, (p1 - p0) * plane) };
            let (x, factors) = (&xs[p0 * plane..p1 * plane], &factors[p0..p1]);
            vectorized(
                #[inline(always)]
                || {
                    for ((y, x), s) in y.chunks_exact_mut(plane).zip(x.chunks_exact(plane)).zip(factors) {
                        y.iter_mut().zip(x).for_each(|(y, x)| *y = *x * *s);
                    }
                },
            );
        });
    }
    node(
        &[x, scale],
        y,
        x.shape(),
        Gradients::<T> { x: xc.detach(), scale: sc.detach(), element: PhantomData },
    )
}

struct Gradients<T> {
    x: Tensor,
    scale: Tensor,
    element: PhantomData<T>,
}

impl<T: Element> Backward for Gradients<T> {
    fn name(&self) -> &'static str {
        "scale_channels"
    }

    fn gradients(&self, _: &Tensor, grad: Tensor, wanted: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let (r, c, h, w) = grad.dims4()?;
        let (planes, plane) = (r * c, h * w);
        let (dy, xs, factors) = (view::<T>(&grad)?, view::<T>(&self.x)?, view::<T>(&self.scale)?);
        let (dy, xs, factors): (&[T], &[T], &[T]) = (&dy, &xs, &factors);
        let mut dx = wanted[0].then(|| unfilled::<T>(planes * plane));
        let mut ds = wanted[1].then(|| unfilled::<T>(planes));
        let out_x = dx.as_mut().map(|dx| Shared::new(dx));
        let out_s = ds.as_mut().map(|ds| Shared::new(ds));
        // Plane by plane, so that dy comes from memory once for both.
        pieces(planes, block(plane), |p0, p1| {
            vectorized(
                #[inline(always)]
                || {
                    for p in p0..p1 {
                        let dy = &dy[p * plane..][..plane];
                        if let Some(out) = out_s {
                            // SAFETY: one number per plane.
                            let ds = unsafe { out.slice(p, 1) };
                            ds[0] = dot(dy, &xs[p * plane..][..plane]);
                        }
                        if let Some(out) = out_x {
                            // SAFETY: planes are disjoint.
                            let dx = unsafe { out.slice(p * plane, plane) };
                            let s = factors[p];
                            dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx = *dy * s);
                        }
                    }
                },
            );
        });
        Ok(vec![dx.map(|dx| tensor(dx, grad.shape())), ds.map(|ds| tensor(ds, (r, c)))])
    }
}

/// Σ a[i] · b[i], in 32 lanes.
#[inline(always)]
fn dot<T: Element>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::zero(); 32];
    let (mut left, mut right) = (a.chunks_exact(32), b.chunks_exact(32));
    for (a, b) in (&mut left).zip(&mut right) {
        (0..32).for_each(|i| lanes[i] += a[i] * b[i]);
    }
    let rest = left.remainder().iter().zip(right.remainder());
    for (lane, (a, b)) in lanes.iter_mut().zip(rest) {
        *lane += *a * *b;
    }
    lanes.iter().fold(T::zero(), |sum, lane| sum + *lane)
}
