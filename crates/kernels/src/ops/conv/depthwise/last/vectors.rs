//! Depthwise convolution with channels last, written by hand for kernels of 7 × 7: a vector of channels of an image at a time, in a frame
//! with zeros around.

use super::Last;
use crate::cpu::parallel::{Shared, each, scratch};
use crate::ops::conv::depthwise::row::Row;

/// Numbers of a vector of this machine, for the sizes that have a kernel of their own.
pub(super) fn lanes(s: Last) -> Option<usize> {
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

impl Last {
    /// Columns of a frame: those of whole groups of outputs, and what the last one's taps reach.
    fn pitch(&self) -> usize {
        self.w.next_multiple_of(COLUMNS) + K - 1
    }
}

/// `f(image, first channel, frame)` for every vector of channels of every image.
pub(super) fn tasks(s: Last, lanes: usize, f: impl Fn(usize, usize, &mut [f32]) + Send + Sync) {
    let blocks = s.c / lanes;
    // Besides the frame of x there is room for a strip of gradients.
    let room = ((STRIP + K - 1) + STRIP) * s.pitch() * lanes;
    each(s.r * blocks, |i| scratch(room, |frame: &mut [f32]| f(i / blocks, i % blocks * lanes, frame)));
}

/// Work on a vector of channels of an image.
pub(super) trait Job: Sync {
    /// # Safety
    /// The instructions of V are there; `frame` has the room that [`tasks`] gives.
    unsafe fn run<V: Row>(&self, place: (usize, usize), frame: &mut [f32]);
}

pub(super) fn run_on<J: Job>(lanes: usize, job: &J, place: (usize, usize), frame: &mut [f32]) {
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
    s: Last,
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

pub(super) struct Correlation<'a> {
    pub x: &'a [f32],
    pub taps: &'a [f32],
    pub bias: Option<&'a [f32]>,
    pub s: Last,
    pub out: Shared<'a, f32>,
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

pub(super) struct Products<'a> {
    pub x: &'a [f32],
    pub dy: &'a [f32],
    pub s: Last,
    pub out: Shared<'a, f32>,
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
