//! One factor per channel of each row: the gate of squeeze-and-excitation.

pub mod gpu;

use crate::cpu::element::{Element, tensor, view};
use crate::cpu::parallel::{Shared, filled, pieces, unfilled};
use crate::cpu::planes;
use crate::cpu::simd::vectorized;
use crate::dispatch::{Op, apply};
use crate::gpu::Here;
use crate::graph::{Backward, OperandGradients, Output, record};
use candle_core::{Result, Tensor, bail};

/// y[r, c, i, j] = x[r, c, i, j] · scale[r, c].
///
/// `x` (R, C, H, W), `scale` (R, C) → (R, C, H, W). Differentiable in both.
///
/// # Errors
/// Fails on shapes that do not fit, and on operands of two types.
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
    apply("scale_channels", ScaleChannels, &[x, scale])
}

struct ScaleChannels;

/// Planes of one task.
fn block(plane: usize) -> usize {
    32768 / plane
}

impl Op for ScaleChannels {
    fn record(&self) -> Option<record::Op> {
        Some(record::Op::ScaleChannels)
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let (r, c, h, w) = x[0].dims4()?;
        let (xs, factors) = (view::<T>(&x[0])?, view::<T>(&x[1])?);
        let (xs, factors, plane) = (&*xs, &*factors, h * w);
        let y = filled(r * c, plane, block(plane), |p0, y| {
            let (x, factors) = (&xs[p0 * plane..][..y.len()], &factors[p0..]);
            vectorized(
                #[inline(always)]
                || {
                    for ((y, x), s) in y.chunks_exact_mut(plane).zip(x.chunks_exact(plane)).zip(factors) {
                        y.iter_mut().zip(x).for_each(|(y, x)| *y = *x * *s);
                    }
                },
            );
        });
        Output::cpu(y, x[0].shape(), ScaleChannelsBackward { x: x[0].clone(), scale: x[1].clone() })
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let y = gpu::forward(&here, &here.buffer(x[0])?, &here.buffer(x[1])?)?;
        let backward = ScaleChannelsBackward { x: x[0].detach(), scale: x[1].detach() };
        Ok(Some(Output::new(here.storage(y)?, x[0].shape(), backward)))
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        let (r, c) = x[1].dims2()?;
        x[0].broadcast_mul(&x[1].reshape((r, c, 1, 1))?)
    }
}

struct ScaleChannelsBackward {
    x: Tensor,
    scale: Tensor,
}

impl Backward for ScaleChannelsBackward {
    fn cpu<T: Element>(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let (r, c, h, w) = grad.dims4()?;
        let (count, plane) = (r * c, h * w);
        let (dy, xs, factors) = (view::<T>(&grad)?, view::<T>(&self.x)?, view::<T>(&self.scale)?);
        let (dy, xs, factors) = (&*dy, &*xs, &*factors);
        let mut dx = wanted[0].then(|| unfilled::<T>(count * plane));
        let mut ds = wanted[1].then(|| unfilled::<T>(count));
        let out_x = dx.as_mut().map(|dx| Shared::new(dx));
        let out_s = ds.as_mut().map(|ds| Shared::new(ds));
        // Plane by plane, so that dy comes from memory once for both.
        pieces(count, block(plane), |p0, p1| {
            vectorized(
                #[inline(always)]
                || {
                    for p in p0..p1 {
                        let dy = &dy[p * plane..][..plane];
                        if let Some(out) = out_s {
                            // SAFETY: one number per plane.
                            let ds = unsafe { out.slice(p, 1) };
                            ds[0] = planes::dot(dy, &xs[p * plane..][..plane]);
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

    fn gpu(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let here = Here::of_gradient(&grad)?;
        let (x, scale, dy) = (here.buffer(&self.x)?, here.buffer(&self.scale)?, here.buffer(&grad)?);
        let [dx, dscale] = gpu::backward(&here, (&x, &scale), &dy)?;
        Ok(vec![
            wanted[0].then(|| here.tensor(dx, grad.shape())).transpose()?,
            wanted[1].then(|| here.tensor(dscale, self.scale.shape())).transpose()?,
        ])
    }
}
