//! The whole of one row, resized into a box of another.

use super::gpu;
use super::partner::{Bounds, check_boxes, check_partners, gather, scatter};
use crate::cpu::element::{Element, tensor, view};
use crate::cpu::parallel::scratch;
use crate::cpu::simd::vectorized;
use crate::dispatch::{Op, apply, host};
use crate::gpu::Here;
use crate::graph::{Backward, OperandGradients, Output};
use candle_core::{Result, Tensor};
use std::collections::BTreeMap;
use std::sync::Arc;

/// out_i = A(H → tall) · values_partner(i) · A(W → wide)ᵀ inside the box, values_i outside, in every channel; row o of
/// A(n → m) has the weights max(0, 1 − |p + ½ − (o + ½)·s| / max(s, 1)) of the pixels p, s = n / m, divided by their sum.
///
/// `values` (R, C, H, W); `partner` one row per row; `boxes` (top, bottom, left, right), bottom and right excluded, one for
/// all rows or one per row. Differentiable in values. The weights are those of torch's `interpolate(mode="bilinear",
/// antialias=True)`.
///
/// # Errors
/// Fails on a partner that is not below R, on a box that leaves the map, and on counts that do not fit.
pub fn paste_resized(values: &Tensor, partner: &[u32], boxes: &[Bounds]) -> Result<Tensor> {
    check_boxes("paste_resized", values, boxes)?;
    check_partners("paste_resized", values, partner, boxes.len())?;
    apply("paste_resized", PasteResized { partner, boxes }, &[values])
}

/// The weights of a side of `from` pixels resized to `to`: for each pixel of the result the first that it is made of, and
/// as many weights as the longest of them has.
struct Side<T> {
    first: Vec<usize>,
    weights: Vec<T>,
    each: usize,
}

impl<T: Element> Side<T> {
    fn new(from: usize, to: usize) -> Side<T> {
        let scale = from as f64 / to as f64;
        let reach = scale.max(1.0);
        let centre = |o: usize| (o as f64 + 0.5) * scale;
        let begin = |o: usize| (centre(o) - reach + 0.5).max(0.0) as usize;
        let end = |o: usize| ((centre(o) + reach + 0.5) as usize).min(from);
        let each = (0..to).map(|o| end(o) - begin(o)).max().unwrap_or(0);
        let first: Vec<usize> = (0..to).map(|o| begin(o).min(from - each)).collect();
        let mut weights = Vec::with_capacity(to * each);
        for (o, &first) in first.iter().enumerate() {
            let weight = |p: usize| (1.0 - (p as f64 + 0.5 - centre(o)).abs() / reach).max(0.0);
            let sum: f64 = (first..first + each).map(weight).sum();
            weights.extend((first..first + each).map(|p| T::from_f64(weight(p) / sum)));
        }
        Side { first, weights, each }
    }

    #[inline(always)]
    fn of(&self, o: usize) -> (usize, &[T]) {
        (self.first[o], &self.weights[o * self.each..][..self.each])
    }
}

/// A box with the weights that fill it, down and across.
type Patch<T> = (Bounds, Arc<Side<T>>, Arc<Side<T>>);

/// One for all rows or one per row.
struct Patches<T> {
    boxes: Vec<Patch<T>>,
    width: usize,
}

impl<T: Element> Patches<T> {
    fn new(boxes: &[Bounds], (h, w): (usize, usize)) -> Patches<T> {
        // Boxes of one size share their weights.
        let mut known = BTreeMap::new();
        let mut side =
            |from, to| known.entry((from, to)).or_insert_with(|| Arc::new(Side::new(from, to))).clone();
        let filled = |&(t, b, l, r): &Bounds| ((t, b, l, r), side(h, b - t), side(w, r - l));
        Patches { boxes: boxes.iter().map(filled).collect(), width: w }
    }

    #[inline(always)]
    fn of(&self, row: usize) -> &Patch<T> {
        &self.boxes[if self.boxes.len() == 1 { 0 } else { row }]
    }

    /// Writes the box of row i, one channel: `from` resized. `line` is room for a row of pixels.
    #[inline(always)]
    fn paste(&self, i: usize, from: &[T], to: &mut [T], line: &mut [T]) {
        let ((top, bottom, left, right), down, across) = self.of(i);
        for y in *top..*bottom {
            let (first, weights) = down.of(y - top);
            let rows = from[first * self.width..].chunks_exact(self.width);
            line.fill(T::zero());
            for (row, &weight) in rows.zip(weights) {
                line.iter_mut().zip(row).for_each(|(sum, v)| *sum += weight * *v);
            }
            for (x, to) in to[y * self.width..][*left..*right].iter_mut().enumerate() {
                let (first, weights) = across.of(x);
                let mut sum = T::zero();
                line[first..].iter().zip(weights).for_each(|(v, weight)| sum += *weight * *v);
                *to = sum;
            }
        }
    }

    /// Adds to `dx` of the partner what `dy` of row i, one channel, gives it.
    #[inline(always)]
    fn paste_back(&self, i: usize, dy: &[T], dx: &mut [T], line: &mut [T]) {
        let ((top, bottom, left, right), down, across) = self.of(i);
        for y in *top..*bottom {
            line.fill(T::zero());
            for (x, dy) in dy[y * self.width..][*left..*right].iter().enumerate() {
                let (first, weights) = across.of(x);
                line[first..].iter_mut().zip(weights).for_each(|(sum, weight)| *sum += *weight * *dy);
            }
            let (first, weights) = down.of(y - top);
            let rows = dx[first * self.width..].chunks_exact_mut(self.width);
            for (row, &weight) in rows.zip(weights) {
                row.iter_mut().zip(&*line).for_each(|(sum, v)| *sum += weight * *v);
            }
        }
    }
}

struct PasteResized<'a> {
    partner: &'a [u32],
    boxes: &'a [Bounds],
}

impl Op for PasteResized<'_> {
    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let (_, c, h, w) = x[0].dims4()?;
        let patches = Patches::<T>::new(self.boxes, (h, w));
        let y = gather(&view::<T>(&x[0])?, self.partner, (c, h * w), |i, own, other, y| {
            y.copy_from_slice(own);
            scratch(w, |line: &mut [T]| {
                vectorized(
                    #[inline(always)]
                    || patches.paste(i, other, y, line),
                )
            });
        });
        let backward = PasteResizedBackward { partner: self.partner.to_vec(), boxes: self.boxes.to_vec() };
        Output::cpu(y, x[0].shape(), backward)
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let (maps, region) = (gpu::Maps::of(x[0])?, gpu::Region::Resized(self.boxes));
        let y = gpu::forward(&here, &here.buffer(x[0])?, maps, self.partner, region)?;
        let backward = PasteResizedBackward { partner: self.partner.to_vec(), boxes: self.boxes.to_vec() };
        Ok(Some(Output::new(here.storage(y)?, x[0].shape(), backward)))
    }

    /// Two matrix products for each row, and what lies around the box.
    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        let (values, boxes, (_, c, h, w)) = (x[0], self.boxes, x[0].dims4()?);
        let around = |along: usize, middle: Tensor, of: &Tensor, (start, end): (usize, usize)| {
            let rest = of.dim(along)? - end;
            Tensor::cat(&[of.narrow(along, 0, start)?, middle, of.narrow(along, end, rest)?], along)
        };
        let row = |(i, &j): (usize, &u32)| {
            let own = values.narrow(0, i, 1)?;
            let (top, bottom, left, right) = boxes[if boxes.len() == 1 { 0 } else { i }];
            if top == bottom || left == right {
                return Ok(own);
            }
            let matrix = |from, to| host(dense(from, to), (to, from), values);
            let lines = values.narrow(0, j as usize, 1)?.contiguous()?.reshape((c * h, w))?;
            let narrow = lines.matmul(&matrix(w, right - left)?.t()?)?.reshape((1, c, h, right - left))?;
            let small = matrix(h, bottom - top)?.broadcast_matmul(&narrow)?;
            let band = around(3, small, &own.narrow(2, top, bottom - top)?, (left, right))?;
            around(2, band, &own, (top, bottom))
        };
        Tensor::cat(&self.partner.iter().enumerate().map(row).collect::<Result<Vec<_>>>()?, 0)
    }
}

struct PasteResizedBackward {
    partner: Vec<u32>,
    boxes: Vec<Bounds>,
}

impl Backward for PasteResizedBackward {
    fn cpu<T: Element>(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let (_, c, h, w) = grad.dims4()?;
        let patches = Patches::<T>::new(&self.boxes, (h, w));
        let own = |i: usize, dy: &[T], dx: &mut [T]| {
            dx.copy_from_slice(dy);
            let (top, bottom, left, right) = patches.of(i).0;
            dx[top * w..bottom * w].chunks_exact_mut(w).for_each(|row| row[left..right].fill(T::zero()));
        };
        let other = |i: usize, dy: &[T], dx: &mut [T]| {
            scratch(w, |line: &mut [T]| {
                vectorized(
                    #[inline(always)]
                    || patches.paste_back(i, dy, dx, line),
                )
            });
        };
        let dx = scatter(&view::<T>(&grad)?, &self.partner, (c, h * w), own, other);
        Ok(vec![Some(tensor(dx, grad.shape()))])
    }

    fn gpu(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let (here, maps) = (Here::of_gradient(&grad)?, gpu::Maps::of(&grad)?);
        let region = gpu::Region::Resized(&self.boxes);
        let dx = gpu::backward(&here, &here.buffer(&grad)?, maps, &self.partner, region)?;
        Ok(vec![Some(here.tensor(dx, grad.shape())?)])
    }
}

/// A(from → to), row-major.
fn dense(from: usize, to: usize) -> Vec<f64> {
    let side = Side::<f64>::new(from, to);
    let mut matrix = vec![0.0; to * from];
    for (o, row) in matrix.chunks_exact_mut(from).enumerate() {
        let (first, weights) = side.of(o);
        row[first..first + weights.len()].copy_from_slice(weights);
    }
    matrix
}
