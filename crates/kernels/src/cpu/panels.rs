//! Large products in f32 on AVX-512, the right operand packed once in panels of 48 columns.
//!
//! Eight rows by 48 columns of the result are summed in registers. Three vectors of the panel, which stays in the second cache,
//! and eight numbers of the left operand make 24 products of vectors: what the registers hold of the result makes loading cheap.

#[cfg(target_arch = "x86_64")]
pub(crate) use wide::{product, transposed_product};

use crate::cpu::element::Element;
use crate::cpu::parallel::Shared;

/// c (m × n) = a (m × k) · b (k × n) + bias, all row-major but for b, whose strides are given, one of them 1. False, and nothing
/// done, where there is no AVX-512, the type is not f32, or the rows are so few that packing b does not pay.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn product<T: Element>(
    _: (usize, usize, usize),
    _: &[T],
    _: (&[T], (usize, usize)),
    _: Option<&[T]>,
    _: Shared<T>,
) -> bool {
    false
}

/// aᵀ · b (m × n) with a (k × m), b (k × n), all row-major; none where [`product`] would be false, of few k.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn transposed_product<T: Element>(_: (usize, usize, usize), _: &[T], _: &[T]) -> Option<Vec<T>> {
    None
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use super::{Element, Shared};
    use crate::cpu::element::as_f32;
    use crate::cpu::parallel::{Lines, each, fold_parts, scratch, unfilled};
    use std::arch::x86_64::*;

    const VECTORS: usize = 3;
    const COLUMNS: usize = 16 * VECTORS;
    const ROWS: usize = 8;
    /// Fewer rows do not pay for packing the right operand.
    const FEW: usize = 64;
    /// Rows of one task, whose part of the left operand stays in the second cache.
    const CHUNK: usize = 64;
    /// Tasks keep any few threads busy, also where there are few rows.
    const TASKS: usize = 32;
    /// Panels of one task of a transposed product: as often is a packed part of the left operand read.
    const WIDE: usize = 4;
    /// Steps of such a product before its sums are put down: four panels of them are in the second cache.
    const STEPS: usize = 512;

    type Tile = [[__m512; VECTORS]; ROWS];

    pub(crate) fn product<T: Element>(
        (m, k, n): (usize, usize, usize),
        a: &[T],
        (b, strides): (&[T], (usize, usize)),
        bias: Option<&[T]>,
        c: Shared<T>,
    ) -> bool {
        let (Some(a), Some(b)) = (as_f32(a), as_f32(b)) else { return false };
        if m < FEW || !crate::cpu::simd::wide() {
            return false;
        }
        assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n);
        let bias = bias.and_then(as_f32);
        assert!(bias.is_none_or(|bias| bias.len() == n));
        let panels = n.div_ceil(COLUMNS);
        let mut packed = Lines::<f32>::unfilled(panels * k * COLUMNS);
        let out = Shared::new(&mut packed);
        each(panels, |p| {
            // SAFETY: one panel to a task.
            let panel = unsafe { out.slice(p * k * COLUMNS, k * COLUMNS) };
            pack(panel, &b[p * COLUMNS * strides.1..], (n - p * COLUMNS).min(COLUMNS), strides);
        });
        let down = m.div_ceil(CHUNK);
        let wide = panels.div_ceil(TASKS.div_ceil(down)).max(WIDE.min(panels));
        let across = panels.div_ceil(wide);
        let c = c.pointer().cast::<f32>();
        let place = Place { c: Address(c), m, n };
        let packed: &[f32] = &packed;
        each(down * across, |i| {
            let (r0, p0) = (i / across * CHUNK, i % across * wide);
            for p in p0..(p0 + wide).min(panels) {
                let panel = packed[p * k * COLUMNS..].as_ptr();
                // SAFETY: AVX-512 is there, the operands were measured above, and the block is this task's.
                unsafe { place.chunk(r0..(r0 + CHUNK).min(m), a.as_ptr(), k, panel, p * COLUMNS, bias) };
            }
        });
        true
    }

    pub(crate) fn transposed_product<T: Element>(
        (m, k, n): (usize, usize, usize),
        a: &[T],
        b: &[T],
    ) -> Option<Vec<T>> {
        if k < FEW || !crate::cpu::simd::wide() {
            return None;
        }
        let (a, b) = (as_f32(a)?, as_f32(b)?);
        assert!(a.len() == k * m && b.len() == k * n);
        let panels = n.div_ceil(COLUMNS);
        let across = panels.div_ceil(WIDE);
        let high = m.div_ceil(TASKS.div_ceil(across)).next_multiple_of(ROWS).clamp(12 * ROWS, 24 * ROWS);
        let tasks = m.div_ceil(high) * across;
        // Where the result is small, parts of the steps are tasks too, whose sums are added in the end.
        let part = k.div_ceil((TASKS / 2).div_ceil(tasks).min(k.div_ceil(2 * STEPS)));
        let parts = k.div_ceil(part);
        let mut sums = unfilled::<T>(parts * m * n);
        let first = Address(sums.as_mut_ptr().cast());
        each(parts * tasks, |i| {
            let (begin, end) = (i / tasks * part, (i / tasks * part + part).min(k));
            let place = Place { c: first.ahead(i / tasks * m * n), m, n };
            let (r0, p0) = (i % tasks / across * high, i % across * WIDE);
            let (rows, panels) = (r0..(r0 + high).min(m), p0..(p0 + WIDE).min(panels));
            let steps = (end - begin).div_ceil((end - begin).div_ceil(STEPS));
            scratch::<f32, _>(steps * (panels.len() * COLUMNS + ROWS), |room| {
                let (packed, left) = room.split_at_mut(steps * panels.len() * COLUMNS);
                for k0 in (begin..end).step_by(steps) {
                    let steps = steps.min(end - k0);
                    for (p, panel) in panels.clone().zip(packed.chunks_exact_mut(steps * COLUMNS)) {
                        let columns = (n - p * COLUMNS).min(COLUMNS);
                        pack(panel, &b[k0 * n + p * COLUMNS..], columns, (n, 1));
                    }
                    let next = b.as_ptr().wrapping_add((k0 + steps) * n + p0 * COLUMNS);
                    let right = Right { packed: packed.as_ptr(), panels: panels.clone(), steps, next };
                    let a = &a[k0 * m..(k0 + steps) * m];
                    // SAFETY: AVX-512 is there, the operands were measured above, and the block is this task's.
                    unsafe { place.transposed(rows.clone(), a, left, &right, k0 > begin) };
                }
            });
        });
        Some(fold_parts(sums, parts, m * n))
    }

    /// A panel (steps × 48) of `columns` columns of a matrix that begins at `from`; columns beyond are 0.
    fn pack(panel: &mut [f32], from: &[f32], columns: usize, (down, right): (usize, usize)) {
        if right == 1 {
            for (i, row) in panel.chunks_exact_mut(COLUMNS).enumerate() {
                let from = &from[i * down..][..columns];
                match from.first_chunk::<COLUMNS>() {
                    Some(whole) => row.copy_from_slice(whole),
                    None => {
                        row[..columns].copy_from_slice(from);
                        row[columns..].fill(0.0);
                    }
                }
            }
            return;
        }
        assert!(down == 1, "one of the strides is 1");
        if columns < COLUMNS {
            panel.fill(0.0);
        }
        // Sixteen steps at a time: a line of each column is read once.
        for (i, rows) in panel.chunks_mut(16 * COLUMNS).enumerate() {
            let count = rows.len() / COLUMNS;
            for j in 0..columns {
                let column = &from[j * right + 16 * i..][..count];
                rows[j..].iter_mut().step_by(COLUMNS).zip(column).for_each(|(to, from)| *to = *from);
            }
        }
    }

    #[derive(Clone, Copy)]
    struct Address(*mut f32);

    // SAFETY: tasks write different blocks.
    unsafe impl Sync for Address {}

    impl Address {
        fn ahead(self, by: usize) -> Address {
            Address(self.0.wrapping_add(by))
        }
    }

    /// The result, m × n.
    struct Place {
        c: Address,
        m: usize,
        n: usize,
    }

    struct Right {
        packed: *const f32,
        panels: std::ops::Range<usize>,
        steps: usize,
        /// Where the steps begin that are packed after these.
        next: *const f32,
    }

    impl Place {
        /// Rows of one panel's columns.
        ///
        /// # Safety
        /// AVX-512F; `a` has m rows of `k`, `panel` k × 48 numbers at a whole line; nobody else touches the block.
        #[target_feature(enable = "avx512f")]
        unsafe fn chunk(
            &self,
            rows: std::ops::Range<usize>,
            a: *const f32,
            k: usize,
            panel: *const f32,
            column: usize,
            bias: Option<&[f32]>,
        ) {
            let masks = self.masks(column);
            for row in rows.step_by(ROWS) {
                let mut sums = [[_mm512_setzero_ps(); VECTORS]; ROWS];
                // SAFETY: by contract; what the masks leave out is not read.
                unsafe {
                    if let Some(bias) = bias {
                        for (i, mask) in masks.iter().enumerate() {
                            let bias =
                                _mm512_maskz_loadu_ps(*mask, bias.as_ptr().wrapping_add(column + 16 * i));
                            for sums in &mut sums {
                                sums[i] = bias;
                            }
                        }
                    }
                    let mut from = [a; ROWS];
                    for (r, from) in from.iter_mut().enumerate() {
                        *from = a.add((row + r).min(self.m - 1) * k);
                    }
                    for step in 0..k {
                        let mut values = [_mm512_setzero_ps(); VECTORS];
                        for (i, value) in values.iter_mut().enumerate() {
                            *value = _mm512_load_ps(panel.add(step * COLUMNS + 16 * i));
                        }
                        for (r, sums) in sums.iter_mut().enumerate() {
                            let number = _mm512_set1_ps(*from[r].add(step));
                            for (sum, value) in sums.iter_mut().zip(values) {
                                *sum = _mm512_fmadd_ps(number, value, *sum);
                            }
                        }
                    }
                    self.store(row, self.m, column, masks, &sums);
                }
            }
        }

        /// Rows of the panels' columns, over the steps that are packed; `add` to what is there.
        ///
        /// # Safety
        /// AVX-512F; `left` holds 8 numbers for each step, `right` its panels at whole lines; nobody else touches the block.
        #[target_feature(enable = "avx512f")]
        unsafe fn transposed(
            &self,
            rows: std::ops::Range<usize>,
            a: &[f32],
            left: &mut [f32],
            right: &Right,
            add: bool,
        ) {
            for row in rows.clone().step_by(ROWS) {
                let count = (rows.end - row).min(ROWS);
                for (from, to) in a.chunks_exact(self.m).zip(left.chunks_exact_mut(ROWS)) {
                    if count == ROWS {
                        to.copy_from_slice(&from[row..row + ROWS]);
                    } else {
                        to[..count].copy_from_slice(&from[row..rows.end]);
                        to[count..].fill(0.0);
                    }
                }
                // What is packed next is asked for meanwhile: with the first panel, the left operand's next eight rows; with
                // each of the others, one line of every step of the right operand's.
                for (place, p) in right.panels.clone().enumerate() {
                    let line = (row - rows.start) / ROWS * (WIDE - 1) + place.saturating_sub(1);
                    let (ahead, by) = match place {
                        0 => (a.as_ptr().wrapping_add(row + ROWS), self.m),
                        _ if line <= 3 * right.panels.len() => (right.next.wrapping_add(16 * line), self.n),
                        _ => (left.as_ptr(), 0),
                    };
                    // SAFETY: by contract; a prefetch reads nothing.
                    unsafe {
                        let panel = right.packed.add(place * right.steps * COLUMNS);
                        self.tile(
                            (row, rows.end),
                            (left.as_ptr(), panel, right.steps),
                            p * COLUMNS,
                            add,
                            (ahead, by),
                        );
                    }
                }
            }
        }

        #[inline(always)]
        unsafe fn tile(
            &self,
            (row, end): (usize, usize),
            (left, panel, steps): (*const f32, *const f32, usize),
            column: usize,
            add: bool,
            (ahead, ahead_by): (*const f32, usize),
        ) {
            unsafe {
                let masks = self.masks(column);
                let mut sums = [[_mm512_setzero_ps(); VECTORS]; ROWS];
                if add {
                    for (r, sums) in sums.iter_mut().enumerate() {
                        if row + r >= end {
                            break;
                        }
                        for (i, sum) in sums.iter_mut().enumerate() {
                            let c = self.c.0.wrapping_add((row + r) * self.n + column + 16 * i);
                            *sum = _mm512_maskz_loadu_ps(masks[i], c);
                        }
                    }
                }
                for step in 0..steps {
                    let mut values = [_mm512_setzero_ps(); VECTORS];
                    for (i, value) in values.iter_mut().enumerate() {
                        *value = _mm512_load_ps(panel.add(step * COLUMNS + 16 * i));
                    }
                    _mm_prefetch::<_MM_HINT_T1>(ahead.wrapping_add(step * ahead_by).cast());
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let number = _mm512_set1_ps(*left.add(step * ROWS + r));
                        for (sum, value) in sums.iter_mut().zip(values) {
                            *sum = _mm512_fmadd_ps(number, value, *sum);
                        }
                    }
                }
                self.store(row, end, column, masks, &sums);
            }
        }

        /// The columns of a panel that exist.
        #[inline(always)]
        fn masks(&self, column: usize) -> [__mmask16; VECTORS] {
            let columns = (self.n - column).min(COLUMNS);
            std::array::from_fn(|i| ((1u32 << columns.saturating_sub(16 * i).min(16)) - 1) as __mmask16)
        }

        #[inline(always)]
        unsafe fn store(
            &self,
            row: usize,
            end: usize,
            column: usize,
            masks: [__mmask16; VECTORS],
            sums: &Tile,
        ) {
            // The bound is a constant, else the sums were not in registers.
            for (r, sums) in sums.iter().enumerate() {
                if row + r >= end {
                    break;
                }
                for (i, sum) in sums.iter().enumerate() {
                    // SAFETY: by contract of the callers; what the masks leave out is not written.
                    unsafe {
                        let c = self.c.0.wrapping_add((row + r) * self.n + column + 16 * i);
                        _mm512_mask_storeu_ps(c, masks[i], *sum);
                    }
                }
            }
        }
    }
}
