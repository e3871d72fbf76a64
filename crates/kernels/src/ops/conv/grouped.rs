//! Convolution in groups in f32: groups are put together until they have sixteen channels, the numbers between them 0, and
//! every such block is a convolution of its own, by the way that suits it, on channels laid side by side.
//!
//! ResNeXt-50 has 4 to 32 channels a group. The zeros cost up to four times the products of a tenth of its arithmetic, and
//! vectors are full.

use super::lanes::B;
use super::{Conv, Geometry};
use crate::cpu::parallel::{Shared, each, unfilled};

/// Groups put together, where there are sizes for it.
fn together(g: &Geometry) -> Option<usize> {
    let (cg, og) = g.group();
    let fits = |m: &usize| {
        g.conv.groups.is_multiple_of(*m) && (m * cg).is_multiple_of(B) && (m * og).is_multiple_of(B)
    };
    (1..=B).find(fits).filter(|_| g.conv.groups > 1)
}

pub(super) fn fits(g: &Geometry) -> bool {
    together(g).is_some()
}

/// The geometry of a block, how many there are, and how many groups each has.
fn block(g: &Geometry) -> (Geometry, usize, usize) {
    let m = together(g).expect("asked after `fits`");
    let (cg, og) = g.group();
    let inner = Geometry { c: m * cg, o: m * og, conv: Conv { groups: 1, ..g.conv }, ..*g };
    (inner, g.conv.groups / m, m)
}

/// The channels `start..start + count` of `channels`, as a batch of their own.
fn gather(x: &[f32], rows: usize, channels: usize, plane: usize, start: usize, count: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(rows * count * plane);
    for r in 0..rows {
        out.extend_from_slice(&x[(r * channels + start) * plane..][..count * plane]);
    }
    out
}

/// The weight of block `b`: 0 between groups.
fn widen(weight: &[f32], b: usize, m: usize, g: &Geometry) -> Vec<f32> {
    let ((_, og), k) = (g.group(), g.k());
    let mut out = vec![0.0; m * og * m * k];
    for (i, row) in out.chunks_exact_mut(m * k).enumerate() {
        row[i / og * k..][..k].copy_from_slice(&weight[(b * m * og + i) * k..][..k]);
    }
    out
}

/// `f(b)` for every block, each an (R, count, plane) piece of a result with `channels`.
fn scatter(
    g: &Geometry,
    (blocks, channels, count, plane): (usize, usize, usize, usize),
    f: impl Fn(usize) -> Vec<f32> + Send + Sync,
) -> Vec<f32> {
    let mut y = unfilled(g.r * channels * plane);
    let out = Shared::new(&mut y);
    each(blocks, |b| {
        for (r, part) in f(b).chunks_exact(count * plane).enumerate() {
            // SAFETY: each block has channels of its own.
            let y = unsafe { out.slice((r * channels + b * count) * plane, count * plane) };
            y.copy_from_slice(part);
        }
    });
    y
}

pub(super) fn forward(x: &[f32], weight: &[f32], g: &Geometry) -> Vec<f32> {
    let (inner, blocks, m) = block(g);
    scatter(g, (blocks, g.o, inner.o, g.oh * g.ow), |b| {
        let x = gather(x, g.r, g.c, g.h * g.w, b * inner.c, inner.c);
        super::run_forward(&x, &widen(weight, b, m, g), &inner)
    })
}

pub(super) fn input_gradient(dy: &[f32], weight: &[f32], g: &Geometry) -> Vec<f32> {
    let (inner, blocks, m) = block(g);
    scatter(g, (blocks, g.c, inner.c, g.h * g.w), |b| {
        let dy = gather(dy, g.r, g.o, g.oh * g.ow, b * inner.o, inner.o);
        super::run_input_gradient(&dy, &widen(weight, b, m, g), &inner)
    })
}

/// The products between groups are computed and left.
pub(super) fn weight_gradient(dy: &[f32], x: &[f32], g: &Geometry) -> Vec<f32> {
    let (inner, blocks, m) = block(g);
    let ((_, og), k) = (g.group(), g.k());
    let mut dw = unfilled(g.weight());
    let out = Shared::new(&mut dw);
    each(blocks, |b| {
        let x = gather(x, g.r, g.c, g.h * g.w, b * inner.c, inner.c);
        let dy = gather(dy, g.r, g.o, g.oh * g.ow, b * inner.o, inner.o);
        let wide = super::run_weight_gradient(&dy, &x, &inner);
        // SAFETY: each block has output channels of its own.
        let dw = unsafe { out.slice(b * m * og * k, m * og * k) };
        for (i, dw) in dw.chunks_exact_mut(k).enumerate() {
            dw.copy_from_slice(&wide[i * m * k + i / og * k..][..k]);
        }
    });
    dw
}
