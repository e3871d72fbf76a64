//! Ops that make each number of its own, with their gradient.

use crate::element::{Element, tensor, view};
use crate::node::{Backward, node};
use crate::parallel::{Shared, pieces, unfilled};
use crate::simd::vectorized;
use candle_core::{Result, Tensor};
use std::marker::PhantomData;

/// y = f(x), dx = df(dy, x), number by number.
pub(crate) fn pointwise<T: Element>(
    name: &'static str,
    x: &Tensor,
    f: impl Fn(T) -> T + Send + Sync,
    df: impl Fn(T, T) -> T + Send + Sync + 'static,
) -> Result<Tensor> {
    let xc = x.contiguous()?;
    let y = zip(&view::<T>(&xc)?, &[], |x, _| f(x));
    node(&[x], y, x.shape(), Gradient { name, x: xc.detach(), df, element: PhantomData::<fn() -> T> })
}

struct Gradient<T, F> {
    name: &'static str,
    x: Tensor,
    df: F,
    element: PhantomData<fn() -> T>,
}

impl<T: Element, F: Fn(T, T) -> T + Send + Sync + 'static> Backward for Gradient<T, F> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn gradients(&self, _: &Tensor, grad: Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let dx = zip(&view::<T>(&grad)?, &view::<T>(&self.x)?, &self.df);
        Ok(vec![Some(tensor(dx, grad.shape()))])
    }
}

/// f(a[i], b[i]) for all i; b may be empty, and is 0 then.
pub(crate) fn zip<T: Element>(a: &[T], b: &[T], f: impl Fn(T, T) -> T + Send + Sync) -> Vec<T> {
    let mut out = unfilled(a.len());
    let shared = Shared::new(&mut out);
    pieces(a.len(), 1 << 15, |start, end| {
        // SAFETY: pieces are disjoint.
        let out = unsafe { shared.slice(start, end - start) };
        let a = &a[start..end];
        vectorized(
            #[inline(always)]
            || match b.get(start..end) {
                Some(b) => out.iter_mut().zip(a).zip(b).for_each(|((o, a), b)| *o = f(*a, *b)),
                None => out.iter_mut().zip(a).for_each(|(o, a)| *o = f(*a, T::zero())),
            },
        );
    });
    out
}
