//! Sums, maxima and exponentials of one row, in sixteen lanes.

use crate::cpu::element::Element;

const LANES: usize = 16;

/// The lanes added pairwise: the same order on every machine.
#[inline(always)]
fn fold<T: Element>(mut lanes: [T; LANES]) -> T {
    let mut n = LANES / 2;
    while n > 0 {
        for i in 0..n {
            lanes[i] += lanes[i + n];
        }
        n /= 2;
    }
    lanes[0]
}

/// Σ x.
#[inline(always)]
pub(crate) fn sum<T: Element>(x: &[T]) -> T {
    let mut lanes = [T::zero(); LANES];
    let mut chunks = x.chunks_exact(LANES);
    for x in &mut chunks {
        (0..LANES).for_each(|i| lanes[i] += x[i]);
    }
    let mut rest = [T::zero(); LANES];
    chunks.remainder().iter().zip(&mut rest).for_each(|(x, rest)| *rest = *x);
    (0..LANES).for_each(|i| lanes[i] += rest[i]);
    fold(lanes)
}

/// Σ (x − m)².
#[inline(always)]
pub(crate) fn squares<T: Element>(x: &[T], m: T) -> T {
    let mut lanes = [T::zero(); LANES];
    let mut chunks = x.chunks_exact(LANES);
    for x in &mut chunks {
        (0..LANES).for_each(|i| lanes[i] += (x[i] - m) * (x[i] - m));
    }
    let mut rest = [T::zero(); LANES];
    chunks.remainder().iter().zip(&mut rest).for_each(|(x, rest)| *rest = (*x - m) * (*x - m));
    (0..LANES).for_each(|i| lanes[i] += rest[i]);
    fold(lanes)
}

/// Σ a·(b − m).
#[inline(always)]
pub(crate) fn dot<T: Element>(a: &[T], b: &[T], m: T) -> T {
    let mut lanes = [T::zero(); LANES];
    let (mut a, mut b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (a, b) in (&mut a).zip(&mut b) {
        (0..LANES).for_each(|i| lanes[i] += a[i] * (b[i] - m));
    }
    let mut rest = [T::zero(); LANES];
    let pairs = a.remainder().iter().zip(b.remainder());
    pairs.zip(&mut rest).for_each(|((a, b), rest)| *rest = *a * (*b - m));
    (0..LANES).for_each(|i| lanes[i] += rest[i]);
    fold(lanes)
}

/// The largest; −∞ of none, and NaN is passed over.
#[inline(always)]
pub(crate) fn max<T: Element>(x: &[T]) -> T {
    let low = T::from_f64(f64::NEG_INFINITY);
    let mut lanes = [low; LANES];
    let mut chunks = x.chunks_exact(LANES);
    for x in &mut chunks {
        (0..LANES).for_each(|i| lanes[i] = if x[i] > lanes[i] { x[i] } else { lanes[i] });
    }
    let rest = chunks.remainder().iter().fold(low, |m, x| if *x > m { *x } else { m });
    lanes.iter().fold(rest, |m, x| if *x > m { *x } else { m })
}

/// x ← e^(x − m); their sum.
#[inline(always)]
pub(crate) fn exp<T: Element>(x: &mut [T], m: T) -> T {
    x.iter_mut().for_each(|x| *x = (*x - m).exp());
    sum(x)
}
