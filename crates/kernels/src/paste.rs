//! Parts of one row in place of another's.

use crate::element::{Element, by_dtype, tensor, view};
use crate::node::{Backward, node};
use crate::parallel::{Shared, each, unfilled};
use crate::simd::vectorized;
use crate::switch::composed;
use candle_core::{Result, Tensor, bail};
use std::marker::PhantomData;
use std::sync::Arc;

/// (top, bottom, left, right) in pixels, bottom and right excluded.
pub(crate) type Bounds = (usize, usize, usize, usize);

/// out_i = values_partner(i) inside the box, values_i outside, in every channel.
///
/// `values` (R, C, H, W); `partner` one row per row; `boxes` (top, bottom, left, right), bottom and right excluded, one for
/// all rows or one per row. Differentiable in values.
///
/// # Errors
/// A partner that is not below R, a box that leaves the map, counts that do not fit.
pub fn paste_boxes(values: &Tensor, partner: &[u32], boxes: &[Bounds]) -> Result<Tensor> {
    check_boxes("paste_boxes", values, boxes)?;
    blend(values, partner, boxes.len(), Inside::Boxes(boxes.to_vec()), "paste_boxes")
}

/// out_i = (1 − m)·values_i + m·values_partner(i), position by position, in every channel.
///
/// `values` (R, C, H, W); `masks` m, each (H·W) in row order, one for all rows or one per row. Differentiable in values.
///
/// # Errors
/// A partner that is not below R, a mask of another size or with a number outside 0..=1, counts that do not fit.
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
    blend(values, partner, masks.len(), Inside::Masks(masks.to_vec()), "blend_masks")
}

enum Inside {
    Boxes(Vec<Bounds>),
    Masks(Vec<Vec<f32>>),
}

impl Inside {
    fn one(&self) -> bool {
        match self {
            Inside::Boxes(boxes) => boxes.len() == 1,
            Inside::Masks(masks) => masks.len() == 1,
        }
    }

    fn of(&self, row: usize) -> usize {
        if self.one() { 0 } else { row }
    }

    /// Row i, one channel: `own` outside, `other` inside.
    #[inline(always)]
    fn blend<T: Element>(&self, i: usize, own: &[T], other: &[T], to: &mut [T], w: usize) {
        match self {
            Inside::Boxes(boxes) => {
                let (top, bottom, left, right) = boxes[self.of(i)];
                to.copy_from_slice(own);
                let rows = to.chunks_exact_mut(w).zip(other.chunks_exact(w));
                for (to, other) in rows.skip(top).take(bottom - top) {
                    to[left..right].copy_from_slice(&other[left..right]);
                }
            }
            Inside::Masks(masks) => {
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
            Inside::Boxes(boxes) => {
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
            Inside::Masks(masks) => {
                for ((to, v), m) in to.iter_mut().zip(from).zip(&masks[self.of(i)]) {
                    let m = T::from_f64(f64::from(*m));
                    *to += if own { T::one() - m } else { m } * *v;
                }
            }
        }
    }

    /// (R or 1, 1, H, W).
    fn mask(&self, h: usize, w: usize, values: &Tensor) -> Result<Tensor> {
        let flat: Vec<f32> = match self {
            Inside::Boxes(boxes) => {
                let inside = |&(t, b, l, r): &(usize, usize, usize, usize)| {
                    (0..h * w).map(move |p| f32::from((t..b).contains(&(p / w)) && (l..r).contains(&(p % w))))
                };
                boxes.iter().flat_map(inside).collect()
            }
            Inside::Masks(masks) => masks.concat(),
        };
        Tensor::from_vec(flat, ((), 1, h, w), values.device())
    }
}

pub(crate) fn check_boxes(op: &str, values: &Tensor, boxes: &[Bounds]) -> Result<()> {
    let (_, _, h, w) = values.dims4()?;
    if let Some(b) = boxes.iter().find(|(t, b, l, r)| t > b || *b > h || l > r || *r > w) {
        bail!("{op}: expected top ≤ bottom ≤ {h} and left ≤ right ≤ {w}, got {b:?}");
    }
    Ok(())
}

pub(crate) fn check_partners(op: &str, values: &Tensor, partner: &[u32], count: usize) -> Result<()> {
    let r = values.dim(0)?;
    if partner.len() != r
        || partner.iter().any(|p| *p as usize >= r)
        || (count != 1 && count != r)
        || values.elem_count() == 0
    {
        bail!(
            "{op}: expected {r} partners below {r} and 1 or {r} regions, got {} partners and {count} regions",
            partner.len()
        );
    }
    Ok(())
}

/// For each row, the rows whose partner it is.
pub(crate) fn sources(partner: &[u32]) -> Vec<Vec<usize>> {
    let mut sources = vec![Vec::new(); partner.len()];
    partner.iter().enumerate().for_each(|(i, j)| sources[*j as usize].push(i));
    sources
}

fn blend(values: &Tensor, partner: &[u32], count: usize, inside: Inside, op: &str) -> Result<Tensor> {
    check_partners(op, values, partner, count)?;
    let (r, _, h, w) = values.dims4()?;
    if composed(values) {
        let ids = Tensor::from_slice(partner, r, values.device())?;
        let other = values.index_select(&ids, 0)?;
        let mask = inside.mask(h, w, values)?.broadcast_as(values.shape())?;
        return match inside {
            Inside::Boxes(_) => mask.ne(&mask.zeros_like()?)?.where_cond(&other, values),
            Inside::Masks(_) => {
                let mask = mask.contiguous()?.to_dtype(values.dtype())?;
                (values * mask.affine(-1.0, 1.0)?)? + (other * mask)?
            }
        };
    }
    by_dtype!(values.dtype(), run(values, partner, inside))
}

fn run<T: Element>(values: &Tensor, partner: &[u32], inside: Inside) -> Result<Tensor> {
    let (r, c, h, w) = values.dims4()?;
    let contiguous = values.contiguous()?;
    let inside = Arc::new(inside);
    let mut y = unfilled::<T>(values.elem_count());
    {
        let x = view::<T>(&contiguous)?;
        let x: &[T] = &x;
        let out = Shared::new(&mut y);
        let plane = h * w;
        each(r * c, |at| {
            let (i, channel) = (at / c, at % c);
            // SAFETY: one channel of one row per task.
            let y = unsafe { out.slice(at * plane, plane) };
            let other = &x[(partner[i] as usize * c + channel) * plane..][..plane];
            vectorized(
                #[inline(always)]
                || inside.blend(i, &x[at * plane..][..plane], other, y, w),
            )
        });
    }
    let gradient = Gradient::<T> { sources: sources(partner), inside, element: PhantomData };
    node(&[values], y, values.shape(), gradient)
}

struct Gradient<T> {
    /// For each row, the rows whose partner it is.
    sources: Vec<Vec<usize>>,
    inside: Arc<Inside>,
    element: PhantomData<T>,
}

impl<T: Element> Backward for Gradient<T> {
    fn name(&self) -> &'static str {
        "paste"
    }

    fn gradients(&self, _: &Tensor, grad: Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let (r, c, h, w) = grad.dims4()?;
        let g = view::<T>(&grad)?;
        let (dy, plane): (&[T], _) = (&g, h * w);
        let mut dx = unfilled::<T>(dy.len());
        let out = Shared::new(&mut dx);
        each(r * c, |at| {
            let (i, channel) = (at / c, at % c);
            // SAFETY: one channel of one row per task.
            let dx = unsafe { out.slice(at * plane, plane) };
            vectorized(
                #[inline(always)]
                || {
                    dx.fill(T::zero());
                    self.inside.add(i, true, &dy[at * plane..][..plane], dx, w);
                    for &source in &self.sources[i] {
                        let from = &dy[(source * c + channel) * plane..][..plane];
                        self.inside.add(source, false, from, dx, w);
                    }
                },
            )
        });
        Ok(vec![Some(tensor(dx, grad.shape()))])
    }
}
