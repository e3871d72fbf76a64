//! Sixteen channels at a time: vectors of one number of each, and the way of planes into them and back.

/// Channels of a block.
pub(super) const B: usize = 16;

/// Numbers from one frequency to the next: an odd number of cache lines, so that those of a tile fall into different sets.
pub(super) fn frequency(rows: usize, channels: usize) -> usize {
    ((rows * channels / B) | 1) * B
}

/// One number of each of sixteen channels.
///
/// All methods are `#[inline(always)]`: they become instructions only inside a function that has the feature.
pub(super) trait Vector: Copy {
    /// # Safety
    /// Sixteen numbers are valid for reads; the machine has the instructions.
    unsafe fn load(from: *const f32) -> Self;
    /// # Safety
    /// Sixteen numbers are valid for writes; the machine has the instructions.
    unsafe fn store(self, to: *mut f32);
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    /// factor · self + other.
    fn scaled_plus(self, factor: f32, other: Self) -> Self;
    fn times(self, factor: f32) -> Self;
}

/// For any machine.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Lanes(pub [f32; B]);

impl Lanes {
    pub const ZERO: Lanes = Lanes([0.0; B]);

    #[inline(always)]
    fn zip(mut self, other: Lanes, f: impl Fn(f32, f32) -> f32) -> Lanes {
        for i in 0..B {
            self.0[i] = f(self.0[i], other.0[i]);
        }
        self
    }
}

impl Vector for Lanes {
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Lanes {
        Lanes(unsafe { from.cast::<[f32; B]>().read() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { to.cast::<[f32; B]>().write(self.0) }
    }

    #[inline(always)]
    fn plus(self, other: Lanes) -> Lanes {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    fn minus(self, other: Lanes) -> Lanes {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    fn scaled_plus(self, factor: f32, other: Lanes) -> Lanes {
        self.zip(other, |a, b| factor * a + b)
    }

    #[inline(always)]
    fn times(self, factor: f32) -> Lanes {
        self.zip(self, |a, _| factor * a)
    }
}

#[cfg(target_arch = "x86_64")]
impl Vector for std::arch::x86_64::__m512 {
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { std::arch::x86_64::_mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { std::arch::x86_64::_mm512_storeu_ps(to, self) }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        // SAFETY: a value of this type was loaded, by contract where the instructions are.
        unsafe { std::arch::x86_64::_mm512_add_ps(self, other) }
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { std::arch::x86_64::_mm512_sub_ps(self, other) }
    }

    #[inline(always)]
    fn scaled_plus(self, factor: f32, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { std::arch::x86_64::_mm512_fmadd_ps(std::arch::x86_64::_mm512_set1_ps(factor), self, other) }
    }

    #[inline(always)]
    fn times(self, factor: f32) -> Self {
        // SAFETY: as above.
        unsafe { std::arch::x86_64::_mm512_mul_ps(std::arch::x86_64::_mm512_set1_ps(factor), self) }
    }
}

/// A body with the type `$v` as the vectors of this machine.
macro_rules! on_vectors {
    ($v:ident => $body:expr) => {{
        #[cfg(target_arch = "x86_64")]
        let wide = crate::cpu::simd::wide();
        #[cfg(not(target_arch = "x86_64"))]
        let wide = false;
        if wide {
            #[cfg(target_arch = "x86_64")]
            {
                type $v = std::arch::x86_64::__m512;
                crate::cpu::simd::vectorized(
                    #[inline(always)]
                    || $body,
                );
            }
        } else {
            type $v = $crate::ops::conv::lanes::Lanes;
            crate::cpu::simd::vectorized(
                #[inline(always)]
                || $body,
            );
        }
    }};
}
pub(super) use on_vectors;

/// Positions `start..end` of sixteen planes as lanes, each at `place(position)` of `to`.
pub(super) fn to_lanes(
    planes: &[f32],
    plane: usize,
    start: usize,
    end: usize,
    to: &mut [f32],
    place: impl Fn(usize) -> Option<usize>,
) {
    #[cfg(target_arch = "x86_64")]
    let start = if crate::cpu::simd::wide() {
        let mut p = start;
        while p + B <= end {
            assert!(15 * plane + p + B <= planes.len());
            // SAFETY: AVX-512 is there; the rows read are inside `planes`.
            let block = unsafe { wide::transposed(planes.as_ptr().add(p), plane) };
            for (i, x) in block.iter().enumerate() {
                if let Some(at) = place(p + i) {
                    to[at..][..B].copy_from_slice(&x.0);
                }
            }
            p += B;
        }
        p
    } else {
        start
    };
    for p in start..end {
        if let Some(at) = place(p) {
            to[at..][..B].iter_mut().enumerate().for_each(|(lane, to)| *to = planes[lane * plane + p]);
        }
    }
}

/// `n` positions as lanes into sixteen planes, `plane` apart.
///
/// # Safety
/// `to` is valid for writes of the first n numbers of all sixteen.
pub(super) unsafe fn from_lanes(from: &[f32], n: usize, plane: usize, to: *mut f32) {
    assert!(from.len() >= n * B);
    let start = 0;
    #[cfg(target_arch = "x86_64")]
    let start = if crate::cpu::simd::wide() {
        let mut p = start;
        while p + B <= n {
            // SAFETY: AVX-512 is there; inside `from`, and inside `to` by contract.
            unsafe {
                let block = wide::transposed(from.as_ptr().add(p * B), B);
                for (lane, x) in block.iter().enumerate() {
                    std::ptr::copy_nonoverlapping(x.0.as_ptr(), to.add(lane * plane + p), B);
                }
            }
            p += B;
        }
        p
    } else {
        start
    };
    for p in start..n {
        for lane in 0..B {
            // SAFETY: by contract.
            unsafe { *to.add(lane * plane + p) = from[p * B + lane] };
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use super::{B, Lanes};
    use std::arch::x86_64::*;

    /// The transpose of sixteen rows of sixteen numbers, `stride` apart.
    ///
    /// # Safety
    /// AVX-512F, and the rows are valid for reads.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn transposed(from: *const f32, stride: usize) -> [Lanes; B] {
        let r: [__m512; B] = std::array::from_fn(|i| unsafe { _mm512_loadu_ps(from.add(i * stride)) });
        let mut t = r;
        for i in 0..8 {
            t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
            t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
        }
        let mut u = t;
        let pd = |x: __m512| _mm512_castps_pd(x);
        for i in 0..4 {
            let q = 4 * i;
            u[q] = _mm512_castpd_ps(_mm512_unpacklo_pd(pd(t[q]), pd(t[q + 2])));
            u[q + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(pd(t[q]), pd(t[q + 2])));
            u[q + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(pd(t[q + 1]), pd(t[q + 3])));
            u[q + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(pd(t[q + 1]), pd(t[q + 3])));
        }
        // u[4g + c] holds, in its quarter k, column 4k + c of rows 4g..4g + 4.
        let mut out = [Lanes::ZERO; B];
        for c in 0..4 {
            let a = _mm512_shuffle_f32x4::<0x88>(u[c], u[4 + c]); // quarters 0, 2 of groups 0, 1
            let b = _mm512_shuffle_f32x4::<0xdd>(u[c], u[4 + c]); // quarters 1, 3
            let d = _mm512_shuffle_f32x4::<0x88>(u[8 + c], u[12 + c]);
            let e = _mm512_shuffle_f32x4::<0xdd>(u[8 + c], u[12 + c]);
            for (k, x) in [
                _mm512_shuffle_f32x4::<0x88>(a, d),
                _mm512_shuffle_f32x4::<0x88>(b, e),
                _mm512_shuffle_f32x4::<0xdd>(a, d),
                _mm512_shuffle_f32x4::<0xdd>(b, e),
            ]
            .into_iter()
            .enumerate()
            {
                unsafe { _mm512_store_ps(out[4 * k + c].0.as_mut_ptr(), x) };
            }
        }
        out
    }
}
