//! 3×3 convolution at stride 1 in f32 by Winograd's F(4×4, 3×3): 36 products in place of 144 for 16 outputs.
//!
//! Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A, summed over channels before the outer transform; the product over channels is a matrix product
//! for each of the 36 frequencies. The input gradient is the same convolution with the kernel turned by 180°; the weight
//! gradient is its adjoint, dg = Gᵀ[Σ (Bᵀ d B) ⊙ (A dY Aᵀ)]G. Lavin & Gray 2016, arXiv:1509.09308.
//!
//! All matrices are `[frequency][block of 16 channels][row][16]`, the lanes of a vector being channels; rows are tiles, or the
//! other operand's channels. Planes are transposed to that and back a block of channels at a time.

mod product;
mod transform;

use super::Geometry;
use crate::parallel::{Lines, Shared, each, fold_parts, pieces, scratch, unfilled};
use product::{Left, accumulate};
use transform::{Lanes, on_vectors};

/// Frequencies of a 6×6 tile.
const F: usize = 36;
/// Channels of a block.
const B: usize = 16;
/// Tiles whose transforms stay in the second cache while they are multiplied.
const TILES: usize = 64;

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
    let k = kernel(weight, g.o, g.c, |o, c, i| (o * g.c + c) * 9 + i);
    convolve(x, &k, &Grid::new((g.r, g.c, g.h, g.w), (g.o, g.oh, g.ow), g.conv.padding))
}

pub(super) fn input_gradient(dy: &[f32], weight: &[f32], g: &Geometry) -> Vec<f32> {
    let k = kernel(weight, g.c, g.o, |c, o, i| (o * g.c + c) * 9 + 8 - i);
    convolve(dy, &k, &Grid::new((g.r, g.o, g.oh, g.ow), (g.c, g.h, g.w), 2 - g.conv.padding))
}

/// A convolution cut into chunks of tiles.
struct Grid {
    r: usize,
    c: usize,
    h: usize,
    w: usize,
    o: usize,
    oh: usize,
    ow: usize,
    padding: usize,
    /// Columns and rows of tiles in a map.
    across: usize,
    down: usize,
    /// Images of a chunk, and rows of tiles of each: all of them where there are several images.
    images: usize,
    rows: usize,
}

/// Images `n0..n1`, rows of tiles `r0..r1`.
#[derive(Clone, Copy)]
struct Chunk {
    n0: usize,
    n1: usize,
    r0: usize,
    r1: usize,
}

/// Numbers from one frequency to the next: an odd number of cache lines, so that the 36 of a tile fall into different sets.
fn frequency(rows: usize, channels: usize) -> usize {
    ((rows * channels / B) | 1) * B
}

impl Grid {
    fn new(
        (r, c, h, w): (usize, usize, usize, usize),
        (o, oh, ow): (usize, usize, usize),
        padding: usize,
    ) -> Grid {
        let (across, down) = (ow.div_ceil(4), oh.div_ceil(4));
        let images = (TILES / (across * down)).max(1);
        let rows = if images > 1 { down } else { (TILES / across).clamp(1, down) };
        Grid { r, c, h, w, o, oh, ow, padding, across, down, images, rows }
    }

    fn chunks(&self) -> usize {
        self.r.div_ceil(self.images) * self.down.div_ceil(self.rows)
    }

    fn chunk(&self, i: usize) -> Chunk {
        let strips = self.down.div_ceil(self.rows);
        let (n0, r0) = (i / strips * self.images, i % strips * self.rows);
        Chunk { n0, n1: (n0 + self.images).min(self.r), r0, r1: (r0 + self.rows).min(self.down) }
    }

    fn tiles(&self, chunk: &Chunk) -> usize {
        (chunk.n1 - chunk.n0) * (chunk.r1 - chunk.r0) * self.across
    }

    /// Tiles before this chunk.
    fn before(&self, i: usize) -> usize {
        let chunk = self.chunk(i);
        chunk.n0 * self.down * self.across + (chunk.n1 - chunk.n0) * chunk.r0 * self.across
    }
}

/// U[f][block of `outer`][inner][16] = G g Gᵀ with g[i] = weight[at(outer, inner, i)].
fn kernel(
    weight: &[f32],
    outer: usize,
    inner: usize,
    at: impl Fn(usize, usize, usize) -> usize + Sync,
) -> Lines<f32> {
    let stride = frequency(inner, outer);
    let mut u = Lines::<f32>::unfilled(F * stride);
    let out = Shared::new(&mut u);
    let cells = outer / B * inner;
    pieces(cells, 64, |start, end| {
        on_vectors!(V => for cell in start..end {
            let (block, row) = (cell / inner, cell % inner);
            let mut g = [Lanes::ZERO; 9];
            for lane in 0..B {
                for (i, g) in g.iter_mut().enumerate() {
                    g.0[lane] = weight[at(block * B + lane, row, i)];
                }
            }
            // SAFETY: one row of one block per cell, in each of the frequencies.
            unsafe {
                let to = out.pointer().add(cell * B);
                transform::kernel::<V>(g.as_ptr().cast(), (3 * B, B), to, (6 * stride, stride));
            }
        });
    });
    u
}

fn convolve(x: &[f32], kernel: &[f32], grid: &Grid) -> Vec<f32> {
    let mut y = unfilled(grid.r * grid.o * grid.oh * grid.ow);
    let out = Shared::new(&mut y);
    each(grid.chunks(), |i| {
        let chunk = grid.chunk(i);
        let tiles = grid.tiles(&chunk);
        let rows = tiles.next_multiple_of(product::ROWS);
        let (sv, sm, sk) = (frequency(rows, grid.c), frequency(rows, grid.o), frequency(grid.c, grid.o));
        scratch(F * sv, |v: &mut [f32]| {
            scratch(F * sm, |m: &mut [f32]| {
                let shared = Shared::new(v);
                gather(x, grid, &chunk, &shared, rows, 0);
                for f in 0..F {
                    let left = Left { at: &v[f * sv..][..rows * grid.c], block: rows * B, row: B, step: 1 };
                    let right = &kernel[f * sk..][..grid.c * grid.o];
                    accumulate(&left, rows, right, grid.c, &mut m[f * sm..][..rows * grid.o], false);
                }
                scatter(m, rows, grid, &chunk, &out);
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
                transform::to_lanes(x, plane, first * grid.w, last.max(first) * grid.w, strip, place);
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

/// y = Aᵀ m A of a chunk's tiles.
fn scatter(m: &[f32], rows: usize, grid: &Grid, chunk: &Chunk, out: &Shared<f32>) {
    let (plane, blocks) = (grid.oh * grid.ow, grid.o / B);
    let top = 4 * chunk.r0;
    let height = (4 * chunk.r1).min(grid.oh) - top;
    let (width, stride) = (4 * grid.across, frequency(rows, grid.o));
    scratch(4 * (chunk.r1 - chunk.r0) * width * B, |strip: &mut [f32]| {
        for n in chunk.n0..chunk.n1 {
            let first = (n - chunk.n0) * (chunk.r1 - chunk.r0) * grid.across;
            for block in 0..blocks {
                on_vectors!(V => {
                    let mut row = first;
                    for ty in 0..chunk.r1 - chunk.r0 {
                        for tx in 0..grid.across {
                            // SAFETY: inside m; whole tiles inside the strip.
                            unsafe {
                                let from = m.as_ptr().add((block * rows + row) * B);
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
                    unsafe { transform::from_lanes(strip, height * width, plane, out.pointer().add(start)) };
                } else {
                    for y in 0..height {
                        // SAFETY: as above.
                        unsafe {
                            let to = out.pointer().add(start + y * grid.ow);
                            transform::from_lanes(&strip[y * width * B..], grid.ow, plane, to);
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
                transform::to_lanes(dy, plane, top * grid.ow, last * grid.ow, strip, place);
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
                        let left = Left { at: &v[f * sv..][..rows * grid.c], block: B * B, row: 1, step: B };
                        let right = &dm[f * sm..][..rows * grid.o];
                        tall(&left, grid.c, rows, right, &mut du[f * su..][..square], i > group * per);
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
                let left = Left { at: &v[f * sv..][..rows * grid.c], block: B * B, row: 1, step: B };
                // SAFETY: one frequency per task.
                let du = unsafe { out.slice(f * su, square) };
                tall(&left, grid.c, rows, &dm[f * sm..][..rows * grid.o], du, start > 0);
            });
        });
    }
    let mut dw = unfilled(square * 9);
    let out = Shared::new(&mut dw);
    each(grid.o / B, |block| fold(&du, grid, block, &out));
    dw
}

/// du[block of o][c][16] (+)= Σ over tiles of v[block of c][tile][c] · dm[block of o][tile][16].
fn tall(v: &Left, c: usize, tiles: usize, dm: &[f32], du: &mut [f32], add: bool) {
    for block in 0..c / B {
        let left = Left { at: &v.at[block * tiles * B..][..tiles * B], ..*v };
        product::accumulate_part(&left, B, dm, tiles, du, c, block * B, add);
    }
}

/// dw of one block of output channels = Gᵀ dU G.
fn fold(du: &[f32], grid: &Grid, block: usize, dw: &Shared<f32>) {
    let stride = frequency(grid.c, grid.o);
    assert!(du.len() >= (F - 1) * stride + grid.c * grid.o);
    // SAFETY: the output channels of one block.
    let dw = unsafe { dw.slice(block * B * grid.c * 9, B * grid.c * 9) };
    on_vectors!(V => for c in 0..grid.c {
        let mut g = [Lanes::ZERO; 9];
        // SAFETY: inside du.
        unsafe {
            let from = du.as_ptr().add((block * grid.c + c) * B);
            transform::kernel_gradient::<V>(from, (6 * stride, stride), g.as_mut_ptr().cast(), (3 * B, B));
        }
        for lane in 0..B {
            for (i, g) in g.iter().enumerate() {
                dw[(lane * grid.c + c) * 9 + i] = g.0[lane];
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Conv;
    use crate::simd::NARROW;
    use tallow_seed::Seed;

    /// The vectors of any machine agree with AVX-512's, and both with f64, to 1e-5 of the norm (F(4×4)'s own error is about 1e-6).
    #[test]
    fn narrow_and_wide() {
        let conv = Conv { stride: 1, padding: 1, dilation: 1, groups: 1 };
        for (c, o) in [(16, 48), (96, 112)] {
            let g = Geometry { r: 3, c, h: 9, w: 19, o, kh: 3, kw: 3, oh: 9, ow: 19, conv };
            assert!(fits(&g));
            let mut rng = Seed::new(5).rng();
            let mut numbers = |n: usize| -> Vec<f64> { (0..n).map(|_| rng.normal()).collect() };
            let (x, w, dy) = (numbers(g.input()), numbers(g.weight()), numbers(g.output()));
            use super::super::im2col;
            let exact = [
                im2col::forward(&x, &w, &g),
                im2col::input_gradient(&dy, &w, &g),
                im2col::weight_gradient(&dy, &x, &g),
            ];
            let [x, w, dy] = [x, w, dy].map(|x| x.into_iter().map(|x| x as f32).collect::<Vec<_>>());
            for narrow in [true, false] {
                // One thread, so that the switch of this thread holds for all of the work.
                let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
                NARROW.set(narrow);
                let work =
                    || [forward(&x, &w, &g), input_gradient(&dy, &w, &g), weight_gradient(&dy, &x, &g)];
                let got = pool.map_or_else(|_| work(), |pool| pool.install(work));
                NARROW.set(false);
                for (part, (got, exact)) in got.iter().zip(&exact).enumerate() {
                    let square: f64 = exact.iter().map(|x| x * x).sum();
                    let error: f64 = got.iter().zip(exact).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
                    let error = (error / square).sqrt();
                    assert!(error < 1e-5, "{c}→{o}, narrow {narrow}, part {part}: {error:e}");
                }
            }
        }
    }
}
