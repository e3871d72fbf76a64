//! Vectors of numbers that follow each other in a row, of which a part can be read or written.

/// Consecutive numbers, in AVX-512 or AVX2.
///
/// All methods are `#[inline(always)]` and need the instructions of their type: they become instructions only inside a
/// function that has the feature.
pub(super) trait Row: Copy {
    const LANES: usize;

    /// # Safety
    /// The instructions are there.
    unsafe fn splat(x: f32) -> Self;
    /// # Safety
    /// [`Self::LANES`] numbers are valid for reads.
    unsafe fn load(from: *const f32) -> Self;
    /// # Safety
    /// [`Self::LANES`] numbers are valid for writes.
    unsafe fn store(self, to: *mut f32);
    /// This, lanes `start..end` read from where they would be if lane 0 were at `at`.
    /// # Safety
    /// The numbers of those lanes are valid for reads; 0 ≤ start ≤ end ≤ [`Self::LANES`].
    unsafe fn patch(self, at: *const f32, start: usize, end: usize) -> Self;
    /// Writes lanes `start..end` to where they are if lane 0 is at `at`.
    /// # Safety
    /// As for [`Self::patch`], for writes.
    unsafe fn store_part(self, at: *mut f32, start: usize, end: usize);
    /// self · factor + sum.
    /// # Safety
    /// The instructions are there.
    unsafe fn fma(self, factor: Self, sum: Self) -> Self;
    /// # Safety
    /// The instructions are there.
    unsafe fn plus(self, other: Self) -> Self;
    /// The even and the odd numbers of `self` and then `next`.
    /// # Safety
    /// The instructions are there.
    unsafe fn split(self, next: Self) -> (Self, Self);
    /// The inverse of [`Self::split`].
    /// # Safety
    /// The instructions are there.
    unsafe fn merge(self, odd: Self) -> (Self, Self);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Row;
    use std::arch::x86_64::*;

    impl Row for __m512 {
        const LANES: usize = 16;

        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            unsafe { _mm512_set1_ps(x) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { _mm512_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self) }
        }

        #[inline(always)]
        unsafe fn patch(self, at: *const f32, start: usize, end: usize) -> Self {
            unsafe { _mm512_mask_loadu_ps(self, mask(start, end), at) }
        }

        #[inline(always)]
        unsafe fn store_part(self, at: *mut f32, start: usize, end: usize) {
            unsafe { _mm512_mask_storeu_ps(at, mask(start, end), self) }
        }

        #[inline(always)]
        unsafe fn fma(self, factor: Self, sum: Self) -> Self {
            unsafe { _mm512_fmadd_ps(self, factor, sum) }
        }

        #[inline(always)]
        unsafe fn plus(self, other: Self) -> Self {
            unsafe { _mm512_add_ps(self, other) }
        }

        #[inline(always)]
        unsafe fn split(self, next: Self) -> (Self, Self) {
            unsafe {
                let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
                let odd = _mm512_or_si512(even, _mm512_set1_epi32(1));
                (_mm512_permutex2var_ps(self, even, next), _mm512_permutex2var_ps(self, odd, next))
            }
        }

        #[inline(always)]
        unsafe fn merge(self, odd: Self) -> (Self, Self) {
            unsafe {
                let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
                let high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
                (_mm512_permutex2var_ps(self, low, odd), _mm512_permutex2var_ps(self, high, odd))
            }
        }
    }

    #[inline(always)]
    fn mask(start: usize, end: usize) -> __mmask16 {
        (((1u32 << end) - 1) & !((1u32 << start) - 1)) as __mmask16
    }

    impl Row for __m256 {
        const LANES: usize = 8;

        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            unsafe { _mm256_set1_ps(x) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { _mm256_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm256_storeu_ps(to, self) }
        }

        #[inline(always)]
        unsafe fn patch(self, at: *const f32, start: usize, end: usize) -> Self {
            unsafe {
                let lanes = lanes(start, end);
                let part = _mm256_maskload_ps(at, lanes);
                _mm256_blendv_ps(self, part, _mm256_castsi256_ps(lanes))
            }
        }

        #[inline(always)]
        unsafe fn store_part(self, at: *mut f32, start: usize, end: usize) {
            unsafe { _mm256_maskstore_ps(at, lanes(start, end), self) }
        }

        #[inline(always)]
        unsafe fn fma(self, factor: Self, sum: Self) -> Self {
            unsafe { _mm256_fmadd_ps(self, factor, sum) }
        }

        #[inline(always)]
        unsafe fn plus(self, other: Self) -> Self {
            unsafe { _mm256_add_ps(self, other) }
        }

        #[inline(always)]
        unsafe fn split(self, next: Self) -> (Self, Self) {
            unsafe {
                let low = _mm256_permute2f128_ps::<0x20>(self, next);
                let high = _mm256_permute2f128_ps::<0x31>(self, next);
                // Halves of `low` are the first four of each, of `high` the last four.
                let even = _mm256_shuffle_ps::<0x88>(low, high);
                (even, _mm256_shuffle_ps::<0xdd>(low, high))
            }
        }

        #[inline(always)]
        unsafe fn merge(self, odd: Self) -> (Self, Self) {
            unsafe {
                let (low, high) = (_mm256_unpacklo_ps(self, odd), _mm256_unpackhi_ps(self, odd));
                (_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high))
            }
        }
    }

    #[inline(always)]
    unsafe fn lanes(start: usize, end: usize) -> __m256i {
        unsafe {
            let at = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let from = _mm256_cmpgt_epi32(_mm256_set1_epi32(start as i32), at);
            _mm256_andnot_si256(from, _mm256_cmpgt_epi32(_mm256_set1_epi32(end as i32), at))
        }
    }
}
