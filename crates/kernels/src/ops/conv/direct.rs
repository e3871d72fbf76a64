//! Convolution at any stride in f32, with no column matrix: the product reads the numbers under the kernel where they are.
//!
//! Rows of the left operand are output positions and steps are (channel, tap); both are offsets into planes padded with zeros, so
//! number (m, k) lies at rows(m) + steps(k). The right operand and the result hold sixteen channels to a vector, and only they
//! are transposed. The input gradient splits the input by the residue of its coordinates: each part sees a fixed set of taps.

use super::lanes::{B, from_lanes, to_lanes};
use super::product::{BLOCKS, Left, Places, ROWS, Table, accumulate};
use super::{Chunk, Geometry};
use crate::cpu::parallel::{Lines, Shared, each, pieces, scratch, unfilled};

/// Output positions of a task.
const POSITIONS: usize = 64;

fn fits(g: &Geometry) -> bool {
    let pointwise = g.kh * g.kw == 1 && g.conv.stride == 1 && g.conv.padding == 0;
    g.conv.groups == 1 && !pointwise
}

/// Whether [`forward`] and [`weight_gradient`] are for these sizes.
pub(super) fn fits_output(g: &Geometry) -> bool {
    fits(g) && g.o.is_multiple_of(B)
}

/// Whether [`input_gradient`] is.
pub(super) fn fits_input(g: &Geometry) -> bool {
    fits(g) && g.c.is_multiple_of(B) && g.conv.dilation == 1
}

/// How maps of `rows` by `columns` positions are cut into chunks of about [`POSITIONS`].
struct Cut {
    images: usize,
    rows: usize,
    columns: usize,
    /// Images and rows of a chunk.
    n: usize,
    strip: usize,
}

impl Cut {
    fn new(images: usize, rows: usize, columns: usize) -> Cut {
        let n = (POSITIONS / (rows * columns)).clamp(1, images.div_ceil(4));
        let strip = if n > 1 { rows } else { (POSITIONS / columns).clamp(1, rows) };
        Cut { images, rows, columns, n, strip }
    }

    fn each(&self, f: impl Fn(Chunk) + Send + Sync) {
        let strips = self.rows.div_ceil(self.strip);
        each(self.images.div_ceil(self.n) * strips, |i| {
            let (n0, r0) = (i / strips * self.n, i % strips * self.strip);
            f(Chunk { n0, n1: (n0 + self.n).min(self.images), r0, r1: (r0 + self.strip).min(self.rows) });
        });
    }

    /// Places of a whole chunk's positions: `at(image, row, column)`, padded to a multiple of [`ROWS`].
    fn table(&self, at: impl Fn(usize, usize, usize) -> usize) -> Table {
        let map = self.strip * self.columns;
        let places = self.n * map;
        let place = |m: usize| at(m / map, m % map / self.columns, m % self.columns);
        (0..places.next_multiple_of(ROWS)).map(|m| if m < places { place(m) } else { 0 }).collect()
    }
}

/// Planes padded with zeros, or cut: position (y, x) is position (y + top, x + left) of the plane.
#[derive(Clone, Copy)]
struct Frame {
    h: usize,
    w: usize,
    top: isize,
    left: isize,
    height: usize,
    width: usize,
}

impl Frame {
    fn plane(&self) -> usize {
        self.height * self.width
    }

    fn copy(&self, planes: &[f32], to: &mut [f32]) {
        // Columns from..to of the frame come from columns first.. of the plane.
        let from = (-self.left).clamp(0, self.width as isize) as usize;
        let until = (self.w as isize - self.left).clamp(from as isize, self.width as isize) as usize;
        let first = (from as isize + self.left) as usize;
        for (plane, to) in planes.chunks_exact(self.h * self.w).zip(to.chunks_exact_mut(self.plane())) {
            for (y, line) in to.chunks_exact_mut(self.width).enumerate() {
                let y = y as isize + self.top;
                if y < 0 || y >= self.h as isize || from == until {
                    line.fill(0.0);
                    continue;
                }
                line[..from].fill(0.0);
                line[from..until].copy_from_slice(&plane[y as usize * self.w + first..][..until - from]);
                line[until..].fill(0.0);
            }
        }
    }
}

/// The frame of `rows` output rows from `r0` on.
fn under(g: &Geometry, r0: usize, rows: usize) -> Frame {
    let (s, d, padding) = (g.conv.stride, g.conv.dilation, g.conv.padding as isize);
    Frame {
        h: g.h,
        w: g.w,
        top: (r0 * s) as isize - padding,
        left: -padding,
        height: (rows - 1) * s + (g.kh - 1) * d + 1,
        width: (g.ow - 1) * s + (g.kw - 1) * d + 1,
    }
}

/// Places of (channel, row, column) under the kernel in the order of a weight; those from the last on are place 0.
fn under_kernel(g: &Geometry, frame: &Frame, n: usize) -> Table {
    let (plane, width, d) = (frame.plane(), frame.width, g.conv.dilation);
    (0..n)
        .map(|k| if k < g.k() { k } else { 0 })
        .map(|k| k / (g.kh * g.kw) * plane + k / g.kw % g.kh * d * width + k % g.kw * d)
        .collect()
}

pub(super) fn forward(x: &[f32], weight: &[f32], g: &Geometry) -> Vec<f32> {
    let k = g.k();
    let right = transposed(weight, g.o / B, k);
    let cut = Cut::new(g.r, g.oh, g.ow);
    let frame = under(g, 0, cut.strip);
    let image = g.c * frame.plane();
    let rows = cut.table(|n, y, x| n * image + (y * frame.width + x) * g.conv.stride);
    let steps = under_kernel(g, &frame, k);
    let (map, positions) = (g.oh * g.ow, rows.len());
    let mut y: Vec<f32> = unfilled(g.output());
    let out = Shared::new(&mut y);
    cut.each(|chunk| {
        scratch(cut.n * image, |framed: &mut [f32]| {
            let frame = under(g, chunk.r0, cut.strip);
            for (n, framed) in (chunk.n0..chunk.n1).zip(framed.chunks_exact_mut(image)) {
                frame.copy(&x[n * g.c * g.h * g.w..][..g.c * g.h * g.w], framed);
            }
            scratch(positions * g.o, |m: &mut [f32]| {
                let left = Left { at: framed, rows: Places::Table(&rows), steps: Places::Table(&steps) };
                accumulate(&left, positions, &right, k, m, false);
                for (i, n) in (chunk.n0..chunk.n1).enumerate() {
                    for block in 0..g.o / B {
                        let from = &m[(block * positions + i * cut.strip * g.ow) * B..];
                        // SAFETY: the rows of a chunk's maps belong to one task.
                        unsafe {
                            let to = out.pointer().add((n * g.o + block * B) * map + chunk.r0 * g.ow);
                            from_lanes(from, (chunk.r1 - chunk.r0) * g.ow, map, to);
                        }
                    }
                }
            });
        });
    });
    y
}

/// [block][position][16] of `blocks` times sixteen planes of `plane` numbers.
fn transposed(planes: &[f32], blocks: usize, plane: usize) -> Lines<f32> {
    let mut lanes = Lines::unfilled(blocks * plane * B);
    let out = Shared::new(&mut lanes);
    pieces(blocks, 1, |block, _| {
        // SAFETY: one block per task.
        let to = unsafe { out.slice(block * plane * B, plane * B) };
        to_lanes(&planes[block * B * plane..][..B * plane], plane, 0, plane, to, |p| Some(p * B));
    });
    lanes
}

/// Taps of the kernel that meet input coordinates of residue b: u = a + stride·t, at output coordinate j + shift − t.
#[derive(Clone, Copy)]
struct Residue {
    a: usize,
    shift: usize,
    taps: usize,
}

impl Residue {
    fn new(b: usize, kernel: usize, g: &Geometry) -> Residue {
        let (s, p) = (g.conv.stride, g.conv.padding);
        let a = (b + p) % s;
        Residue { a, shift: (b + p) / s, taps: kernel.saturating_sub(a).div_ceil(s) }
    }
}

pub(super) fn input_gradient(dy: &[f32], weight: &[f32], g: &Geometry) -> Vec<f32> {
    let (s, p, blocks) = (g.conv.stride, g.conv.padding, g.c / B);
    // Coordinate s·j + b of the input is position j of residue b.
    let cut = Cut::new(g.r, g.h.div_ceil(s), g.w.div_ceil(s));
    let (back_y, back_x) = ((g.kh - 1) / s, (g.kw - 1) / s);
    let spread = p.div_ceil(s) - p / s;
    let frame = |r0: usize| Frame {
        h: g.oh,
        w: g.ow,
        top: (r0 + p / s) as isize - back_y as isize,
        left: (p / s) as isize - back_x as isize,
        height: cut.strip + spread + back_y,
        width: cut.columns + spread + back_x,
    };
    let (plane, width) = (frame(0).plane(), frame(0).width);
    let parts: Vec<Part> = (0..s * s)
        .map(|i| {
            let (y, x) = (Residue::new(i / s, g.kh, g), Residue::new(i % s, g.kw, g));
            let (dy, dx) = (y.shift - p / s, x.shift - p / s);
            let taps = y.taps * x.taps;
            Part {
                rows: cut.table(|n, r, c| n * g.o * plane + (r + dy) * width + c + dx),
                steps: (0..g.o * taps)
                    .map(|k| {
                        let (o, t) = (k / taps, k % taps);
                        o * plane + (back_y - t / x.taps) * width + back_x - t % x.taps
                    })
                    .collect(),
                right: part_of_weight(weight, g, y, x),
            }
        })
        .collect();
    let (positions, map) = (parts[0].rows.len(), g.h * g.w);
    let mut dx: Vec<f32> = unfilled(g.input());
    let out = Shared::new(&mut dx);
    cut.each(|chunk| {
        let lines = (s * chunk.r1).min(g.h) - s * chunk.r0;
        scratch(cut.n * g.o * plane, |framed: &mut [f32]| {
            for (n, framed) in (chunk.n0..chunk.n1).zip(framed.chunks_exact_mut(g.o * plane)) {
                frame(chunk.r0).copy(&dy[n * g.o * g.oh * g.ow..][..g.o * g.oh * g.ow], framed);
            }
            scratch(s * s * positions * g.c, |m: &mut [f32]| {
                for (part, m) in parts.iter().zip(m.chunks_exact_mut(positions * g.c)) {
                    let left = Left {
                        at: framed,
                        rows: Places::Table(&part.rows),
                        steps: Places::Table(&part.steps),
                    };
                    if part.steps.len() == 0 {
                        m.fill(0.0);
                    } else {
                        accumulate(&left, positions, &part.right, part.steps.len(), m, false);
                    }
                }
                scratch(lines * g.w * B, |strip: &mut [f32]| {
                    for (i, n) in (chunk.n0..chunk.n1).enumerate() {
                        for block in 0..blocks {
                            for (y, line) in strip.chunks_exact_mut(g.w * B).enumerate() {
                                let row = (i * cut.strip + y / s) * cut.columns;
                                for (x, to) in line.chunks_exact_mut(B).enumerate() {
                                    let part = y % s * s + x % s;
                                    let at = (part * blocks + block) * positions + row + x / s;
                                    to.copy_from_slice(&m[at * B..][..B]);
                                }
                            }
                            // SAFETY: the rows of a chunk's maps belong to one task.
                            unsafe {
                                let at = (n * g.c + block * B) * map + s * chunk.r0 * g.w;
                                from_lanes(strip, lines * g.w, map, out.pointer().add(at));
                            }
                        }
                    }
                });
            });
        });
    });
    dx
}

/// One residue of the input gradient.
struct Part {
    rows: Table,
    steps: Table,
    right: Lines<f32>,
}

/// [block of input channels][output channel, tap of the residue][16].
fn part_of_weight(weight: &[f32], g: &Geometry, y: Residue, x: Residue) -> Lines<f32> {
    let (area, taps, s) = (g.kh * g.kw, y.taps * x.taps, g.conv.stride);
    let mut right = Lines::unfilled(g.c * g.o * taps);
    let out = Shared::new(&mut right);
    pieces(g.c / B, 1, |block, _| {
        // SAFETY: one block per task.
        let to = unsafe { out.slice(block * g.o * taps * B, g.o * taps * B) };
        scratch(B * area + B, |planes: &mut [f32]| {
            for (o, to) in to.chunks_exact_mut((taps * B).max(1)).enumerate() {
                planes[..B * area].copy_from_slice(&weight[(o * g.c + block * B) * area..][..B * area]);
                to_lanes(planes, area, 0, area.next_multiple_of(B), to, |i| {
                    let (u, v) = (i / g.kw, i % g.kw);
                    let own = i < area && u % s == y.a && v % s == x.a;
                    own.then(|| (u / s * x.taps + v / s) * B)
                });
            }
        });
    });
    right
}

/// Padded inputs and transposed gradients of a span of images first, then a product over all their positions for some rows of
/// the result; spans that stay in the third cache are added one after another.
pub(super) fn weight_gradient(dy: &[f32], x: &[f32], g: &Geometry) -> Vec<f32> {
    let (k, map) = (g.k(), g.oh * g.ow);
    let frame = under(g, 0, g.oh);
    let (image, height) = (g.c * frame.plane(), k.next_multiple_of(ROWS));
    let span = ((3 << 20) / (image + g.o * map)).clamp(1, g.r);
    let steps: Table = (0..span * map)
        .map(|m| m / map * image + (m % map / g.ow * frame.width + m % g.ow) * g.conv.stride)
        .collect();
    let rows = under_kernel(g, &frame, height);
    let mut du = Lines::<f32>::unfilled(g.o * height);
    scratch(span * image, |framed: &mut [f32]| {
        scratch(span * map * g.o, |lanes: &mut [f32]| {
            for n0 in (0..g.r).step_by(span) {
                let images = span.min(g.r - n0);
                let positions = images * map;
                let (to_x, to_y) = (Shared::new(framed), Shared::new(lanes));
                each(images, |i| {
                    let n = n0 + i;
                    // SAFETY: one image per task, and its positions in every block.
                    unsafe {
                        frame
                            .copy(&x[n * g.c * g.h * g.w..][..g.c * g.h * g.w], to_x.slice(i * image, image));
                        for block in 0..g.o / B {
                            let to = to_y.slice((block * positions + i * map) * B, map * B);
                            let planes = &dy[(n * g.o + block * B) * map..][..B * map];
                            to_lanes(planes, map, 0, map, to, |p| Some(p * B));
                        }
                    }
                });
                let (framed, lanes) = (&*framed, &*lanes);
                let left = Left { at: framed, rows: Places::Table(&rows), steps: Places::Table(&steps) };
                let out = Shared::new(&mut du);
                pieces(g.o / B, BLOCKS, |b0, b1| {
                    // SAFETY: the blocks of a task are its own.
                    let du = unsafe { out.slice(b0 * height * B, (b1 - b0) * height * B) };
                    let right = &lanes[b0 * positions * B..][..(b1 - b0) * positions * B];
                    accumulate(&left, height, right, positions, du, n0 > 0);
                });
            }
        });
    });
    let mut dw: Vec<f32> = unfilled(g.weight());
    let out = Shared::new(&mut dw);
    pieces(g.o / B, 1, |block, _| {
        // SAFETY: one block per task.
        unsafe { from_lanes(&du[block * height * B..], k, k, out.pointer().add(block * B * k)) };
    });
    dw
}
