//! Mixing with nearly all shares: a product of a small matrix and a wide one, which should cost one pass over the values and
//! one over the result.
//!
//! A panel of 48 columns is read once, kept in the first cache, and multiplied into eight rows at a time in registers. The
//! rows of images are often a multiple of a page apart, so that a panel's lines fall into the same few sets of the first
//! cache: hence the copy. The panel that comes next but three is asked for meanwhile. A large result goes past the caches.

use super::{check, matrix};
use crate::cpu::element::Element;
use crate::cpu::parallel::{Matrix, Shared, pieces, product};
use candle_core::Result;
use std::ops::Range;

/// y (n × width) = shares (n × rows) · x (rows × width), all row-major; `entries` are the shares of each row.
pub(super) fn dense<T: Element>(
    entries: &[Vec<(u32, f64)>],
    x: &[T],
    y: &mut [T],
    (rows, width): (usize, usize),
) -> Result<()> {
    let n = entries.len();
    assert!(x.len() == rows * width && y.len() == n * width);
    let out = Shared::new(y);
    let covered = panels(entries, x, out, (rows, width))?;
    if covered.len() == width {
        return Ok(());
    }
    check(entries, rows)?;
    let shares = matrix::<T>(entries, rows);
    for rest in [0..covered.start, covered.end..width] {
        pieces(rest.len(), 512, |start, end| {
            let (start, columns) = (rest.start + start, end - start);
            // SAFETY: the sizes are checked above; each piece writes its own columns.
            unsafe {
                let (dst, values) = (out.pointer().add(start), Matrix::rows(x.as_ptr().add(start), width));
                product((n, columns, rows), dst, width, false, Matrix::rows(shares.as_ptr(), rows), values);
            }
        });
    }
    Ok(())
}

/// Fills the columns that whole panels cover, where this machine has AVX-512, and tells which.
#[cfg(not(target_arch = "x86_64"))]
fn panels<T: Element>(
    _: &[Vec<(u32, f64)>],
    _: &[T],
    _: Shared<T>,
    _: (usize, usize),
) -> Result<Range<usize>> {
    Ok(0..0)
}

#[cfg(target_arch = "x86_64")]
use wide::panels;

#[cfg(target_arch = "x86_64")]
mod wide {
    use super::{Element, Range, Result, Shared, check, pieces};
    use crate::cpu::element::as_f32;
    use crate::cpu::parallel::{Lines, scratch};
    use std::arch::x86_64::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    const VECTORS: usize = 3;
    const COLUMNS: usize = 16 * VECTORS;
    const ROWS: usize = 8;
    /// Panels of one task at the most.
    const PANELS: usize = 16;
    /// Tasks of few panels: a thread that wakes late leaves the others little to wait for.
    const TASKS: usize = 32;
    /// How many panels ahead values are asked for.
    const AHEAD: usize = 4;
    /// Results of more bytes than this are written past the caches, which would not hold them.
    const LARGE: usize = 8 << 20;

    pub(super) fn panels<T: Element>(
        entries: &[Vec<(u32, f64)>],
        x: &[T],
        out: Shared<T>,
        (rows, width): (usize, usize),
    ) -> Result<Range<usize>> {
        let (Some(x), true) = (as_f32(x), crate::cpu::simd::wide()) else { return Ok(0..0) };
        let n = entries.len();
        let Some(blocks) = blocks(entries, rows) else { return check(entries, rows).map(|()| 0..0) };
        let y = out.pointer().cast::<f32>();
        // Rows of whole lines begin alike: the panels begin where the first line of each row does.
        let streams = n * width * 4 > LARGE && width.is_multiple_of(16);
        let first = if streams { y.align_offset(64) } else { 0 };
        let count = (width - first) / COLUMNS;
        let work = Work { blocks: &blocks, x, y, n, rows, width, streams };
        pieces(count, count.div_ceil(TASKS).min(PANELS), |p0, p1| {
            scratch::<f32, _>(rows * COLUMNS, |kept| {
                // SAFETY: the features are there; the panels are inside the matrices, and each task writes its own.
                (p0..p1).for_each(|p| unsafe { work.panel(first + p * COLUMNS, kept.as_mut_ptr()) });
            });
        });
        Ok(first..first + count * COLUMNS)
    }

    /// Eight rows of shares at a time, step by step; rows beyond the last are 0. None if a share is not finite or of a row that
    /// does not exist.
    fn blocks(entries: &[Vec<(u32, f64)>], rows: usize) -> Option<Lines<f32>> {
        let (count, size) = (entries.len().div_ceil(ROWS), rows * ROWS);
        let mut blocks = Lines::unfilled(count * size);
        let (out, right) = (Shared::new(&mut blocks), AtomicBool::new(true));
        pieces(count, (4096 / size).max(1), |b0, b1| {
            for b in b0..b1 {
                // SAFETY: each block is one task's.
                let block = unsafe { out.slice(b * size, size) };
                block.fill(0.0);
                let mut fits = true;
                for (r, row) in entries[b * ROWS..].iter().take(ROWS).enumerate() {
                    for &(j, share) in row {
                        fits &= share.is_finite();
                        match block.get_mut(j as usize * ROWS + r) {
                            Some(sum) => *sum += share as f32,
                            None => fits = false,
                        }
                    }
                }
                if !fits {
                    right.store(false, Ordering::Relaxed);
                }
            }
        });
        right.into_inner().then_some(blocks)
    }

    struct Work<'a> {
        blocks: &'a [f32],
        x: &'a [f32],
        y: *mut f32,
        n: usize,
        rows: usize,
        width: usize,
        streams: bool,
    }

    // SAFETY: tasks write different columns of `y`.
    unsafe impl Sync for Work<'_> {}

    impl Work<'_> {
        /// # Safety
        /// AVX-512F; `COLUMNS` columns from `column` exist; `kept` holds `rows` × `COLUMNS`; nobody else touches those columns.
        #[target_feature(enable = "avx512f")]
        unsafe fn panel(&self, column: usize, kept: *mut f32) {
            unsafe {
                self.block::<true>(0, column, kept);
                for row in (ROWS..self.n).step_by(ROWS) {
                    self.block::<false>(row, column, kept);
                }
                if self.streams {
                    _mm_sfence();
                }
            }
        }

        /// Rows `row..row + 8` of the result; the `FIRST` reads the values and keeps them.
        #[inline(always)]
        unsafe fn block<const FIRST: bool>(&self, row: usize, column: usize, kept: *mut f32) {
            unsafe {
                let (x, next) =
                    (self.x.as_ptr().add(column), self.x.as_ptr().wrapping_add(column + AHEAD * COLUMNS));
                let shares = self.blocks.as_ptr().add(row * self.rows);
                let mut sums = [[_mm512_setzero_ps(); VECTORS]; ROWS];
                for k in 0..self.rows {
                    let kept = kept.add(k * COLUMNS);
                    let mut values = [_mm512_setzero_ps(); VECTORS];
                    for (i, value) in values.iter_mut().enumerate() {
                        if FIRST {
                            *value = _mm512_loadu_ps(x.add(k * self.width + 16 * i));
                            _mm512_store_ps(kept.add(16 * i), *value);
                            // A hint: what is beyond the end is not read.
                            _mm_prefetch::<_MM_HINT_T1>(next.wrapping_add(k * self.width + 16 * i).cast());
                        } else {
                            *value = _mm512_load_ps(kept.add(16 * i));
                        }
                    }
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let share = _mm512_set1_ps(*shares.add(k * ROWS + r));
                        for (sum, value) in sums.iter_mut().zip(values) {
                            *sum = _mm512_fmadd_ps(share, value, *sum);
                        }
                    }
                }
                // The bound is a constant, else the sums were not in registers.
                for (r, sums) in sums.iter().enumerate() {
                    if row + r >= self.n {
                        break;
                    }
                    for (i, sum) in sums.iter().enumerate() {
                        let y = self.y.add((row + r) * self.width + column + 16 * i);
                        if self.streams { _mm512_stream_ps(y, *sum) } else { _mm512_storeu_ps(y, *sum) }
                    }
                }
            }
        }
    }
}
