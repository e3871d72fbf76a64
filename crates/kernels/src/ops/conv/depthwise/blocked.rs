//! 3×3 and 5×5 at stride 1 and 2 in f32: weights, or their gradient's sums, stay in registers over four rows of outputs.

use super::frame::{Frames, Parts, ROWS, Sizes};
use super::row::Row;
use crate::cpu::parallel::{Shared, each, scratch, unfilled};
use crate::ops::conv::Geometry;

/// Numbers of a vector of this machine, for sizes that these kernels are for.
pub(super) fn lanes(g: &Geometry) -> Option<usize> {
    let square = g.kh == g.kw && matches!(g.kh, 3 | 5);
    let plain = matches!(g.conv.stride, 1 | 2) && g.conv.dilation == 1 && g.o == g.c;
    if !(square && plain) {
        return None;
    }
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        if crate::cpu::simd::wide() {
            return Some(16);
        }
        if has!("avx2") && has!("fma") {
            return Some(8);
        }
    }
    None
}

/// Work on some channels of some images, in vectors of any width.
trait Job: Sync {
    /// Channels c0..c1 of the group of images.
    ///
    /// # Safety
    /// The instructions of V are there; `frame` has the frames' length.
    unsafe fn run<V: Row, const K: usize, const S: usize>(
        &self,
        part: (usize, usize, usize),
        frame: *mut f32,
    );
}

/// Numbers that a task reads, about.
const TASK: usize = 1 << 15;

/// All of `job`, in tasks of one group of images; of all images where sums go over the batch.
fn run(job: &impl Job, frames: &Frames, lanes: usize, over_batch: bool) {
    let Sizes { images, channels, h, w, k, stride, .. } = frames.sizes;
    let groups = if over_batch { 1 } else { images.div_ceil(frames.together) };
    let block = (TASK / (h * w * images.div_ceil(groups))).clamp(1, channels);
    let blocks = channels.div_ceil(block);
    each(groups * blocks, |i| {
        let c0 = i % blocks * block;
        let part = (i / blocks, c0, (c0 + block).min(channels));
        scratch(frames.len(lanes), |frame: &mut [f32]| {
            let frame = frame.as_mut_ptr();
            // SAFETY: `lanes` stands for instructions that were found.
            unsafe {
                match (k, stride) {
                    (3, 1) => on_vectors::<_, 3, 1>(job, lanes, part, frame),
                    (3, _) => on_vectors::<_, 3, 2>(job, lanes, part, frame),
                    (_, 1) => on_vectors::<_, 5, 1>(job, lanes, part, frame),
                    _ => on_vectors::<_, 5, 2>(job, lanes, part, frame),
                }
            }
        });
    });
}

/// # Safety
/// The instructions for vectors of `lanes` numbers are there; `frame` has the frames' length.
unsafe fn on_vectors<J: Job, const K: usize, const S: usize>(
    job: &J,
    lanes: usize,
    part: (usize, usize, usize),
    frame: *mut f32,
) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{__m256, __m512};
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
        unsafe fn v4<J: Job, const K: usize, const S: usize>(
            job: &J,
            part: (usize, usize, usize),
            frame: *mut f32,
        ) {
            unsafe { job.run::<__m512, K, S>(part, frame) }
        }
        #[target_feature(enable = "avx2,fma")]
        unsafe fn v3<J: Job, const K: usize, const S: usize>(
            job: &J,
            part: (usize, usize, usize),
            frame: *mut f32,
        ) {
            unsafe { job.run::<__m256, K, S>(part, frame) }
        }
        // SAFETY: by contract.
        unsafe { if lanes == 16 { v4::<J, K, S>(job, part, frame) } else { v3::<J, K, S>(job, part, frame) } }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = (job, lanes, part, frame);
        unreachable!("`lanes` finds no vectors on this machine")
    }
}

/// R rows of a vector of outputs at `at`, the frame's first number under the first of them. Of the frame's rows those of
/// parity `zeros` are 0.
///
/// # Safety
/// The numbers under the kernel are valid for reads.
#[inline(always)]
#[allow(clippy::absurd_extreme_comparisons, clippy::needless_range_loop)]
unsafe fn outputs<V: Row, const K: usize, const S: usize, const R: usize>(
    at: *const f32,
    phase: usize,
    weight: &[[V; K]; K],
    zeros: usize,
) -> [V; R] {
    unsafe {
        let mut sums = [V::splat(0.0); R];
        unrolled!(Y in [0 1 2 3 4 5 6 7 8 9 10] {
            if Y < (R - 1) * S + K && Y % 2 != zeros {
                let line = at.add(Y * S * phase);
                for v in 0..K {
                    let x = V::load(line.add(v % S * phase + v / S));
                    for r in 0..R {
                        if Y >= r * S && Y - r * S < K {
                            sums[r] = weight[Y - r * S][v].fma(x, sums[r]);
                        }
                    }
                }
            }
        });
        sums
    }
}

/// sums[u][v] += dy[r] · what tap (u, v) of output row r reads.
///
/// # Safety
/// As for [`outputs`].
#[inline(always)]
#[allow(clippy::absurd_extreme_comparisons, clippy::needless_range_loop)]
unsafe fn products<V: Row, const K: usize, const S: usize, const R: usize>(
    at: *const f32,
    phase: usize,
    dy: [V; R],
    sums: &mut [[V; K]; K],
) {
    unsafe {
        unrolled!(Y in [0 1 2 3 4 5 6 7 8 9 10] {
            if Y < (R - 1) * S + K {
                let line = at.add(Y * S * phase);
                for v in 0..K {
                    let x = V::load(line.add(v % S * phase + v / S));
                    for r in 0..R {
                        if Y >= r * S && Y - r * S < K {
                            sums[Y - r * S][v] = dy[r].fma(x, sums[Y - r * S][v]);
                        }
                    }
                }
            }
        });
    }
}

/// `$f` with the constants `$c` and the number of rows R: fours of `$n` rows, then the rest.
macro_rules! by_rows {
    ($n:expr, $i:ident => $f:ident::<$V:ty, $K:ident, $S:ident>($($arg:expr),*)) => {{
        let n = $n;
        let mut $i = 0;
        while $i + ROWS <= n {
            $f::<$V, $K, $S, ROWS>($($arg),*);
            $i += ROWS;
        }
        match n - $i {
            0 => {}
            1 => $f::<$V, $K, $S, 1>($($arg),*),
            2 => $f::<$V, $K, $S, 2>($($arg),*),
            _ => $f::<$V, $K, $S, 3>($($arg),*),
        }
    }};
}

/// y = the planes correlated with the kernels.
struct Correlation<'a> {
    frames: &'a Frames,
    x: &'a [f32],
    weight: &'a [f32],
    /// Whether the kernels are turned by 180°.
    turned: bool,
    y: Shared<'a, f32>,
}

/// Where `R` rows of results go: rows `ow` apart from `base`, in `images` images.
#[derive(Clone, Copy)]
struct Target<'a> {
    base: *mut f32,
    ow: usize,
    parts: &'a Parts,
    images: usize,
}

#[inline(always)]
unsafe fn correlate<V: Row, const K: usize, const S: usize, const R: usize>(
    at: *const f32,
    phase: usize,
    weight: &[[V; K]; K],
    zeros: usize,
    (to, i): (Target, usize),
) {
    unsafe {
        let sums: [V; R] = outputs::<V, K, S, R>(at, phase, weight, zeros);
        for (r, sum) in sums.into_iter().enumerate() {
            to.parts.store(sum, to.base.add((i + r) * to.ow), to.images);
        }
    }
}

impl Job for Correlation<'_> {
    #[inline(always)]
    unsafe fn run<V: Row, const K: usize, const S: usize>(
        &self,
        (group, c0, c1): (usize, usize, usize),
        frame: *mut f32,
    ) {
        let (frames, phase) = (self.frames, self.frames.phase);
        let Sizes { images, channels, h, w, oh, ow, step, padding, .. } = frames.sizes;
        let n0 = group * frames.together;
        let images = frames.together.min(images - n0);
        // With zeros between the rows, those of the frame whose parity is not the padding's.
        let zeros = if step == 2 { 1 - padding.rem_euclid(2) as usize } else { 2 };
        // SAFETY: planes of the images and channels of this task, which are its own in y.
        unsafe {
            for c in c0..c1 {
                let plane = n0 * channels + c;
                let (x, y) = (self.x.as_ptr().add(plane * h * w), self.y.pointer().add(plane * oh * ow));
                let taps = &self.weight[c * K * K..][..K * K];
                let mut weight = [[V::splat(0.0); K]; K];
                for (i, to) in weight.as_flattened_mut().iter_mut().enumerate() {
                    *to = V::splat(taps[if self.turned { K * K - 1 - i } else { i }]);
                }
                for i0 in (0..oh).step_by(frames.strip) {
                    let i1 = (i0 + frames.strip).min(oh);
                    frames.fill::<V>(x, images, (i0, i1), frame);
                    for (q, parts) in frames.result.iter().enumerate() {
                        let at = frame.add(q * V::LANES);
                        let to = Target { base: y.add(i0 * ow), ow, parts, images };
                        by_rows!(
                            i1 - i0,
                            i => correlate::<V, K, S>(at.add(i * S * S * phase), phase, &weight, zeros, (to, i))
                        );
                    }
                }
            }
        }
    }
}

/// dw[c] = Σ over the batch of dy · what each tap reads, channel by channel, whose images are added in their order.
struct Products<'a> {
    frames: &'a Frames,
    x: &'a [f32],
    dy: &'a [f32],
    dw: Shared<'a, f32>,
}

#[inline(always)]
unsafe fn multiply<V: Row, const K: usize, const S: usize, const R: usize>(
    at: *const f32,
    phase: usize,
    sums: &mut [[V; K]; K],
    (from, i): (Target, usize),
) {
    unsafe {
        let dy = std::array::from_fn(
            #[inline(always)]
            |r| from.parts.load(from.base.add((i + r) * from.ow).cast_const(), from.images),
        );
        products::<V, K, S, R>(at, phase, dy, sums);
    }
}

impl Job for Products<'_> {
    #[inline(always)]
    unsafe fn run<V: Row, const K: usize, const S: usize>(
        &self,
        (_, c0, c1): (usize, usize, usize),
        frame: *mut f32,
    ) {
        let (frames, phase) = (self.frames, self.frames.phase);
        let Sizes { images, channels, h, w, oh, ow, .. } = frames.sizes;
        // SAFETY: planes of the channels of this task, whose weights are its own.
        unsafe {
            let dw = self.dw.slice(c0 * K * K, (c1 - c0) * K * K);
            for (c, dw) in (c0..c1).zip(dw.chunks_exact_mut(K * K)) {
                let mut totals = [[V::splat(0.0); K]; K];
                for n0 in (0..images).step_by(frames.together) {
                    let images = frames.together.min(images - n0);
                    let plane = n0 * channels + c;
                    let (x, dy) = (self.x.as_ptr().add(plane * h * w), self.dy.as_ptr().add(plane * oh * ow));
                    let mut sums = [[V::splat(0.0); K]; K];
                    for i0 in (0..oh).step_by(frames.strip) {
                        let i1 = (i0 + frames.strip).min(oh);
                        frames.fill::<V>(x, images, (i0, i1), frame);
                        for (q, parts) in frames.result.iter().enumerate() {
                            let at = frame.add(q * V::LANES);
                            let from = Target { base: dy.add(i0 * ow).cast_mut(), ow, parts, images };
                            by_rows!(
                                i1 - i0,
                                i => multiply::<V, K, S>(at.add(i * S * S * phase), phase, &mut sums, (from, i))
                            );
                        }
                    }
                    for (total, sum) in totals.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
                        *total = total.plus(*sum);
                    }
                }
                for (dw, total) in dw.iter_mut().zip(totals.as_flattened()) {
                    let mut lanes = [0.0f32; 16];
                    total.store(lanes.as_mut_ptr());
                    *dw = lanes.iter().sum();
                }
            }
        }
    }
}

fn correlated(x: &[f32], weight: &[f32], turned: bool, sizes: Sizes, lanes: usize) -> Vec<f32> {
    let frames = Frames::new(sizes, lanes);
    let mut y = unfilled(sizes.images * sizes.channels * sizes.oh * sizes.ow);
    let job = Correlation { frames: &frames, x, weight, turned, y: Shared::new(&mut y) };
    run(&job, &frames, lanes, false);
    y
}

fn sizes(g: &Geometry) -> Sizes {
    Sizes {
        images: g.r,
        channels: g.c,
        h: g.h,
        w: g.w,
        step: 1,
        padding: g.conv.padding as isize,
        k: g.kh,
        stride: g.conv.stride,
        oh: g.oh,
        ow: g.ow,
    }
}

pub(super) fn forward(x: &[f32], weight: &[f32], g: &Geometry, lanes: usize) -> Vec<f32> {
    correlated(x, weight, false, sizes(g), lanes)
}

/// The gradient of the output, with zeros between its numbers where the stride is 2, correlated with the turned kernels.
pub(super) fn input_gradient(dy: &[f32], weight: &[f32], g: &Geometry, lanes: usize) -> Vec<f32> {
    let padding = g.kh as isize - 1 - g.conv.padding as isize;
    let sizes =
        Sizes { h: g.oh, w: g.ow, step: g.conv.stride, padding, stride: 1, oh: g.h, ow: g.w, ..sizes(g) };
    correlated(dy, weight, true, sizes, lanes)
}

pub(super) fn weight_gradient(dy: &[f32], x: &[f32], g: &Geometry, lanes: usize) -> Vec<f32> {
    let sizes = sizes(g);
    let frames = Frames::new(sizes, lanes);
    let mut dw = unfilled(g.weight());
    run(&Products { frames: &frames, x, dy, dw: Shared::new(&mut dw) }, &frames, lanes, true);
    dw
}
