//! Loops that make each number of its own.

use super::element::Element;
use super::parallel::filled;
use super::simd::vectorized;

/// f(a[i], b[i]) for all i; b may be empty, and is 0 then.
pub(crate) fn zip<T: Element>(a: &[T], b: &[T], f: impl Fn(T, T) -> T + Send + Sync) -> Vec<T> {
    filled(a.len(), 1, 1 << 15, |start, out| {
        let end = start + out.len();
        let a = &a[start..end];
        vectorized(
            #[inline(always)]
            || match b.get(start..end) {
                Some(b) => out.iter_mut().zip(a).zip(b).for_each(|((o, a), b)| *o = f(*a, *b)),
                None => out.iter_mut().zip(a).for_each(|(o, a)| *o = f(*a, T::zero())),
            },
        );
    })
}

/// max(x, floor); NaN stays NaN.
#[inline(always)]
pub(crate) fn cut<T: Element>(x: T, floor: T) -> T {
    if x < floor { floor } else { x }
}
