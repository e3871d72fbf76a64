//! The product of one frequency, in registers: eight rows by 32 columns on AVX-512.

use super::lanes::B;

/// Rows that the widest kernel takes at once; matrices of tiles are padded to a multiple.
pub(super) const ROWS: usize = 8;

/// An operand read number by number: (row m, step k) at `at[(k / 16)·block + (k % 16)·step + m·row]`.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    pub at: &'a [f32],
    pub block: usize,
    pub row: usize,
    pub step: usize,
}

/// out[block][m][16] (+)= Σ_k left(m, k) · right[block][k][16] for all blocks of `right`; m < `rows`, a multiple of 8.
pub(super) fn accumulate(left: &Left, rows: usize, right: &[f32], steps: usize, out: &mut [f32], add: bool) {
    accumulate_part(left, rows, right, steps, out, rows, 0, add);
}

/// The same into rows `first..first + rows` of blocks of `height` rows.
#[allow(clippy::too_many_arguments)]
pub(super) fn accumulate_part(
    left: &Left,
    rows: usize,
    right: &[f32],
    steps: usize,
    out: &mut [f32],
    height: usize,
    first: usize,
    add: bool,
) {
    if steps == 0 {
        return;
    }
    let blocks = right.len() / (steps * B);
    assert!(rows.is_multiple_of(ROWS) && first + rows <= height && out.len() >= blocks * height * B);
    let last = (steps - 1) / B * left.block + (steps - 1) % B * left.step.max(1) + (rows - 1) * left.row;
    assert!(last < left.at.len() && left.step * 15.min(steps - 1) + (rows - 1) * left.row < left.at.len());
    let panel = Panel { left, rows, right: right.as_ptr(), steps, out: out.as_mut_ptr(), height, first, add };
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
        unsafe fn v4(panel: &Panel, blocks: usize) {
            unsafe { panel.all::<8, 2, true>(blocks) }
        }
        #[target_feature(enable = "avx2,fma")]
        unsafe fn v3(panel: &Panel, blocks: usize) {
            unsafe { panel.all::<4, 1, true>(blocks) }
        }
        if crate::simd::wide() {
            // SAFETY: the features are there; the bounds are checked above.
            return unsafe { v4(&panel, blocks) };
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return unsafe { v3(&panel, blocks) };
        }
    }
    // SAFETY: the bounds are checked above.
    unsafe { panel.all::<4, 1, { cfg!(target_arch = "aarch64") }>(blocks) }
}

struct Panel<'a> {
    left: &'a Left<'a>,
    rows: usize,
    right: *const f32,
    steps: usize,
    out: *mut f32,
    height: usize,
    first: usize,
    add: bool,
}

impl Panel<'_> {
    #[inline(always)]
    unsafe fn all<const M: usize, const N: usize, const FMA: bool>(&self, blocks: usize) {
        let mut block = 0;
        while block + N <= blocks {
            for m in (0..self.rows).step_by(M) {
                unsafe { self.micro::<M, N, FMA>(m, block) };
            }
            block += N;
        }
        for block in block..blocks {
            for m in (0..self.rows).step_by(M) {
                unsafe { self.micro::<M, 1, FMA>(m, block) };
            }
        }
    }

    #[inline(always)]
    unsafe fn micro<const M: usize, const N: usize, const FMA: bool>(&self, m: usize, block: usize) {
        unsafe {
            let stride = self.steps * B;
            let right = self.right.add(block * stride);
            let left = self.left.at.as_ptr().add(m * self.left.row);
            let (row, step) = (self.left.row, self.left.step);
            let mut sums = [[[0.0f32; B]; N]; M];
            let mut k = 0;
            while k < self.steps {
                let left = left.add(k / B * self.left.block);
                for i in 0..(self.steps - k).min(B) {
                    let right: [[f32; B]; N] =
                        std::array::from_fn(|n| *right.add(n * stride + (k + i) * B).cast::<[f32; B]>());
                    for (m, sums) in sums.iter_mut().enumerate() {
                        let x = *left.add(i * step + m * row);
                        for n in 0..N {
                            for l in 0..B {
                                let (r, s) = (right[n][l], sums[n][l]);
                                sums[n][l] = if FMA { x.mul_add(r, s) } else { x * r + s };
                            }
                        }
                    }
                }
                k += B;
            }
            for (i, sums) in sums.iter().enumerate() {
                for (n, sums) in sums.iter().enumerate() {
                    let out =
                        self.out.add(((block + n) * self.height + self.first + m + i) * B).cast::<[f32; B]>();
                    if self.add {
                        let mut old = *out;
                        (0..B).for_each(|l| old[l] += sums[l]);
                        *out = old;
                    } else {
                        *out = *sums;
                    }
                }
            }
        }
    }
}
