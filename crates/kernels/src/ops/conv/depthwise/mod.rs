//! Convolution where every group has one input channel: shifted rows, no product.

/// A loop over literals, so that what depends on them is decided by the compiler.
macro_rules! unrolled {
    ($i:ident in [$($n:literal)*] $body:block) => {
        $({
            const $i: usize = $n;
            $body
        })*
    };
}

#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "the vectors are x86's"))]
mod blocked;
mod frame;
mod last;
mod row;

pub use last::{Last, depthwise_last};

use super::im2col::inside;
use super::{Geometry, cast};
use crate::cpu::element::Element;
use crate::cpu::element::as_f32;
use crate::cpu::parallel::{Shared, each, unfilled};
use crate::cpu::simd::vectorized;

/// For each output row i and kernel position (u, v) that meet the map: `f(u·kw + v, input row, output row, j0, j1, first)`,
/// where output column j reads input column `first` + (j − j0)·stride.
#[inline(always)]
fn overlaps(g: &Geometry, mut f: impl FnMut(usize, usize, usize, usize, usize, usize)) {
    let (s, d, pad) = (g.conv.stride, g.conv.dilation, g.conv.padding as isize);
    for i in 0..g.oh {
        for u in 0..g.kh {
            let y = (i * s + u * d) as isize - pad;
            if y < 0 || y >= g.h as isize {
                continue;
            }
            for v in 0..g.kw {
                let shift = (v * d) as isize - pad;
                let (j0, j1) = inside(shift, s, g.w, g.ow);
                if j0 < j1 {
                    f(u * g.kw + v, y as usize, i, j0, j1, (j0 as isize * s as isize + shift) as usize);
                }
            }
        }
    }
}

pub(super) fn forward<T: Element>(x: &[T], weight: &[T], g: &Geometry) -> Vec<T> {
    if let (Some(x), Some(weight), Some(lanes)) = (as_f32(x), as_f32(weight), blocked::lanes(g)) {
        return cast(blocked::forward(x, weight, g, lanes));
    }
    let mut y = unfilled(g.output());
    let out = Shared::new(&mut y);
    let (plane, map, taps, multiplier, s) = (g.h * g.w, g.oh * g.ow, g.kh * g.kw, g.group().1, g.conv.stride);
    each(g.r, |n| {
        vectorized(
            #[inline(always)]
            || {
                for o in 0..g.o {
                    let x = &x[(n * g.c + o / multiplier) * plane..][..plane];
                    let w = &weight[o * taps..][..taps];
                    // SAFETY: one map per (image, channel).
                    let y = unsafe { out.slice((n * g.o + o) * map, map) };
                    y.fill(T::zero());
                    overlaps(g, |k, row, i, j0, j1, first| {
                        let w = w[k];
                        let line = &x[row * g.w..][..g.w][first..];
                        let out = &mut y[i * g.ow..][..g.ow][j0..j1];
                        if s == 1 {
                            out.iter_mut().zip(line).for_each(|(y, x)| *y += w * *x);
                        } else {
                            out.iter_mut().zip(line.iter().step_by(s)).for_each(|(y, x)| *y += w * *x);
                        }
                    });
                }
            },
        )
    });
    y
}

pub(super) fn input_gradient<T: Element>(dy: &[T], weight: &[T], g: &Geometry) -> Vec<T> {
    if let (Some(dy), Some(weight), Some(lanes)) = (as_f32(dy), as_f32(weight), blocked::lanes(g)) {
        return cast(blocked::input_gradient(dy, weight, g, lanes));
    }
    let mut dx = unfilled(g.input());
    let out = Shared::new(&mut dx);
    let (plane, map, taps, multiplier, s) = (g.h * g.w, g.oh * g.ow, g.kh * g.kw, g.group().1, g.conv.stride);
    each(g.r, |n| {
        vectorized(
            #[inline(always)]
            || {
                for c in 0..g.c {
                    // SAFETY: one plane per (image, channel).
                    let dx = unsafe { out.slice((n * g.c + c) * plane, plane) };
                    dx.fill(T::zero());
                    for o in c * multiplier..(c + 1) * multiplier {
                        let dy = &dy[(n * g.o + o) * map..][..map];
                        let w = &weight[o * taps..][..taps];
                        overlaps(g, |k, row, i, j0, j1, first| {
                            let w = w[k];
                            let line = &mut dx[row * g.w..][..g.w][first..];
                            let from = &dy[i * g.ow..][..g.ow][j0..j1];
                            if s == 1 {
                                line.iter_mut().zip(from).for_each(|(x, y)| *x += w * *y);
                            } else {
                                line.iter_mut().step_by(s).zip(from).for_each(|(x, y)| *x += w * *y);
                            }
                        });
                    }
                }
            },
        )
    });
    dx
}

/// Each image's share apart, added in the order of the batch.
pub(super) fn weight_gradient<T: Element>(dy: &[T], x: &[T], g: &Geometry) -> Vec<T> {
    if let (Some(dy), Some(x), Some(lanes)) = (as_f32(dy), as_f32(x), blocked::lanes(g)) {
        return cast(blocked::weight_gradient(dy, x, g, lanes));
    }
    let size = g.weight();
    let mut parts = unfilled(g.r * size);
    let out = Shared::new(&mut parts);
    let (plane, map, taps, multiplier, s) = (g.h * g.w, g.oh * g.ow, g.kh * g.kw, g.group().1, g.conv.stride);
    each(g.r, |n| {
        // SAFETY: one part per image.
        let part = unsafe { out.slice(n * size, size) };
        part.fill(T::zero());
        vectorized(
            #[inline(always)]
            || {
                for o in 0..g.o {
                    let x = &x[(n * g.c + o / multiplier) * plane..][..plane];
                    let dy = &dy[(n * g.o + o) * map..][..map];
                    let part = &mut part[o * taps..][..taps];
                    overlaps(g, |k, row, i, j0, j1, first| {
                        let line = &x[row * g.w..][..g.w][first..];
                        let from = &dy[i * g.ow..][..g.ow][j0..j1];
                        part[k] += dot(from, line, s);
                    });
                }
            },
        )
    });
    crate::cpu::parallel::fold_parts(parts, g.r, size)
}

/// Σ a[i] · b[i·s], in sixteen lanes.
#[inline(always)]
fn dot<T: Element>(a: &[T], b: &[T], s: usize) -> T {
    let mut lanes = [T::zero(); 16];
    if s == 1 {
        let b = &b[..a.len()];
        let (mut a, mut b) = (a.chunks_exact(16), b.chunks_exact(16));
        for (a, b) in (&mut a).zip(&mut b) {
            (0..16).for_each(|i| lanes[i] += a[i] * b[i]);
        }
        a.remainder().iter().zip(b.remainder()).enumerate().for_each(|(i, (a, b))| lanes[i] += *a * *b);
    } else {
        a.iter().zip(b.iter().step_by(s)).enumerate().for_each(|(i, (a, b))| lanes[i % 16] += *a * *b);
    }
    lanes.iter().fold(T::zero(), |sum, lane| sum + *lane)
}
