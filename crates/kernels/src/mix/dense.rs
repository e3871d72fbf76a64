//! Mixing with nearly all shares: a product of a small matrix and a wide one, which should cost one pass over the values and
//! one over the result.
//!
//! A panel of 48 columns is read once, kept in the first cache, and multiplied into eight rows at a time in registers. The
//! rows of images are often a multiple of a page apart, so that a panel's lines fall into the same few sets of the first
//! cache: hence the copy. The panel that comes next but three is asked for meanwhile. A large result goes past the caches.

use crate::element::Element;
use crate::parallel::{Shared, pieces, product};
use std::ops::Range;

/// y (n × width) = shares (n × rows) · x (rows × width), all row-major.
pub(super) fn dense<T: Element>(shares: &[T], x: &[T], y: &mut [T], (n, rows, width): (usize, usize, usize)) {
    assert!(shares.len() == n * rows && x.len() == rows * width && y.len() == n * width);
    let out = Shared::new(y);
    let covered = panels(shares, x, out, (n, rows, width));
    for rest in [0..covered.start, covered.end..width] {
        pieces(rest.len(), 512, |start, end| {
            let (start, columns) = (rest.start + start, end - start);
            // SAFETY: the sizes are checked above; each piece writes its own columns.
            unsafe {
                product(
                    (n, columns, rows),
                    out.pointer().add(start),
                    (width, 1),
                    false,
                    shares.as_ptr(),
                    (rows, 1),
                    x.as_ptr().add(start),
                    (width, 1),
                );
            }
        });
    }
}

/// Fills the columns that whole panels cover, where this machine has AVX-512, and tells which.
#[cfg(not(target_arch = "x86_64"))]
fn panels<T: Element>(_: &[T], _: &[T], _: Shared<T>, _: (usize, usize, usize)) -> Range<usize> {
    0..0
}

#[cfg(target_arch = "x86_64")]
use wide::panels;

#[cfg(target_arch = "x86_64")]
mod wide {
    use super::{Element, Range, Shared, pieces};
    use crate::element::as_f32;
    use crate::parallel::scratch;
    use std::arch::x86_64::*;

    const VECTORS: usize = 3;
    const COLUMNS: usize = 16 * VECTORS;
    const ROWS: usize = 8;
    /// Panels of one task.
    const PANELS: usize = 16;
    /// How many panels ahead values are asked for.
    const AHEAD: usize = 4;
    /// Results of more bytes than this are written past the caches, which would not hold them.
    const LARGE: usize = 8 << 20;

    pub(super) fn panels<T: Element>(
        shares: &[T],
        x: &[T],
        out: Shared<T>,
        (n, rows, width): (usize, usize, usize),
    ) -> Range<usize> {
        let (Some(shares), Some(x), true) = (as_f32(shares), as_f32(x), crate::simd::wide()) else {
            return 0..0;
        };
        // Eight rows of shares at a time, step by step; rows beyond the last are 0.
        let mut blocks = vec![0.0; n.div_ceil(ROWS) * rows * ROWS];
        for (i, row) in shares.chunks(rows).enumerate() {
            let block = &mut blocks[i / ROWS * rows * ROWS..];
            row.iter().enumerate().for_each(|(k, share)| block[k * ROWS + i % ROWS] = *share);
        }
        let y = out.pointer().cast::<f32>();
        // Rows of whole lines begin alike: the panels begin where the first line of each row does.
        let streams = n * width * 4 > LARGE && width.is_multiple_of(16);
        let first = if streams { y.align_offset(64) } else { 0 };
        let count = (width - first) / COLUMNS;
        let work = Work { blocks: &blocks, x, y, n, rows, width, streams };
        pieces(count, PANELS, |p0, p1| {
            scratch::<f32, _>(rows * COLUMNS, |kept| {
                // SAFETY: the features are there; the panels are inside the matrices, and each task writes its own.
                (p0..p1).for_each(|p| unsafe { work.panel(first + p * COLUMNS, kept.as_mut_ptr()) });
            });
        });
        first..first + count * COLUMNS
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
