//! The sum at the end of a residual block, with a factor for each row of what the block adds: stochastic depth.

pub mod gpu;

use crate::copy::copy;
use crate::cpu::element::{Element, tensor, view};
use crate::cpu::parallel::filled;
use crate::cpu::simd::vectorized;
use crate::dispatch::{Op, apply, host};
use crate::gpu::{Buffer, Device, Here};
use crate::graph::{Backward, OperandGradients, Output, record};
use candle_core::{Result, Tensor, bail};

/// y\[r\] = x\[r\] + factors\[r\] · branch\[r\]; every factor is 1 where there are none.
///
/// `x` and `branch` (R, …) of one shape. Differentiable in both; factors are constants. Where a factor is 0 its row of
/// `branch` has no influence, were it NaN.
///
/// # Errors
/// Fails on shapes that do not fit, and on operands of two types.
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
    apply("add_scaled", AddScaled { factors }, &[x, branch])
}

struct AddScaled<'a> {
    factors: Option<&'a [f64]>,
}

impl Op for AddScaled<'_> {
    fn record(&self) -> Option<record::Op> {
        self.factors.is_none().then_some(record::Op::Add)
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let factors = self.factors.map(tensor_of::<T>);
        let y = rows::<T>(Some(&x[0]), &x[1], factors.as_ref())?;
        Output::cpu(y, x[0].shape(), AddScaledBackward { factors })
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let factors = self.factors.map(|factors| floats_of(&here, factors)).transpose()?;
        let (a, b) = (here.buffer(x[0])?, here.buffer(x[1])?);
        let y = gpu::forward(&here, (&a, &b), factors.as_ref())?;
        let rows = |factors| here.tensor(factors, x[0].dim(0)?);
        let backward = AddScaledBackward { factors: factors.map(rows).transpose()? };
        Ok(Some(Output::new(here.storage(y)?, x[0].shape(), backward)))
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        let (x, branch) = (x[0], x[1]);
        let Some(factors) = self.factors else { return x + branch };
        let mut wide = vec![1; x.rank()];
        wide[0] = factors.len();
        let kept = factors.iter().map(|f| f64::from(u8::from(*f != 0.0))).collect();
        let zeros = branch.zeros_like()?;
        let kept = host(kept, wide.clone(), x)?.broadcast_as(x.shape())?;
        let branch = kept.ne(0.0)?.where_cond(branch, &zeros)?;
        x + branch.broadcast_mul(&host(factors.to_vec(), wide, x)?)?
    }
}

/// The factors of rows as T.
pub(super) fn tensor_of<T: Element>(factors: &[f64]) -> Tensor {
    tensor(factors.iter().map(|f| T::from_f64(*f)).collect::<Vec<T>>(), factors.len())
}

/// The same in f32 where a GPU reads them.
pub(super) fn floats_of(here: &Here, factors: &[f64]) -> Result<Buffer> {
    here.floats(&factors.iter().map(|f| *f as f32).collect::<Vec<f32>>())
}

/// x + factor · branch row by row; x is 0 where there is none.
fn rows<T: Element>(x: Option<&Tensor>, branch: &Tensor, factors: Option<&Tensor>) -> Result<Vec<T>> {
    let (x, branch) = (x.map(view::<T>).transpose()?, view::<T>(branch)?);
    let factors = factors.map(view::<T>).transpose()?;
    let (x, branch, factors) = (x.as_deref(), &*branch, factors.as_deref());
    let row = branch.len() / factors.map_or(1, <[T]>::len);
    Ok(filled(branch.len(), 1, 1 << 15, |start, y: &mut [T]| {
        let (mut at, end, mut y) = (start, start + y.len(), y);
        // A piece may begin and end within a row.
        while at < end {
            let stop = ((at / row + 1) * row).min(end);
            let (part, rest) = y.split_at_mut(stop - at);
            let (branch, x) = (&branch[at..stop], x.map(|x| &x[at..stop]));
            let factor = factors.map_or(T::one(), |factors| factors[at / row]);
            vectorized(
                #[inline(always)]
                || match x {
                    Some(x) if factor == T::zero() => part.copy_from_slice(x),
                    None if factor == T::zero() => part.fill(T::zero()),
                    Some(x) => {
                        part.iter_mut().zip(x).zip(branch).for_each(|((y, x), b)| *y = *x + factor * *b)
                    }
                    None => part.iter_mut().zip(branch).for_each(|(y, b)| *y = factor * *b),
                },
            );
            (at, y) = (stop, rest);
        }
    }))
}

struct AddScaledBackward {
    factors: Option<Tensor>,
}

impl Backward for AddScaledBackward {
    fn cpu<T: Element>(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let scaled = || rows::<T>(None, &grad, self.factors.as_ref());
        let branch = wanted[1].then(scaled).transpose()?.map(|branch| tensor(branch, grad.shape()));
        Ok(vec![wanted[0].then_some(grad), branch])
    }

    fn gpu(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let here = Here::of_gradient(&grad)?;
        let branch = match &self.factors {
            _ if !wanted[1] => None,
            // Two gradients, each with numbers of its own.
            None => Some(copy(&grad)?),
            Some(factors) => {
                let dbranch = gpu::backward(&here, &here.buffer(&grad)?, &here.buffer(factors)?)?;
                Some(here.tensor(dbranch, grad.shape())?)
            }
        };
        Ok(vec![wanted[0].then_some(grad), branch])
    }
}
