//! Parts of one row in place of another's.

use super::gpu;
use super::partner::{Bounds, check_boxes, check_partners, gather, scatter};
use crate::cpu::element::{Element, tensor, view};
use crate::cpu::simd::vectorized;
use crate::dispatch::{Op, apply};
use crate::gpu::Here;
use crate::graph::{Backward, OperandGradients, Output};
use candle_core::{Result, Tensor, bail};
use std::sync::Arc;

/// out_i = values_partner(i) inside the box, values_i outside, in every channel.
///
/// `values` (R, C, H, W); `partner` one row per row; `boxes` (top, bottom, left, right), bottom and right excluded, one for
/// all rows or one per row. Differentiable in values.
///
/// # Errors
/// Fails on a partner that is not below R, on a box that leaves the map, and on counts that do not fit.
pub fn paste_boxes(values: &Tensor, partner: &[u32], boxes: &[Bounds]) -> Result<Tensor> {
    check_boxes("paste_boxes", values, boxes)?;
    check_partners("paste_boxes", values, partner, boxes.len())?;
    apply("paste_boxes", Composite { partner, region: Arc::new(Region::Boxes(boxes.to_vec())) }, &[values])
}

/// out_i = (1 − m)·values_i + m·values_partner(i), position by position, in every channel.
///
/// `values` (R, C, H, W); `masks` m, each (H·W) in row order, one for all rows or one per row. Differentiable in values.
///
/// # Errors
/// Fails on a partner that is not below R, on a mask of another size or with a number outside 0..=1, and on counts that do not
/// fit.
pub fn blend_masks(values: &Tensor, partner: &[u32], masks: &[Vec<f32>]) -> Result<Tensor> {
    let (_, _, h, w) = values.dims4()?;
    for mask in masks {
        if mask.len() != h * w || !mask.iter().all(|m| (0.0..=1.0).contains(m)) {
            bail!(
                "blend_masks: expected masks of {h}·{w} numbers in 0..=1, got one of {} numbers",
                mask.len()
            );
        }
    }
    check_partners("blend_masks", values, partner, masks.len())?;
    apply("blend_masks", Composite { partner, region: Arc::new(Region::Masks(masks.to_vec())) }, &[values])
}

/// What a row takes of its partner: one for all rows or one per row.
enum Region {
    Boxes(Vec<Bounds>),
    Masks(Vec<Vec<f32>>),
}

impl Region {
    /// Which one is row `row`'s.
    fn of(&self, row: usize) -> usize {
        let one = match self {
            Region::Boxes(boxes) => boxes.len() == 1,
            Region::Masks(masks) => masks.len() == 1,
        };
        if one { 0 } else { row }
    }

    /// Row i, one channel: `own` outside, `other` inside.
    #[inline(always)]
    fn composite<T: Element>(&self, i: usize, own: &[T], other: &[T], to: &mut [T], w: usize) {
        match self {
            Region::Boxes(boxes) => {
                let (top, bottom, left, right) = boxes[self.of(i)];
                to.copy_from_slice(own);
                let rows = to.chunks_exact_mut(w).zip(other.chunks_exact(w));
                for (to, other) in rows.skip(top).take(bottom - top) {
                    to[left..right].copy_from_slice(&other[left..right]);
                }
            }
            Region::Masks(masks) => {
                for (((to, own), other), m) in to.iter_mut().zip(own).zip(other).zip(&masks[self.of(i)]) {
                    let m = T::from_f64(f64::from(*m));
                    *to = (T::one() - m) * *own + m * *other;
                }
            }
        }
    }

    /// Adds to `to` the part of `from`, row i of one channel, that is its own (outside) or its partner's (inside).
    #[inline(always)]
    fn add<T: Element>(&self, i: usize, own: bool, from: &[T], to: &mut [T], w: usize) {
        match self {
            Region::Boxes(boxes) => {
                let (top, bottom, left, right) = boxes[self.of(i)];
                for (y, (to, from)) in to.chunks_exact_mut(w).zip(from.chunks_exact(w)).enumerate() {
                    let (left, right) = if (top..bottom).contains(&y) { (left, right) } else { (0, 0) };
                    let mut add = |a: usize, b: usize| {
                        to[a..b].iter_mut().zip(&from[a..b]).for_each(|(to, v)| *to += *v);
                    };
                    if own {
                        add(0, left);
                        add(right, w);
                    } else {
                        add(left, right);
                    }
                }
            }
            Region::Masks(masks) => {
                for ((to, v), m) in to.iter_mut().zip(from).zip(&masks[self.of(i)]) {
                    let m = T::from_f64(f64::from(*m));
                    *to += if own { T::one() - m } else { m } * *v;
                }
            }
        }
    }

    fn on_gpu(&self) -> gpu::Region<'_> {
        match self {
            Region::Boxes(boxes) => gpu::Region::Boxes(boxes),
            Region::Masks(masks) => gpu::Region::Masks(masks),
        }
    }

    /// (R or 1, 1, H, W).
    fn mask(&self, h: usize, w: usize, values: &Tensor) -> Result<Tensor> {
        let flat: Vec<f32> = match self {
            Region::Boxes(boxes) => {
                let inside = |&(t, b, l, r): &Bounds| {
                    (0..h * w).map(move |p| f32::from((t..b).contains(&(p / w)) && (l..r).contains(&(p % w))))
                };
                boxes.iter().flat_map(inside).collect()
            }
            Region::Masks(masks) => masks.concat(),
        };
        Tensor::from_vec(flat, ((), 1, h, w), values.device())
    }
}

struct Composite<'a> {
    partner: &'a [u32],
    region: Arc<Region>,
}

impl Op for Composite<'_> {
    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let (_, c, h, w) = x[0].dims4()?;
        let y = gather(&view::<T>(&x[0])?, self.partner, (c, h * w), |i, own, other, y| {
            vectorized(
                #[inline(always)]
                || self.region.composite(i, own, other, y, w),
            )
        });
        let backward = CompositeBackward { partner: self.partner.to_vec(), region: self.region.clone() };
        Output::cpu(y, x[0].shape(), backward)
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let maps = gpu::Maps::of(x[0])?;
        let y = gpu::forward(&here, &here.buffer(x[0])?, maps, self.partner, self.region.on_gpu())?;
        let backward = CompositeBackward { partner: self.partner.to_vec(), region: self.region.clone() };
        Ok(Some(Output::new(here.storage(y)?, x[0].shape(), backward)))
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        let (values, (r, _, h, w)) = (x[0], x[0].dims4()?);
        let other = values.index_select(&Tensor::from_slice(self.partner, r, values.device())?, 0)?;
        let mask = self.region.mask(h, w, values)?.broadcast_as(values.shape())?;
        match *self.region {
            Region::Boxes(_) => mask.ne(&mask.zeros_like()?)?.where_cond(&other, values),
            Region::Masks(_) => {
                let mask = mask.contiguous()?.to_dtype(values.dtype())?;
                (values * mask.affine(-1.0, 1.0)?)? + (other * mask)?
            }
        }
    }
}

struct CompositeBackward {
    partner: Vec<u32>,
    region: Arc<Region>,
}

impl Backward for CompositeBackward {
    fn cpu<T: Element>(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let (_, c, h, w) = grad.dims4()?;
        let add = |i: usize, own: bool, dy: &[T], dx: &mut [T]| {
            vectorized(
                #[inline(always)]
                || self.region.add(i, own, dy, dx, w),
            )
        };
        let own = |i: usize, dy: &[T], dx: &mut [T]| {
            dx.fill(T::zero());
            add(i, true, dy, dx);
        };
        let other = |i: usize, dy: &[T], dx: &mut [T]| add(i, false, dy, dx);
        let dx = scatter(&view::<T>(&grad)?, &self.partner, (c, h * w), own, other);
        Ok(vec![Some(tensor(dx, grad.shape()))])
    }

    fn gpu(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let (here, maps) = (Here::of_gradient(&grad)?, gpu::Maps::of(&grad)?);
        let dx = gpu::backward(&here, &here.buffer(&grad)?, maps, &self.partner, self.region.on_gpu())?;
        Ok(vec![Some(here.tensor(dx, grad.shape())?)])
    }
}
