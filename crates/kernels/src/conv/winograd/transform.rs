//! The transforms of F(4×4, 3×3), sixteen channels at a time, and the way of planes into lanes and back.

use super::B;
use std::ops::{Add, Mul, Sub};

/// One number of each of sixteen channels.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Lanes(pub [f32; B]);

impl Lanes {
    pub const ZERO: Lanes = Lanes([0.0; B]);
}

macro_rules! lanes {
    ($trait:ident, $f:ident, $op:tt) => {
        impl $trait for Lanes {
            type Output = Lanes;

            #[inline(always)]
            fn $f(mut self, other: Lanes) -> Lanes {
                for i in 0..B {
                    self.0[i] = self.0[i] $op other.0[i];
                }
                self
            }
        }
    };
}

lanes!(Add, add, +);
lanes!(Sub, sub, -);

impl Mul<Lanes> for f32 {
    type Output = Lanes;

    #[inline(always)]
    fn mul(self, mut x: Lanes) -> Lanes {
        for i in 0..B {
            x.0[i] *= self;
        }
        x
    }
}

#[inline(always)]
pub(super) fn load(from: &[f32]) -> Lanes {
    Lanes(from[..B].try_into().expect("16 numbers"))
}

#[inline(always)]
pub(super) fn store(to: &mut [f32], x: &Lanes) {
    to[..B].copy_from_slice(&x.0);
}

/// Bᵀ d.
#[inline(always)]
fn b([d0, d1, d2, d3, d4, d5]: [Lanes; 6]) -> [Lanes; 6] {
    let (s, t, u, v) = (d4 - 4.0 * d2, d3 - 4.0 * d1, d4 - d2, 2.0 * (d3 - d1));
    [4.0 * d0 - 5.0 * d2 + d4, s + t, s - t, u + v, u - v, 4.0 * d1 - 5.0 * d3 + d5]
}

/// Aᵀ m.
#[inline(always)]
fn a([m0, m1, m2, m3, m4, m5]: [Lanes; 6]) -> [Lanes; 4] {
    let (s, t, u, v) = (m1 + m2, m1 - m2, m3 + m4, m3 - m4);
    [m0 + s + u, t + 2.0 * v, s + 4.0 * u, t + 8.0 * v + m5]
}

/// A y.
#[inline(always)]
fn a_transposed([y0, y1, y2, y3]: [Lanes; 4]) -> [Lanes; 6] {
    let (s, t, u, v) = (y0 + y2, y1 + y3, y0 + 4.0 * y2, 2.0 * y1 + 8.0 * y3);
    [y0, s + t, s - t, u + v, u - v, y3]
}

/// G g.
#[inline(always)]
fn g([g0, g1, g2]: [Lanes; 3]) -> [Lanes; 6] {
    let (s, t) = ((-1.0 / 6.0) * (g0 + g2), (1.0 / 6.0) * g1);
    let (u, v) = ((1.0 / 24.0) * g0 + (1.0 / 6.0) * g2, (1.0 / 12.0) * g1);
    [0.25 * g0, s - t, s + t, u + v, u - v, g2]
}

/// Gᵀ u.
#[inline(always)]
fn g_transposed([u0, u1, u2, u3, u4, u5]: [Lanes; 6]) -> [Lanes; 3] {
    let (s, t, u, v) = (u1 + u2, u2 - u1, u3 + u4, u3 - u4);
    [
        0.25 * u0 - (1.0 / 6.0) * s + (1.0 / 24.0) * u,
        (1.0 / 6.0) * t + (1.0 / 12.0) * v,
        (1.0 / 6.0) * (u - s) + u5,
    ]
}

/// Bᵀ d B; d's rows are `stride` apart.
#[inline(always)]
pub(super) fn input(from: &[f32], stride: usize) -> [Lanes; 36] {
    let mut half = [Lanes::ZERO; 36];
    for j in 0..6 {
        let column = b(std::array::from_fn(|i| load(&from[i * stride + j * B..])));
        (0..6).for_each(|i| half[i * 6 + j] = column[i]);
    }
    let mut out = [Lanes::ZERO; 36];
    for i in 0..6 {
        let row = b(std::array::from_fn(|j| half[i * 6 + j]));
        (0..6).for_each(|j| out[i * 6 + j] = row[j]);
    }
    out
}

/// Aᵀ m A; m's frequencies are `stride` apart.
#[inline(always)]
pub(super) fn output(from: &[f32], stride: usize) -> [Lanes; 16] {
    let mut half = [Lanes::ZERO; 24];
    for j in 0..6 {
        let column = a(std::array::from_fn(|i| load(&from[(i * 6 + j) * stride..])));
        (0..4).for_each(|i| half[i * 6 + j] = column[i]);
    }
    let mut out = [Lanes::ZERO; 16];
    for i in 0..4 {
        let row = a(std::array::from_fn(|j| half[i * 6 + j]));
        (0..4).for_each(|j| out[i * 4 + j] = row[j]);
    }
    out
}

/// A dY Aᵀ; dY's rows are `stride` apart.
#[inline(always)]
pub(super) fn gradient(from: &[f32], stride: usize) -> [Lanes; 36] {
    let mut half = [Lanes::ZERO; 24];
    for j in 0..4 {
        let column = a_transposed(std::array::from_fn(|i| load(&from[i * stride + j * B..])));
        (0..6).for_each(|i| half[i * 4 + j] = column[i]);
    }
    let mut out = [Lanes::ZERO; 36];
    for i in 0..6 {
        let row = a_transposed(std::array::from_fn(|j| half[i * 4 + j]));
        (0..6).for_each(|j| out[i * 6 + j] = row[j]);
    }
    out
}

/// G g Gᵀ.
#[inline(always)]
pub(super) fn kernel(from: &[Lanes; 9]) -> [Lanes; 36] {
    let mut half = [Lanes::ZERO; 18];
    for j in 0..3 {
        let column = g(std::array::from_fn(|i| from[i * 3 + j]));
        (0..6).for_each(|i| half[i * 3 + j] = column[i]);
    }
    let mut out = [Lanes::ZERO; 36];
    for i in 0..6 {
        let row = g(std::array::from_fn(|j| half[i * 3 + j]));
        (0..6).for_each(|j| out[i * 6 + j] = row[j]);
    }
    out
}

/// Gᵀ u G; u's frequencies are `stride` apart.
#[inline(always)]
pub(super) fn kernel_gradient(from: &[f32], stride: usize) -> [Lanes; 9] {
    let mut half = [Lanes::ZERO; 18];
    for j in 0..6 {
        let column = g_transposed(std::array::from_fn(|i| load(&from[(i * 6 + j) * stride..])));
        (0..3).for_each(|i| half[i * 6 + j] = column[i]);
    }
    let mut out = [Lanes::ZERO; 9];
    for i in 0..3 {
        let row = g_transposed(std::array::from_fn(|j| half[i * 6 + j]));
        (0..3).for_each(|j| out[i * 3 + j] = row[j]);
    }
    out
}

/// Positions `start..end` of sixteen planes as lanes, each at `place(position)` of `to`.
pub(super) fn to_lanes(
    planes: &[f32],
    plane: usize,
    start: usize,
    end: usize,
    to: &mut [f32],
    place: impl Fn(usize) -> Option<usize>,
) {
    let mut p = start;
    #[cfg(target_arch = "x86_64")]
    if crate::simd::wide() {
        while p + B <= end {
            assert!(15 * plane + p + B <= planes.len());
            // SAFETY: AVX-512 is there; the rows read are inside `planes`.
            let block = unsafe { wide::transposed(planes.as_ptr().add(p), plane) };
            for (i, x) in block.iter().enumerate() {
                if let Some(at) = place(p + i) {
                    store(&mut to[at..], x);
                }
            }
            p += B;
        }
    }
    for p in p..end {
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
    let mut p = 0;
    #[cfg(target_arch = "x86_64")]
    if crate::simd::wide() {
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
    }
    for p in p..n {
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
