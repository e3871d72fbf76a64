//! The sum at the end of a residual block, with a factor for each row of what the block adds: stochastic depth.

use crate::element::{Element, by_dtype, same_dtype, tensor, view};
use crate::node::{Backward, node};
use crate::parallel::{Shared, pieces, unfilled};
use crate::record::{Op, step};
use crate::simd::vectorized;
use crate::switch::{composed, host};
use candle_core::{Result, Tensor, bail};
use std::marker::PhantomData;

/// y\[r\] = x\[r\] + factors\[r\] · branch\[r\]; every factor is 1 where there are none.
///
/// `x` and `branch` (R, …) of one shape. Differentiable in both; factors are constants. Where a factor is 0 its row of
/// `branch` has no influence, were it NaN.
pub fn add_scaled(x: &Tensor, branch: &Tensor, factors: Option<&[f64]>) -> Result<Tensor> {
    if x.dims() != branch.dims() || x.rank() == 0 || x.elem_count() == 0 {
        bail!(
            "add_scaled: expected two of one shape (R, …), not empty, got {:?} and {:?}",
            x.shape(),
            branch.shape()
        );
    }
    let rows = x.dim(0)?;
    if let Some(factors) = factors.filter(|factors| factors.len() != rows) {
        bail!("add_scaled: expected a factor for each of {rows} rows, got {}", factors.len());
    }
    let dtype = same_dtype("add_scaled", x, &[branch])?;
    let run = || {
        if composed(x) {
            let Some(factors) = factors else { return x + branch };
            let mut wide = vec![1; x.rank()];
            wide[0] = rows;
            let kept = factors.iter().map(|f| f64::from(u8::from(*f != 0.0))).collect();
            let zeros = branch.zeros_like()?;
            let kept = host(kept, wide.clone(), x)?.broadcast_as(x.shape())?;
            let branch = kept.ne(0.0)?.where_cond(branch, &zeros)?;
            return x + branch.broadcast_mul(&host(factors.to_vec(), wide, x)?)?;
        }
        by_dtype!(dtype, run(x, branch, factors))
    };
    if factors.is_none() { step(Op::Add, &[x, branch], run) } else { run() }
}

fn run<T: Element>(x: &Tensor, branch: &Tensor, factors: Option<&[f64]>) -> Result<Tensor> {
    let (xc, bc) = (x.contiguous()?, branch.contiguous()?);
    let factors = factors.map(|factors| factors.iter().map(|f| T::from_f64(*f)).collect::<Vec<T>>());
    let y = {
        let (xs, bs) = (view::<T>(&xc)?, view::<T>(&bc)?);
        rows(Some(&xs), &bs, factors.as_deref())
    };
    node(&[x, branch], y, x.shape(), Gradient { factors, element: PhantomData::<T> })
}

/// x + factor · branch row by row; x is 0 where there is none.
fn rows<T: Element>(x: Option<&[T]>, branch: &[T], factors: Option<&[T]>) -> Vec<T> {
    let mut y = unfilled::<T>(branch.len());
    let out = Shared::new(&mut y);
    let row = branch.len() / factors.map_or(1, <[T]>::len);
    pieces(branch.len(), 1 << 15, |start, end| {
        let mut at = start;
        // A piece may begin and end within a row.
        while at < end {
            let stop = ((at / row + 1) * row).min(end);
            // SAFETY: pieces are disjoint.
            let y = unsafe { out.slice(at, stop - at) };
            let (branch, x) = (&branch[at..stop], x.map(|x| &x[at..stop]));
            let factor = factors.map_or(T::one(), |factors| factors[at / row]);
            vectorized(
                #[inline(always)]
                || match x {
                    Some(x) if factor == T::zero() => y.copy_from_slice(x),
                    None if factor == T::zero() => y.fill(T::zero()),
                    Some(x) => y.iter_mut().zip(x).zip(branch).for_each(|((y, x), b)| *y = *x + factor * *b),
                    None => y.iter_mut().zip(branch).for_each(|(y, b)| *y = factor * *b),
                },
            );
            at = stop;
        }
    });
    y
}

struct Gradient<T> {
    factors: Option<Vec<T>>,
    element: PhantomData<T>,
}

impl<T: Element> Backward for Gradient<T> {
    fn name(&self) -> &'static str {
        "add_scaled"
    }

    fn gradients(&self, _: &Tensor, grad: Tensor, wanted: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let branch = wanted[1]
            .then(|| -> Result<_> {
                Ok(tensor(rows::<T>(None, &view::<T>(&grad)?, self.factors.as_deref()), grad.shape()))
            })
            .transpose()?;
        Ok(vec![wanted[0].then_some(grad), branch])
    }
}
