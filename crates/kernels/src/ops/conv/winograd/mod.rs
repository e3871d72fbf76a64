//! 3×3 convolution at stride 1 in f32 by Winograd's F(4×4, 3×3): 36 products in place of 144 for 16 outputs.
//!
//! Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A, summed over channels before the outer transform; the product over channels is a matrix product
//! for each of the 36 frequencies. The input gradient is the same convolution with the kernel turned by 180°; the weight
//! gradient is its adjoint, dg = Gᵀ[Σ (Bᵀ d B) ⊙ (A dY Aᵀ)]G. Lavin & Gray 2016, arXiv:1509.09308.
//!
//! All matrices are `[frequency][block of 16 channels][row][16]`, the lanes of a vector being channels; rows are tiles, or the
//! other operand's channels. Planes are transposed to that and back a block of channels at a time.

mod grid;
mod transform;

use super::lanes::{B, frequency, from_lanes, on_vectors, to_lanes};
use super::product::{self, BLOCKS, Left, Places, accumulate};
use super::taps::{self, CELL, Lane, Taps};
use super::{Chunk, Geometry};
use crate::cpu::parallel::{Lines, Shared, each, fold_parts, pieces, scratch, unfilled};
use grid::Grid;
use std::ops::Range;

/// Frequencies of a 6×6 tile.
const F: usize = 36;
/// Tiles of a batch whose transforms all stay in the third cache.
const FEW: usize = 512;

/// Whether this convolution is worth it: maps that fill tiles, channels that fill vectors.
pub(super) fn fits(g: &Geometry) -> bool {
    let conv = &g.conv;
    g.kh == 3
        && g.kw == 3
        && (conv.stride, conv.dilation, conv.groups) == (1, 1, 1)
        && conv.padding <= 2
        && g.c.is_multiple_of(B)
        && g.o.is_multiple_of(B)
        && g.oh.min(g.ow) > 2
}

pub(super) fn forward(x: &[f32], weight: &[f32], g: &Geometry) -> Vec<f32> {
    let taps = Taps { weight, o: g.o, c: g.c, lane: Lane::Output };
    convolve(x, &taps, &Grid::new((g.r, g.c, g.h, g.w), (g.o, g.oh, g.ow), g.conv.padding))
}

pub(super) fn input_gradient(dy: &[f32], weight: &[f32], g: &Geometry) -> Vec<f32> {
    let taps = Taps { weight, o: g.o, c: g.c, lane: Lane::InputTurned };
    convolve(dy, &taps, &Grid::new((g.r, g.o, g.oh, g.ow), (g.c, g.h, g.w), 2 - g.conv.padding))
}

fn convolve(x: &[f32], taps: &Taps, grid: &Grid) -> Vec<f32> {
    if grid.r * grid.across * grid.down < FEW { by_output(x, taps, grid) } else { by_chunk(x, taps, grid) }
}

/// U[f][block of lanes][row][16] = G g Gᵀ.
fn kernel(taps: &Taps) -> Lines<f32> {
    let (outer, inner) = taps.sizes();
    let stride = frequency(inner, outer);
    let mut u = Lines::<f32>::unfilled(F * stride);
    let out = Shared::new(&mut u);
    let groups = inner / B;
    pieces(outer / B * groups, 4, |start, end| {
        for cell in start..end {
            let (block, group) = (cell / groups, cell % groups);
            // SAFETY: sixteen rows of one block per cell, in each of the frequencies.
            unsafe { transform_kernel(taps, block, group, out.pointer(), block * inner, stride) };
        }
    });
    u
}

/// The sixteen rows of one cell of a kernel, the first of its block at row `first`.
///
/// # Safety
/// `u` is valid for writes of those rows in all frequencies, `stride` apart.
unsafe fn transform_kernel(
    taps: &Taps,
    block: usize,
    group: usize,
    u: *mut f32,
    first: usize,
    stride: usize,
) {
    scratch(CELL, |cell: &mut [f32]| {
        taps.read(block, group, cell);
        on_vectors!(V => for (row, g) in (group * B..).zip(cell.chunks_exact(9 * B)) {
            // SAFETY: by contract.
            unsafe {
                let to = u.add((first + row) * B);
                transform::kernel::<V>(g.as_ptr(), (3 * B, B), to, (6 * stride, stride));
            }
        });
    });
}

/// Many tiles: the kernel's transform first, then a chunk of tiles after the other.
fn by_chunk(x: &[f32], taps: &Taps, grid: &Grid) -> Vec<f32> {
    let kernel = kernel(taps);
    let mut y = unfilled(grid.r * grid.o * grid.oh * grid.ow);
    let out = Shared::new(&mut y);
    each(grid.chunks(), |i| {
        let chunk = grid.chunk(i);
        let rows = grid.tiles(&chunk).next_multiple_of(product::ROWS);
        let (sv, sm, sk) = (frequency(rows, grid.c), frequency(rows, grid.o), frequency(grid.c, grid.o));
        scratch(F * sv, |v: &mut [f32]| {
            scratch(F * sm, |m: &mut [f32]| {
                let shared = Shared::new(v);
                gather(x, grid, &chunk, &shared, rows, 0);
                for f in 0..F {
                    let left = Left {
                        at: &v[f * sv..][..rows * grid.c],
                        rows: Places::Every(B),
                        steps: Places::Blocks(rows * B, 1),
                    };
                    let right = &kernel[f * sk..][..grid.c * grid.o];
                    accumulate(&left, rows, right, grid.c, &mut m[f * sm..][..rows * grid.o], false);
                }
                scatter(m, rows, grid, &chunk, 0, 0..grid.o / B, &out);
            });
        });
    });
    y
}

/// Few tiles: all their transforms first, then a few output channels after the others, whose part of the kernel is
/// transformed where it is used and never goes to memory.
fn by_output(x: &[f32], taps: &Taps, grid: &Grid) -> Vec<f32> {
    let tiles = grid.r * grid.down * grid.across;
    let rows = tiles.next_multiple_of(product::ROWS);
    let sv = frequency(rows, grid.c);
    let mut v = Lines::unfilled(F * sv);
    let shared = Shared::new(&mut v);
    each(grid.chunks(), |i| gather(x, grid, &grid.chunk(i), &shared, rows, grid.before(i)));
    // The product takes whole strips of rows: of what no tile is in, numbers that nobody reads.
    for f in 0..F {
        let groups = v[f * sv..][..rows * grid.c].chunks_exact_mut(rows * B);
        groups.for_each(|group| group[tiles * B..].fill(0.0));
    }
    let mut y = unfilled(grid.r * grid.o * grid.oh * grid.ow);
    let out = Shared::new(&mut y);
    pieces(grid.o / B, BLOCKS, |b0, b1| {
        let size = (b1 - b0) * B;
        let (su, sm) = (frequency(grid.c, size), frequency(rows, size));
        scratch(F * su, |u: &mut [f32]| {
            let shared = Shared::new(u);
            for block in b0..b1 {
                for group in 0..grid.c / B {
                    // SAFETY: memory of this task alone.
                    unsafe {
                        transform_kernel(taps, block, group, shared.pointer(), (block - b0) * grid.c, su)
                    };
                }
            }
            scratch(F * sm, |m: &mut [f32]| {
                for f in 0..F {
                    let left = Left {
                        at: &v[f * sv..][..rows * grid.c],
                        rows: Places::Every(B),
                        steps: Places::Blocks(rows * B, 1),
                    };
                    let right = &u[f * su..][..grid.c * size];
                    accumulate(&left, rows, right, grid.c, &mut m[f * sm..][..rows * size], false);
                }
                for i in 0..grid.chunks() {
                    scatter(m, rows, grid, &grid.chunk(i), grid.before(i), b0..b1, &out);
                }
            });
        });
    });
    y
}

/// V = Bᵀ d B of a chunk's tiles, from row `offset` on of matrices of `rows` rows.
fn gather(x: &[f32], grid: &Grid, chunk: &Chunk, v: &Shared<f32>, rows: usize, offset: usize) {
    let (height, width) = (4 * (chunk.r1 - chunk.r0) + 2, 4 * grid.across + 2);
    let (plane, blocks, stride) = (grid.h * grid.w, grid.c / B, frequency(rows, grid.c));
    // Input rows of the strip, its first at padded row 4·r0.
    let top = 4 * chunk.r0;
    let (first, last) =
        (top.saturating_sub(grid.padding), (top + height).saturating_sub(grid.padding).min(grid.h));
    let (columns, left) = (grid.w.min(width.saturating_sub(grid.padding)), grid.padding);
    scratch(height * width * B, |strip: &mut [f32]| {
        strip.fill(0.0);
        let mut row = offset;
        for n in chunk.n0..chunk.n1 {
            for block in 0..blocks {
                let x = &x[(n * grid.c + block * B) * plane..][..B * plane];
                let place = |p: usize| {
                    let (y, x) = (p / grid.w + grid.padding - top, p % grid.w);
                    (x < columns).then(|| (y * width + x + left) * B)
                };
                to_lanes(x, plane, first * grid.w, last.max(first) * grid.w, strip, place);
                on_vectors!(V => {
                    let mut row = row;
                    for ty in 0..chunk.r1 - chunk.r0 {
                        for tx in 0..grid.across {
                            // SAFETY: inside the strip; the rows of a chunk, in all frequencies, belong to one task.
                            unsafe {
                                let from = strip.as_ptr().add((ty * 4 * width + tx * 4) * B);
                                let to = v.pointer().add((block * rows + row) * B);
                                transform::input::<V>(from, (width * B, B), to, (6 * stride, stride));
                            }
                            row += 1;
                        }
                    }
                });
            }
            row += (chunk.r1 - chunk.r0) * grid.across;
        }
    });
}

/// y = Aᵀ m A of a chunk's tiles, from row `offset` on, in some blocks of output channels: all that `m` holds.
fn scatter(
    m: &[f32],
    rows: usize,
    grid: &Grid,
    chunk: &Chunk,
    offset: usize,
    blocks: Range<usize>,
    out: &Shared<f32>,
) {
    let plane = grid.oh * grid.ow;
    let top = 4 * chunk.r0;
    let height = (4 * chunk.r1).min(grid.oh) - top;
    let (width, stride) = (4 * grid.across, frequency(rows, blocks.len() * B));
    scratch(4 * (chunk.r1 - chunk.r0) * width * B, |strip: &mut [f32]| {
        for n in chunk.n0..chunk.n1 {
            let first = offset + (n - chunk.n0) * (chunk.r1 - chunk.r0) * grid.across;
            for (i, block) in blocks.clone().enumerate() {
                on_vectors!(V => {
                    let mut row = first;
                    for ty in 0..chunk.r1 - chunk.r0 {
                        for tx in 0..grid.across {
                            // SAFETY: inside m; whole tiles inside the strip.
                            unsafe {
                                let from = m.as_ptr().add((i * rows + row) * B);
                                let to = strip.as_mut_ptr().add((4 * ty * width + 4 * tx) * B);
                                transform::output::<V>(from, (6 * stride, stride), to, (width * B, B));
                            }
                            row += 1;
                        }
                    }
                });
                let start = (n * grid.o + block * B) * plane + top * grid.ow;
                if width == grid.ow {
                    // SAFETY: the strips of a chunk, in all its channels, belong to one task.
                    unsafe { from_lanes(strip, height * width, plane, out.pointer().add(start)) };
                } else {
                    for y in 0..height {
                        // SAFETY: as above.
                        unsafe {
                            let to = out.pointer().add(start + y * grid.ow);
                            from_lanes(&strip[y * width * B..], grid.ow, plane, to);
                        }
                    }
                }
            }
        }
    });
}

/// dM = A dY Aᵀ of a chunk's tiles: the grid of the forward convolution.
fn spread(dy: &[f32], grid: &Grid, chunk: &Chunk, dm: &Shared<f32>, rows: usize, offset: usize) {
    let (plane, blocks, stride) = (grid.oh * grid.ow, grid.o / B, frequency(rows, grid.o));
    let (height, width) = (4 * (chunk.r1 - chunk.r0), 4 * grid.across);
    let top = 4 * chunk.r0;
    let last = (top + height).min(grid.oh);
    scratch(height * width * B, |strip: &mut [f32]| {
        strip.fill(0.0);
        let mut row = offset;
        for n in chunk.n0..chunk.n1 {
            for block in 0..blocks {
                let dy = &dy[(n * grid.o + block * B) * plane..][..B * plane];
                let place = |p: usize| Some(((p / grid.ow - top) * width + p % grid.ow) * B);
                to_lanes(dy, plane, top * grid.ow, last * grid.ow, strip, place);
                on_vectors!(V => {
                    let mut row = row;
                    for ty in 0..chunk.r1 - chunk.r0 {
                        for tx in 0..grid.across {
                            // SAFETY: inside the strip; the rows of a chunk, in all frequencies, belong to one task.
                            unsafe {
                                let from = strip.as_ptr().add((ty * 4 * width + tx * 4) * B);
                                let to = dm.pointer().add((block * rows + row) * B);
                                transform::gradient::<V>(from, (width * B, B), to, (6 * stride, stride));
                            }
                            row += 1;
                        }
                    }
                });
            }
            row += (chunk.r1 - chunk.r0) * grid.across;
        }
    });
}

/// How the batch is cut depends on the sizes alone.
pub(super) fn weight_gradient(dy: &[f32], x: &[f32], g: &Geometry) -> Vec<f32> {
    let grid = Grid::new((g.r, g.c, g.h, g.w), (g.o, g.oh, g.ow), g.conv.padding);
    if g.c * g.o <= 64 * 128 { by_group(dy, x, &grid) } else { by_frequency(dy, x, &grid) }
}

/// Small kernels: groups of chunks, each with its own 36 sums, which stay in the second cache.
fn by_group(dy: &[f32], x: &[f32], grid: &Grid) -> Vec<f32> {
    let chunks = grid.chunks();
    let per = chunks.div_ceil(16);
    let groups = chunks.div_ceil(per);
    let (size, square, su) = (grid.o * grid.c * 9, grid.o * grid.c, frequency(grid.c, grid.o));
    let mut parts = unfilled(groups * size);
    let out = Shared::new(&mut parts);
    each(groups, |group| {
        scratch(F * su, |du: &mut [f32]| {
            for i in group * per..((group + 1) * per).min(chunks) {
                let chunk = grid.chunk(i);
                let rows = grid.tiles(&chunk);
                let (sv, sm) = (frequency(rows, grid.c), frequency(rows, grid.o));
                scratch(F * (sv + sm), |both: &mut [f32]| {
                    let (v, dm) = both.split_at_mut(F * sv);
                    gather(x, grid, &chunk, &Shared::new(v), rows, 0);
                    spread(dy, grid, &chunk, &Shared::new(dm), rows, 0);
                    for f in 0..F {
                        let (v, dm) = (&v[f * sv..][..rows * grid.c], &dm[f * sm..][..rows * grid.o]);
                        tall(v, grid.c, rows, dm, &mut du[f * su..][..square], i > group * per);
                    }
                });
            }
            // SAFETY: one part per group.
            let part = Shared::new(unsafe { out.slice(group * size, size) });
            (0..grid.o / B).for_each(|block| fold(du, grid, block, &part));
        });
    });
    fold_parts(parts, groups, size)
}

/// Large kernels: all transforms of a span of chunks first, then each frequency's product.
fn by_frequency(dy: &[f32], x: &[f32], grid: &Grid) -> Vec<f32> {
    let (chunks, square, su) = (grid.chunks(), grid.o * grid.c, frequency(grid.c, grid.o));
    let most = grid.tiles(&grid.chunk(0)).max(1);
    let span = ((3 << 20) / (F * (grid.c + grid.o) * most)).max(1);
    let mut du = Lines::<f32>::unfilled(F * su);
    for start in (0..chunks).step_by(span) {
        let end = (start + span).min(chunks);
        let base = grid.before(start);
        let rows = if end == chunks { grid.r * grid.down * grid.across } else { grid.before(end) } - base;
        let (sv, sm) = (frequency(rows, grid.c), frequency(rows, grid.o));
        scratch(F * (sv + sm), |both: &mut [f32]| {
            let (v, dm) = both.split_at_mut(F * sv);
            {
                let (v, dm) = (Shared::new(v), Shared::new(dm));
                each(end - start, |i| {
                    let (chunk, offset) = (grid.chunk(start + i), grid.before(start + i) - base);
                    gather(x, grid, &chunk, &v, rows, offset);
                    spread(dy, grid, &chunk, &dm, rows, offset);
                });
            }
            let (v, dm, out) = (&*v, &*dm, Shared::new(&mut du));
            each(F, |f| {
                // SAFETY: one frequency per task.
                let du = unsafe { out.slice(f * su, square) };
                tall(
                    &v[f * sv..][..rows * grid.c],
                    grid.c,
                    rows,
                    &dm[f * sm..][..rows * grid.o],
                    du,
                    start > 0,
                );
            });
        });
    }
    let mut dw = unfilled(square * 9);
    let out = Shared::new(&mut dw);
    each(grid.o / B, |block| fold(&du, grid, block, &out));
    dw
}

/// du[block of o][c][16] (+)= Σ over tiles of v[block of c][tile][c] · dm[block of o][tile][16].
fn tall(v: &[f32], c: usize, tiles: usize, dm: &[f32], du: &mut [f32], add: bool) {
    let left = Left { at: v, rows: Places::Blocks(tiles * B, 1), steps: Places::Every(B) };
    accumulate(&left, c, dm, tiles, du, add);
}

/// dw of one block of output channels = Gᵀ dU G; the block belongs to the calling task.
fn fold(du: &[f32], grid: &Grid, block: usize, dw: &Shared<f32>) {
    let stride = frequency(grid.c, grid.o);
    assert!(du.len() >= (F - 1) * stride + grid.c * grid.o);
    scratch(CELL, |cell: &mut [f32]| {
        for group in 0..grid.c / B {
            on_vectors!(V => for (c, g) in (group * B..).zip(cell.chunks_exact_mut(9 * B)) {
                // SAFETY: inside du.
                unsafe {
                    let from = du.as_ptr().add((block * grid.c + c) * B);
                    transform::kernel_gradient::<V>(from, (6 * stride, stride), g.as_mut_ptr(), (3 * B, B));
                }
            });
            // SAFETY: one block per task.
            unsafe { taps::write(dw, grid.c, block, group, cell) };
        }
    });
}
