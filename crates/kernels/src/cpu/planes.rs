//! Sums over one plane of a map, in thirty-two lanes, and over the rows of a matrix.

use super::element::Element;
use super::parallel::{filled, fold_parts};
use super::simd::vectorized;

/// Σ f(x[i]).
#[inline(always)]
pub(crate) fn sum<T: Element>(x: &[T], f: impl Fn(T) -> T) -> T {
    let mut lanes = [T::zero(); 32];
    let mut chunks = x.chunks_exact(32);
    for chunk in &mut chunks {
        (0..32).for_each(|i| lanes[i] += f(chunk[i]));
    }
    // A loop: `for_each` on what is left stays a call, compiled without the vectors.
    for (lane, x) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane += f(*x);
    }
    fold(lanes)
}

/// Σ a[i] · b[i].
#[inline(always)]
pub(crate) fn dot<T: Element>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::zero(); 32];
    let (mut left, mut right) = (a.chunks_exact(32), b.chunks_exact(32));
    for (a, b) in (&mut left).zip(&mut right) {
        (0..32).for_each(|i| lanes[i] += a[i] * b[i]);
    }
    let rest = left.remainder().iter().zip(right.remainder());
    for (lane, (a, b)) in lanes.iter_mut().zip(rest) {
        *lane += *a * *b;
    }
    fold(lanes)
}

#[inline(always)]
pub(crate) fn fold<T: Element>(lanes: [T; 32]) -> T {
    lanes.iter().fold(T::zero(), |sum, lane| sum + *lane)
}

/// Rows of one part of the sums over rows, for a sum in `tasks` pieces of its own.
pub(crate) fn part(rows: usize, tasks: usize) -> usize {
    // Sixteen tasks keep any few threads busy; each part costs a pass over the sums.
    rows.div_ceil((16 / tasks).max(1)).max(1024)
}

/// Σ over rows of `x` (r, o), in parts of a size that r alone decides.
pub(crate) fn column_sums<T: Element>(x: &[T], r: usize, o: usize) -> Vec<T> {
    let size = part(r, 1);
    let parts = r.div_ceil(size);
    let sums = filled(parts, o, 1, |part, sums| {
        sums.fill(T::zero());
        vectorized(
            #[inline(always)]
            || {
                for row in x[part * size * o..((part + 1) * size).min(r) * o].chunks_exact(o) {
                    sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += *x);
                }
            },
        );
    });
    fold_parts(sums, parts, o)
}
