//! Convolution as products with the column matrix, tile by tile: any kernel, stride, dilation and number of groups.

use super::{Chunk, Geometry};
use crate::cpu::element::Element;
use crate::cpu::parallel::{Matrix, Shared, each, fold_parts, pieces, product, scratch, unfilled};

impl Chunk {
    /// Output positions of one product; several images come with all their rows.
    fn len(&self, g: &Geometry) -> usize {
        (self.n1 - self.n0) * (self.r1 - self.r0) * g.ow
    }
}

/// Images per task, and the tiles of the images `n0..n1`. Depends on the geometry alone.
struct Plan {
    images: usize,
    rows: usize,
}

impl Plan {
    fn new(g: &Geometry) -> Plan {
        // A tile's columns fill about 1 MiB, but a product has at least 192 columns.
        let columns = ((1 << 18) / g.k()).clamp(192, 1024);
        let map = g.oh * g.ow;
        if map >= columns {
            Plan { images: 1, rows: (columns / g.ow).max(1) }
        } else {
            Plan { images: (columns / map).max(1).min(g.r.div_ceil(2)), rows: g.oh }
        }
    }

    fn tiles(&self, n0: usize, n1: usize, g: &Geometry) -> impl Iterator<Item = Chunk> {
        let (images, rows, oh) = (self.images, self.rows, g.oh);
        (n0..n1).step_by(images).flat_map(move |n| {
            let n1 = (n + images).min(n1);
            (0..oh).step_by(rows).map(move |r0| Chunk { n0: n, n1, r0, r1: (r0 + rows).min(oh) })
        })
    }
}

pub(super) fn forward<T: Element>(x: &[T], weight: &[T], g: &Geometry) -> Vec<T> {
    let mut y = unfilled(g.output());
    let out = Shared::new(&mut y);
    let plan = Plan::new(g);
    let (_, og) = g.group();
    let (k, map) = (g.k(), g.oh * g.ow);
    pieces(g.r, plan.images, |n0, n1| {
        for tile in plan.tiles(n0, n1, g) {
            let p = tile.len(g);
            for group in 0..g.conv.groups {
                let w = &weight[group * og * k..][..og * k];
                with_columns(x, group, &tile, g, |col| {
                    if tile.n1 - tile.n0 == 1 {
                        let start = (tile.n0 * g.o + group * og) * map + tile.r0 * g.ow;
                        // SAFETY: the rows of this tile, og maps apart, belong to this task.
                        unsafe {
                            let y = out.slice(start, (og - 1) * map + p);
                            product((og, p, k), y.as_mut_ptr(), map, false, Matrix::rows(w.as_ptr(), k), col);
                        }
                        return;
                    }
                    scratch(og * p, |part: &mut [T]| {
                        // SAFETY: all three are live and apart.
                        unsafe {
                            product((og, p, k), part.as_mut_ptr(), p, false, Matrix::rows(w.as_ptr(), k), col)
                        };
                        for (i, n) in (tile.n0..tile.n1).enumerate() {
                            for o in 0..og {
                                // SAFETY: the images of this tile belong to this task.
                                let y = unsafe { out.slice((n * g.o + group * og + o) * map, map) };
                                y.copy_from_slice(&part[o * p + i * map..][..map]);
                            }
                        }
                    });
                });
            }
        }
    });
    y
}

pub(super) fn input_gradient<T: Element>(dy: &[T], weight: &[T], g: &Geometry) -> Vec<T> {
    let mut dx = unfilled(g.input());
    let out = Shared::new(&mut dx);
    let plan = Plan::new(g);
    let (cg, og) = g.group();
    let (k, plane) = (g.k(), g.h * g.w);
    pieces(g.r, plan.images, |n0, n1| {
        // SAFETY: the images of this task are its own.
        let dx = unsafe { out.slice(n0 * g.c * plane, (n1 - n0) * g.c * plane) };
        dx.fill(T::zero());
        for tile in plan.tiles(n0, n1, g) {
            let p = tile.len(g);
            for group in 0..g.conv.groups {
                let w = &weight[group * og * k..][..og * k];
                with_output(dy, group, &tile, g, |dy| {
                    scratch(k * p, |col: &mut [T]| {
                        // SAFETY: all three are live and apart.
                        unsafe {
                            let w = Matrix::rows(w.as_ptr(), k).t();
                            product((k, p, og), col.as_mut_ptr(), p, false, w, dy)
                        };
                        for n in tile.n0..tile.n1 {
                            let at = ((n - n0) * g.c + group * cg) * plane;
                            add_columns(
                                &mut dx[at..][..cg * plane],
                                col,
                                p,
                                (n - tile.n0) * (tile.r1 - tile.r0) * g.ow,
                                &tile,
                                g,
                            );
                        }
                    });
                });
            }
        }
    });
    dx
}

/// Partial sums over a number of chunks of the batch that the geometry alone decides, added in the order of the batch.
pub(super) fn weight_gradient<T: Element>(dy: &[T], x: &[T], g: &Geometry) -> Vec<T> {
    let plan = Plan::new(g);
    let (_, og) = g.group();
    let (k, size) = (g.k(), g.weight());
    let chunks = ((1 << 22) / size).clamp(2, 16).min(g.r.div_ceil(plan.images)).max(1);
    let images = g.r.div_ceil(plan.images).div_ceil(chunks) * plan.images;
    let chunks = g.r.div_ceil(images);
    let mut parts = unfilled(chunks * size);
    let out = Shared::new(&mut parts);
    each(chunks, |chunk| {
        // SAFETY: one part per chunk.
        let part = unsafe { out.slice(chunk * size, size) };
        let (n0, n1) = (chunk * images, ((chunk + 1) * images).min(g.r));
        for (i, tile) in plan.tiles(n0, n1, g).enumerate() {
            let p = tile.len(g);
            for group in 0..g.conv.groups {
                let dst = part[group * og * k..][..og * k].as_mut_ptr();
                with_columns(x, group, &tile, g, |col| {
                    with_output(dy, group, &tile, g, |dy| {
                        // SAFETY: all three are live and apart.
                        unsafe { product((og, k, p), dst, k, i > 0, dy, col.t()) };
                    });
                });
            }
        }
    });
    fold_parts(parts, chunks, size)
}

/// `f` with the column matrix (k × tile) of one group; the input itself where that is one.
fn with_columns<T: Element>(x: &[T], group: usize, tile: &Chunk, g: &Geometry, f: impl FnOnce(Matrix<T>)) {
    let (cg, plane, p) = (g.group().0, g.h * g.w, tile.len(g));
    let pointwise = g.kh * g.kw == 1 && g.conv.stride == 1 && g.conv.padding == 0;
    if pointwise && tile.n1 - tile.n0 == 1 {
        let at = (tile.n0 * g.c + group * cg) * plane + tile.r0 * g.ow;
        return f(Matrix::rows(x[at..][..(cg - 1) * plane + p].as_ptr(), plane));
    }
    scratch(g.k() * p, |col: &mut [T]| {
        for n in tile.n0..tile.n1 {
            let at = (n * g.c + group * cg) * plane;
            columns(&x[at..][..cg * plane], col, p, (n - tile.n0) * (tile.r1 - tile.r0) * g.ow, tile, g);
        }
        f(Matrix::rows(col.as_ptr(), p));
    });
}

/// `f` with the tile's part (og × tile) of an output.
fn with_output<T: Element>(dy: &[T], group: usize, tile: &Chunk, g: &Geometry, f: impl FnOnce(Matrix<T>)) {
    let (og, map, p) = (g.group().1, g.oh * g.ow, tile.len(g));
    if tile.n1 - tile.n0 == 1 {
        let at = (tile.n0 * g.o + group * og) * map + tile.r0 * g.ow;
        return f(Matrix::rows(dy[at..][..(og - 1) * map + p].as_ptr(), map));
    }
    scratch(og * p, |part: &mut [T]| {
        for (i, n) in (tile.n0..tile.n1).enumerate() {
            for o in 0..og {
                part[o * p + i * map..][..map]
                    .copy_from_slice(&dy[(n * g.o + group * og + o) * map..][..map]);
            }
        }
        f(Matrix::rows(part.as_ptr(), p));
    });
}

/// Output columns `j0..j1` whose input column, j·stride + `shift`, lies in 0..w.
#[inline]
pub(super) fn inside(shift: isize, stride: usize, w: usize, ow: usize) -> (usize, usize) {
    let (stride, w, ow) = (stride as isize, w as isize, ow as isize);
    let j0 = if shift < 0 { (-shift + stride - 1) / stride } else { 0 }.min(ow);
    let j1 = if shift >= w { 0 } else { (w - shift + stride - 1) / stride }.clamp(j0, ow);
    (j0 as usize, j1 as usize)
}

/// One image's part of the column matrix, whose rows are `p` long and where it begins at column `offset`.
fn columns<T: Element>(x: &[T], col: &mut [T], p: usize, offset: usize, tile: &Chunk, g: &Geometry) {
    let (s, d, pad) = (g.conv.stride, g.conv.dilation, g.conv.padding as isize);
    for (row, (c, u, v)) in kernel_positions(g).enumerate() {
        let shift = (v * d) as isize - pad;
        let (j0, j1) = inside(shift, s, g.w, g.ow);
        for i in tile.r0..tile.r1 {
            let out = &mut col[row * p + offset + (i - tile.r0) * g.ow..][..g.ow];
            let y = (i * s + u * d) as isize - pad;
            if y < 0 || y >= g.h as isize || j0 == j1 {
                out.fill(T::zero());
                continue;
            }
            let line = &x[(c * g.h + y as usize) * g.w..][..g.w];
            let first = (j0 as isize * s as isize + shift) as usize;
            out[..j0].fill(T::zero());
            out[j1..].fill(T::zero());
            if s == 1 {
                out[j0..j1].copy_from_slice(&line[first..][..j1 - j0]);
            } else {
                out[j0..j1].iter_mut().zip(line[first..].iter().step_by(s)).for_each(|(o, v)| *o = *v);
            }
        }
    }
}

/// The transpose of [`columns`]: adds each column back to the input it came from.
fn add_columns<T: Element>(dx: &mut [T], col: &[T], p: usize, offset: usize, tile: &Chunk, g: &Geometry) {
    let (s, d, pad) = (g.conv.stride, g.conv.dilation, g.conv.padding as isize);
    for (row, (c, u, v)) in kernel_positions(g).enumerate() {
        let shift = (v * d) as isize - pad;
        let (j0, j1) = inside(shift, s, g.w, g.ow);
        for i in tile.r0..tile.r1 {
            let y = (i * s + u * d) as isize - pad;
            if y < 0 || y >= g.h as isize || j0 == j1 {
                continue;
            }
            let from = &col[row * p + offset + (i - tile.r0) * g.ow..][j0..j1];
            let line = &mut dx[(c * g.h + y as usize) * g.w..][..g.w];
            let first = (j0 as isize * s as isize + shift) as usize;
            if s == 1 {
                line[first..].iter_mut().zip(from).for_each(|(d, v)| *d += *v);
            } else {
                line[first..].iter_mut().step_by(s).zip(from).for_each(|(d, v)| *d += *v);
            }
        }
    }
}

/// (channel of the group, row, column) under the kernel, in the order of a weight.
fn kernel_positions(g: &Geometry) -> impl Iterator<Item = (usize, usize, usize)> {
    let (cg, kh, kw) = (g.group().0, g.kh, g.kw);
    (0..cg).flat_map(move |c| (0..kh).flat_map(move |u| (0..kw).map(move |v| (c, u, v))))
}
