//! Depthwise convolution of maps whose channels come last: a vector is so many channels of one position.

use super::row::Row;
use crate::cpu::element::{Element, as_f32, tensor, view};
use crate::cpu::parallel::{Shared, each, fold_parts, scratch, unfilled};
use crate::cpu::planes::column_sums;
use crate::cpu::simd::vectorized;
use crate::dispatch::{Op, apply};
use crate::gpu::Here;
use crate::graph::{Backward, OperandGradients, Output, record};
use crate::ops::conv::gpu;
use crate::ops::sums;
use candle_core::{Result, Tensor, bail};

/// Each channel convolved with a k×k kernel of its own, stride 1, zeros around so that the size stays; plus bias.
///
/// `x` (R, H, W, C), `weight` (C, 1, k, k) with odd k, `bias` (C) → (R, H, W, C). Differentiable in all three. For f32 and k = 7
/// the kernel is written for AVX-512 and AVX2.
///
/// # Errors
/// Fails on shapes that do not fit, and on operands of two types.
pub fn depthwise_last(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (Ok((r, h, w, c)), &[o, 1, k, kw]) = (x.dims4(), weight.dims()) else {
        bail!(
            "depthwise_last: expected (R, H, W, C) and (C, 1, k, k), got {:?} and {:?}",
            x.shape(),
            weight.shape()
        );
    };
    if o != c || k != kw || k % 2 == 0 || bias.dims() != [c] || r * h * w * c == 0 {
        bail!(
            "depthwise_last: expected (R, H, W, C), not empty, (C, 1, k, k) with odd k and (C), got {:?}, {:?} and {:?}",
            x.shape(),
            weight.shape(),
            bias.shape()
        );
    }
    apply("depthwise_last", DepthwiseLast(Sizes { r, h, w, c, k }), &[x, weight, bias])
}

#[derive(Clone, Copy)]
struct Sizes {
    r: usize,
    h: usize,
    w: usize,
    c: usize,
    k: usize,
}

impl Sizes {
    fn last(self) -> gpu::Last {
        gpu::Last { h: self.h, w: self.w, c: self.c, k: self.k }
    }
}

struct DepthwiseLast(Sizes);

impl Op for DepthwiseLast {
    fn record(&self) -> Option<record::Op> {
        Some(record::Op::DepthwiseLast)
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let bias = view::<T>(&x[2])?;
        let y = correlate(&view::<T>(&x[0])?, &view::<T>(&x[1])?, Some(&bias), self.0, false);
        let backward = DepthwiseLastBackward { x: x[0].clone(), weight: x[1].clone(), s: self.0 };
        Output::cpu(y, x[0].shape(), backward)
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let (weight, bias) = (here.buffer(x[1])?, here.floats_of(x[2])?);
        let y = gpu::depthwise_last(&here, &here.buffer(x[0])?, (&weight, &bias), self.0.last())?;
        let backward = DepthwiseLastBackward { x: x[0].detach(), weight: x[1].detach(), s: self.0 };
        Ok(Some(Output::new(here.storage(y)?, x[0].shape(), backward)))
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        let planes = x[0].permute((0, 3, 1, 2))?.contiguous()?;
        let y = planes.conv2d(&x[1].contiguous()?, self.0.k / 2, 1, 1, self.0.c)?;
        y.permute((0, 2, 3, 1))?.contiguous()?.broadcast_add(x[2])
    }
}

struct DepthwiseLastBackward {
    x: Tensor,
    weight: Tensor,
    s: Sizes,
}

impl Backward for DepthwiseLastBackward {
    fn cpu<T: Element>(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let s = self.s;
        let (x, weight, dy) = (view::<T>(&self.x)?, view::<T>(&self.weight)?, view::<T>(&grad)?);
        let dx = wanted[0].then(|| tensor(correlate(&dy, &weight, None, s, true), grad.shape()));
        let dw = wanted[1].then(|| tensor(products(&x, &dy, s), self.weight.shape()));
        let db = wanted[2].then(|| tensor(column_sums(&dy, s.r * s.h * s.w, s.c), s.c));
        Ok(vec![dx, dw, db])
    }

    fn gpu(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let here = Here::of_gradient(&grad)?;
        let (x, weight, dy) = (here.buffer(&self.x)?, here.buffer(&self.weight)?, here.buffer(&grad)?);
        let [dx, dw] = gpu::depthwise_last_backward(&here, (&x, &weight), &dy, self.s.last())?;
        let db = || here.tensor(sums::columns(&here, &dy, self.s.c)?, self.s.c)?.to_dtype(grad.dtype());
        Ok(vec![
            wanted[0].then(|| here.tensor(dx, grad.shape())).transpose()?,
            wanted[1].then(|| here.tensor(dw, self.weight.shape())).transpose()?,
            wanted[2].then(db).transpose()?,
        ])
    }
}

/// The kernels as [tap][channel], turned by 180° where wished.
fn by_taps<T: Element>(weight: &[T], s: Sizes, turned: bool) -> Vec<T> {
    let taps = s.k * s.k;
    let mut out = unfilled(taps * s.c);
    for (c, kernel) in weight.chunks_exact(taps).enumerate() {
        for (tap, value) in kernel.iter().enumerate() {
            out[if turned { taps - 1 - tap } else { tap } * s.c + c] = *value;
        }
    }
    out
}

fn correlate<T: Element>(x: &[T], weight: &[T], bias: Option<&[T]>, s: Sizes, turned: bool) -> Vec<T> {
    let taps = by_taps(weight, s, turned);
    let mut y = unfilled(x.len());
    let out = Shared::new(&mut y);
    if let (Some(lanes), Some(x), Some(taps)) = (lanes(s), as_f32(x), as_f32(&taps)) {
        let bias = bias.and_then(as_f32);
        // SAFETY: T is f32.
        let out = unsafe { std::mem::transmute::<Shared<T>, Shared<f32>>(out) };
        tasks(s, lanes, |n, c0, frame| run_on(lanes, &Correlation { x, taps, bias, s, out }, (n, c0), frame));
        return y;
    }
    each(s.r * s.h, |line| {
        let (n, i) = (line / s.h, line % s.h);
        // SAFETY: one line to a task.
        let y = unsafe { out.slice(line * s.w * s.c, s.w * s.c) };
        vectorized(
            #[inline(always)]
            || {
                for (j, y) in y.chunks_exact_mut(s.c).enumerate() {
                    match bias {
                        Some(bias) => y.copy_from_slice(bias),
                        None => y.fill(T::zero()),
                    }
                    around(s, i, j, |tap, at| {
                        let x = &x[(n * s.h * s.w + at) * s.c..][..s.c];
                        let taps = &taps[tap * s.c..][..s.c];
                        y.iter_mut().zip(x).zip(taps).for_each(|((y, x), t)| *y += *x * *t);
                    });
                }
            },
        );
    });
    y
}

/// The taps that meet the map from output (i, j): `f(tap, position)`.
#[inline(always)]
fn around(s: Sizes, i: usize, j: usize, mut f: impl FnMut(usize, usize)) {
    let half = s.k / 2;
    for u in 0..s.k {
        for v in 0..s.k {
            let (y, x) = ((i + u).wrapping_sub(half), (j + v).wrapping_sub(half));
            if y < s.h && x < s.w {
                f(u * s.k + v, y * s.w + x);
            }
        }
    }
}

/// d weight: each image's share apart, added in the order of the batch.
fn products<T: Element>(x: &[T], dy: &[T], s: Sizes) -> Vec<T> {
    let size = s.c * s.k * s.k;
    let mut parts = unfilled(s.r * size);
    let out = Shared::new(&mut parts);
    if let (Some(lanes), Some(x), Some(dy)) = (lanes(s), as_f32(x), as_f32(dy)) {
        // SAFETY: T is f32.
        let out = unsafe { std::mem::transmute::<Shared<T>, Shared<f32>>(out) };
        tasks(s, lanes, |n, c0, frame| run_on(lanes, &Products { x, dy, s, out }, (n, c0), frame));
        return fold_parts(parts, s.r, size);
    }
    each(s.r, |n| {
        // SAFETY: one part to a task.
        let part = unsafe { out.slice(n * size, size) };
        let mut sums = vec![T::zero(); size]; // [tap][channel]
        vectorized(
            #[inline(always)]
            || {
                for (i, j) in (0..s.h).flat_map(|i| (0..s.w).map(move |j| (i, j))) {
                    let dy = &dy[((n * s.h + i) * s.w + j) * s.c..][..s.c];
                    around(s, i, j, |tap, at| {
                        let x = &x[(n * s.h * s.w + at) * s.c..][..s.c];
                        let sums = &mut sums[tap * s.c..][..s.c];
                        sums.iter_mut().zip(x).zip(dy).for_each(|((sum, x), dy)| *sum += *x * *dy);
                    });
                }
            },
        );
        for (i, part) in part.iter_mut().enumerate() {
            *part = sums[i % (s.k * s.k) * s.c + i / (s.k * s.k)];
        }
    });
    fold_parts(parts, s.r, size)
}

/// Numbers of a vector of this machine, for the sizes that have a kernel of their own.
fn lanes(s: Sizes) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        let lanes = if crate::cpu::simd::wide() { 16 } else { 8 };
        if s.k == K && s.c.is_multiple_of(lanes) && has!("avx2") && has!("fma") {
            return Some(lanes);
        }
    }
    let _ = s;
    None
}

/// The side of the kernels written by hand.
const K: usize = 7;
/// Columns of outputs that are computed together.
const COLUMNS: usize = 8;
/// Rows of outputs of one frame.
const STRIP: usize = 14;

impl Sizes {
    /// Columns of a frame: those of whole groups of outputs, and what the last one's taps reach.
    fn pitch(&self) -> usize {
        self.w.next_multiple_of(COLUMNS) + K - 1
    }
}

/// `f(image, first channel, frame)` for every vector of channels of every image.
fn tasks(s: Sizes, lanes: usize, f: impl Fn(usize, usize, &mut [f32]) + Send + Sync) {
    let blocks = s.c / lanes;
    // Besides the frame of x there is room for a strip of gradients.
    let room = ((STRIP + K - 1) + STRIP) * s.pitch() * lanes;
    each(s.r * blocks, |i| scratch(room, |frame: &mut [f32]| f(i / blocks, i % blocks * lanes, frame)));
}

/// Work on a vector of channels of an image.
trait Job: Sync {
    /// # Safety
    /// The instructions of V are there; `frame` has the room that [`tasks`] gives.
    unsafe fn run<V: Row>(&self, place: (usize, usize), frame: &mut [f32]);
}

fn run_on<J: Job>(lanes: usize, job: &J, place: (usize, usize), frame: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{__m256, __m512};
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
        unsafe fn v4<J: Job>(job: &J, place: (usize, usize), frame: &mut [f32]) {
            unsafe { job.run::<__m512>(place, frame) }
        }
        #[target_feature(enable = "avx2,fma")]
        unsafe fn v3<J: Job>(job: &J, place: (usize, usize), frame: &mut [f32]) {
            unsafe { job.run::<__m256>(place, frame) }
        }
        // SAFETY: `lanes` stands for instructions that were found.
        unsafe { if lanes == 16 { v4(job, place, frame) } else { v3(job, place, frame) } }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = (lanes, job, place, frame);
        unreachable!("`lanes` finds no vectors on this machine")
    }
}

/// Rows `i0 − border` to `i1 + border` of a vector of channels of image n, zeros around: [row][column][lane].
///
/// # Safety
/// The instructions of V are there; the frame has room for these rows.
#[inline(always)]
unsafe fn fill<V: Row>(
    x: &[f32],
    s: Sizes,
    (n, c0): (usize, usize),
    (i0, i1): (usize, usize),
    border: usize,
    frame: &mut [f32],
) {
    let line = s.pitch() * V::LANES;
    assert!(frame.len() >= (i1 - i0 + 2 * border) * line && c0 + V::LANES <= s.c);
    for (row, to) in frame.chunks_exact_mut(line).take(i1 - i0 + 2 * border).enumerate() {
        let i = (i0 + row).wrapping_sub(border);
        if i >= s.h {
            to.fill(0.0);
            continue;
        }
        let x = &x[(n * s.h + i) * s.w * s.c..][..s.w * s.c];
        let (before, to) = to.split_at_mut(border * V::LANES);
        let (to, after) = to.split_at_mut(s.w * V::LANES);
        before.fill(0.0);
        after.fill(0.0);
        for (to, x) in to.chunks_exact_mut(V::LANES).zip(x.chunks_exact(s.c)) {
            // SAFETY: c0 and the lanes are inside the channels.
            unsafe { V::load(x.as_ptr().add(c0)).store(to.as_mut_ptr()) };
        }
    }
}

struct Correlation<'a> {
    x: &'a [f32],
    taps: &'a [f32],
    bias: Option<&'a [f32]>,
    s: Sizes,
    out: Shared<'a, f32>,
}

impl Job for Correlation<'_> {
    #[inline(always)]
    #[allow(clippy::absurd_extreme_comparisons, clippy::needless_range_loop)]
    unsafe fn run<V: Row>(&self, (n, c0): (usize, usize), frame: &mut [f32]) {
        let s = self.s;
        let line = s.pitch() * V::LANES;
        assert!(self.taps.len() == K * K * s.c);
        for i0 in (0..s.h).step_by(STRIP) {
            let i1 = (i0 + STRIP).min(s.h);
            // SAFETY: the instructions are there by contract; what is read lies in the frame and in the taps, and what is
            // written are channels of this image that are this task's alone.
            unsafe {
                fill::<V>(self.x, s, (n, c0), (i0, i1), K / 2, frame);
                let bias = self.bias.map_or(V::splat(0.0), |bias| V::load(bias[c0..][..V::LANES].as_ptr()));
                for i in i0..i1 {
                    for j0 in (0..s.w).step_by(COLUMNS) {
                        let mut sums = [bias; COLUMNS];
                        for u in 0..K {
                            let from = frame.as_ptr().add((i - i0 + u) * line + j0 * V::LANES);
                            let taps = self.taps.as_ptr().add(u * K * s.c + c0);
                            let taps: [V; K] = std::array::from_fn(
                                #[inline(always)]
                                |v| V::load(taps.add(v * s.c)),
                            );
                            unrolled!(COLUMN in [0 1 2 3 4 5 6 7 8 9 10 11 12 13] {
                                let x = V::load(from.add(COLUMN * V::LANES));
                                for v in 0..K {
                                    if COLUMN >= v && COLUMN - v < COLUMNS {
                                        sums[COLUMN - v] = taps[v].fma(x, sums[COLUMN - v]);
                                    }
                                }
                            });
                        }
                        let to = self.out.pointer().add(((n * s.h + i) * s.w + j0) * s.c + c0);
                        for (j, sum) in sums.into_iter().enumerate() {
                            if j0 + j < s.w {
                                sum.store(to.add(j * s.c));
                            }
                        }
                    }
                }
            }
        }
    }
}

struct Products<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    s: Sizes,
    out: Shared<'a, f32>,
}

impl Job for Products<'_> {
    #[inline(always)]
    #[allow(clippy::absurd_extreme_comparisons, clippy::needless_range_loop)]
    unsafe fn run<V: Row>(&self, (n, c0): (usize, usize), frame: &mut [f32]) {
        let s = self.s;
        let line = s.pitch() * V::LANES;
        let (frame, grads) = frame.split_at_mut((STRIP + K - 1) * line);
        // SAFETY: the instructions are there by contract; what is read lies in the two frames, what is written in the part
        // of this image's and these channels' kernels.
        unsafe {
            let mut totals = [[V::splat(0.0); K]; K];
            for i0 in (0..s.h).step_by(STRIP) {
                let i1 = (i0 + STRIP).min(s.h);
                fill::<V>(self.x, s, (n, c0), (i0, i1), K / 2, frame);
                fill::<V>(self.dy, s, (n, c0), (i0, i1), 0, grads);
                for (u, totals) in totals.iter_mut().enumerate() {
                    let mut sums = *totals;
                    for i in 0..i1 - i0 {
                        for j0 in (0..s.w).step_by(COLUMNS) {
                            let from = frame.as_ptr().add((i + u) * line + j0 * V::LANES);
                            let dy = grads.as_ptr().add(i * line + j0 * V::LANES);
                            let dy: [V; COLUMNS] = std::array::from_fn(
                                #[inline(always)]
                                |j| V::load(dy.add(j * V::LANES)),
                            );
                            unrolled!(COLUMN in [0 1 2 3 4 5 6 7 8 9 10 11 12 13] {
                                let x = V::load(from.add(COLUMN * V::LANES));
                                for v in 0..K {
                                    if COLUMN >= v && COLUMN - v < COLUMNS {
                                        sums[v] = dy[COLUMN - v].fma(x, sums[v]);
                                    }
                                }
                            });
                        }
                    }
                    *totals = sums;
                }
            }
            let part = self.out.slice((n * s.c + c0) * K * K, V::LANES * K * K);
            let mut lanes = [0.0f32; 16];
            for (tap, total) in totals.as_flattened().iter().enumerate() {
                total.store(lanes.as_mut_ptr());
                for lane in 0..V::LANES {
                    part[lane * K * K + tap] = lanes[lane];
                }
            }
        }
    }
}
