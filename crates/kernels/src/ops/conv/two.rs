//! 3×3 convolution of 2×2 maps with padding 1, in f32: nine products in place of sixteen (or 36, counting those with the zeros).
//!
//! Along one axis y₀ = g₁x₀ + g₂x₁ and y₁ = g₀x₀ + g₁x₁, which is y₀ = m₀ + m₁, y₁ = m₀ + m₂ with m₀ = g₁(x₀ + x₁),
//! m₁ = (g₂ − g₁)x₁, m₂ = (g₀ − g₁)x₀: three products of sums; along both axes, nine. Gradients are the adjoints. Winograd 1980,
//! Arithmetic Complexity of Computations.
//!
//! All matrices are `[product][block of 16 channels][row][16]`; rows are images, or the other operand's channels.

use super::Geometry;
use super::lanes::{B, Lanes, Vector, frequency};
use super::product::{BLOCKS, Left, Places, ROWS, accumulate};
use super::taps::{self, CELL, Lane, Taps};
use crate::cpu::parallel::{Lines, Shared, pieces, scratch, unfilled};
use crate::cpu::simd::vectorized;

const F: usize = 9;

pub(super) fn fits(g: &Geometry) -> bool {
    let conv = &g.conv;
    (g.kh, g.kw, g.h, g.w) == (3, 3, 2, 2)
        && (conv.stride, conv.padding, conv.dilation, conv.groups) == (1, 1, 1, 1)
        && g.c.is_multiple_of(B)
        && g.o.is_multiple_of(B)
}

pub(super) fn forward(x: &[f32], weight: &[f32], g: &Geometry) -> Vec<f32> {
    convolve(x, &Taps { weight, o: g.o, c: g.c, lane: Lane::Output }, g.r)
}

pub(super) fn input_gradient(dy: &[f32], weight: &[f32], g: &Geometry) -> Vec<f32> {
    convolve(dy, &Taps { weight, o: g.o, c: g.c, lane: Lane::InputTurned }, g.r)
}

fn convolve(x: &[f32], taps: &Taps, r: usize) -> Vec<f32> {
    let (o, c) = taps.sizes();
    let rows = r.next_multiple_of(ROWS);
    let (v, sv) = (transformed(x, r, c, rows, sums), frequency(rows, c));
    let mut y = unfilled(r * o * 4);
    let out = Shared::new(&mut y);
    pieces(o / B, BLOCKS, |b0, b1| {
        let (su, sm) = (frequency(c, (b1 - b0) * B), frequency(rows, (b1 - b0) * B));
        scratch(F * su, |u: &mut [f32]| {
            scratch(CELL, |cell: &mut [f32]| {
                for (block, group) in (b0..b1).flat_map(|block| (0..c / B).map(move |group| (block, group))) {
                    taps.read(block, group, cell);
                    vectorized(
                        #[inline(always)]
                        || {
                            for (row, g) in (group * B..).zip(cell.chunks_exact(9 * B)) {
                                let g: [Lanes; 9] = std::array::from_fn(|t| lanes(&g[t * B..]));
                                let products: [Lanes; F] = both(&g, 3, 3, kernel);
                                for (f, x) in products.iter().enumerate() {
                                    u[f * su + ((block - b0) * c + row) * B..][..B].copy_from_slice(&x.0);
                                }
                            }
                        },
                    );
                }
            });
            scratch(F * sm, |m: &mut [f32]| {
                let size = (b1 - b0) * B;
                for f in 0..F {
                    let left = Left {
                        at: &v[f * sv..][..rows * c],
                        rows: Places::Every(B),
                        steps: Places::Blocks(rows * B, 1),
                    };
                    accumulate(
                        &left,
                        rows,
                        &u[f * su..][..size * c],
                        c,
                        &mut m[f * sm..][..rows * size],
                        false,
                    );
                }
                vectorized(
                    #[inline(always)]
                    || {
                        for n in 0..r {
                            for block in b0..b1 {
                                let m: [Lanes; F] = std::array::from_fn(|f| {
                                    lanes(&m[f * sm + ((block - b0) * rows + n) * B..])
                                });
                                let y: [Lanes; 4] = both(&m, 3, 2, outputs);
                                // SAFETY: the maps of one block of channels belong to one task.
                                let out = unsafe { out.slice((n * o + block * B) * 4, 4 * B) };
                                for lane in 0..B {
                                    (0..4).for_each(|p| out[lane * 4 + p] = y[p].0[lane]);
                                }
                            }
                        }
                    },
                );
            });
        });
    });
    y
}

pub(super) fn weight_gradient(dy: &[f32], x: &[f32], g: &Geometry) -> Vec<f32> {
    let (r, c, o) = (g.r, g.c, g.o);
    let (sv, sm) = (frequency(r, c), frequency(r, o));
    let (v, dm) = (transformed(x, r, c, r, sums), transformed(dy, r, o, r, outputs_transposed));
    let mut dw = unfilled(o * c * 9);
    let out = Shared::new(&mut dw);
    pieces(o / B, BLOCKS, |b0, b1| {
        let size = (b1 - b0) * B;
        let su = frequency(c, size);
        scratch(F * su, |du: &mut [f32]| {
            for f in 0..F {
                let right = &dm[f * sm + b0 * r * B..][..size * r];
                let left = Left {
                    at: &v[f * sv..][..r * c],
                    rows: Places::Blocks(r * B, 1),
                    steps: Places::Every(B),
                };
                accumulate(&left, c, right, r, &mut du[f * su..][..size * c], false);
            }
            scratch(CELL, |cell: &mut [f32]| {
                for (block, group) in (b0..b1).flat_map(|block| (0..c / B).map(move |group| (block, group))) {
                    vectorized(
                        #[inline(always)]
                        || {
                            for (row, g) in (group * B..).zip(cell.chunks_exact_mut(9 * B)) {
                                let du: [Lanes; F] = std::array::from_fn(|f| {
                                    lanes(&du[f * su + ((block - b0) * c + row) * B..])
                                });
                                let taps: [Lanes; 9] = both(&du, 3, 3, kernel_transposed);
                                g.chunks_exact_mut(B)
                                    .zip(&taps)
                                    .for_each(|(g, tap)| g.copy_from_slice(&tap.0));
                            }
                        },
                    );
                    // SAFETY: the blocks of a task are its own.
                    unsafe { taps::write(&out, c, block, group, cell) };
                }
            });
        });
    });
    dw
}

/// The nine numbers that `f` makes of every 2×2 map of `x` (r, channels, 2, 2), as matrices of `rows` rows.
fn transformed(
    x: &[f32],
    r: usize,
    channels: usize,
    rows: usize,
    f: impl Fn([Lanes; 3]) -> [Lanes; 3] + Sync + Send + Copy,
) -> Lines<f32> {
    let stride = frequency(rows, channels);
    let mut v = Lines::unfilled(F * stride);
    let out = Shared::new(&mut v);
    pieces(channels / B, 1, |block, _| {
        vectorized(
            #[inline(always)]
            || {
                for n in 0..rows {
                    let mut d = [Lanes::ZERO; 4];
                    if n < r {
                        let x = &x[(n * channels + block * B) * 4..][..4 * B];
                        for lane in 0..B {
                            (0..4).for_each(|p| d[p].0[lane] = x[lane * 4 + p]);
                        }
                    }
                    let v: [Lanes; F] = both(&d, 2, 3, f);
                    for (i, v) in v.into_iter().enumerate() {
                        // SAFETY: one block of channels per task.
                        let to = unsafe { out.slice(i * stride + (block * rows + n) * B, B) };
                        to.copy_from_slice(&v.0);
                    }
                }
            },
        )
    });
    v
}

#[inline(always)]
fn lanes(from: &[f32]) -> Lanes {
    Lanes(from[..B].try_into().expect("sixteen"))
}

/// `f` along both axes of an n×n square, which becomes m×m; shorter lines end in zeros that `f` ignores.
#[inline(always)]
fn both<const OUT: usize>(
    x: &[Lanes],
    n: usize,
    m: usize,
    f: impl Fn([Lanes; 3]) -> [Lanes; 3],
) -> [Lanes; OUT] {
    let mut half = [Lanes::ZERO; 9]; // m × n
    for j in 0..n {
        let line = f(std::array::from_fn(|i| if i < n { x[i * n + j] } else { Lanes::ZERO }));
        (0..m).for_each(|i| half[i * n + j] = line[i]);
    }
    let mut out = [Lanes::ZERO; OUT];
    for i in 0..m {
        let line = f(std::array::from_fn(|j| if j < n { half[i * n + j] } else { Lanes::ZERO }));
        (0..m).for_each(|j| out[i * m + j] = line[j]);
    }
    out
}

#[inline(always)]
fn sums([x0, x1, _]: [Lanes; 3]) -> [Lanes; 3] {
    [x0.plus(x1), x1, x0]
}

#[inline(always)]
fn kernel([g0, g1, g2]: [Lanes; 3]) -> [Lanes; 3] {
    [g1, g2.minus(g1), g0.minus(g1)]
}

#[inline(always)]
fn kernel_transposed([u0, u1, u2]: [Lanes; 3]) -> [Lanes; 3] {
    [u2, u0.minus(u1).minus(u2), u1]
}

#[inline(always)]
fn outputs([m0, m1, m2]: [Lanes; 3]) -> [Lanes; 3] {
    [m0.plus(m1), m0.plus(m2), Lanes::ZERO]
}

#[inline(always)]
fn outputs_transposed([y0, y1, _]: [Lanes; 3]) -> [Lanes; 3] {
    [y0.plus(y1), y0, y1]
}
