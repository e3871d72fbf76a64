//! The class token before a sequence of patches, and the positions of both.

pub mod gpu;

use crate::cpu::element::{Element, tensor, view};
use crate::cpu::parallel::filled;
use crate::cpu::simd::vectorized;
use crate::dispatch::{Op, apply};
use crate::gpu::Here;
use crate::graph::{Backward, OperandGradients, Output, record};
use candle_core::{Result, Tensor, bail};

/// y\[r, 0\] = token + positions\[0\], y\[r, 1 + l\] = x\[r, l\] + positions\[1 + l\].
///
/// `x` (R, L, D), `token` (D), `positions` (1 + L, D) → (R, 1 + L, D). Differentiable in all three.
///
/// # Errors
/// Fails on shapes that do not fit, and on operands of two types.
///
/// Source: Dosovitskiy et al. 2021, arXiv:2010.11929, equation 1.
pub fn class_token(x: &Tensor, token: &Tensor, positions: &Tensor) -> Result<Tensor> {
    let (r, l, d) = x.dims3()?;
    if token.dims() != [d] || positions.dims() != [l + 1, d] || x.elem_count() == 0 {
        bail!(
            "class_token: expected (R, L, D), (D) and (1 + L, D), got {:?}, {:?} and {:?}",
            x.shape(),
            token.shape(),
            positions.shape()
        );
    }
    apply("class_token", ClassToken { r, l, d }, &[x, token, positions])
}

#[derive(Clone, Copy)]
struct ClassToken {
    r: usize,
    l: usize,
    d: usize,
}

impl Op for ClassToken {
    fn record(&self) -> Option<record::Op> {
        Some(record::Op::ClassToken)
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let ClassToken { r, l, d } = *self;
        let (xs, ts, ps) = (view::<T>(&x[0])?, view::<T>(&x[1])?, view::<T>(&x[2])?);
        let (xs, ts, ps) = (&*xs, &*ts, &*ps);
        let y = filled(r, (l + 1) * d, 1, |row, y| {
            vectorized(
                #[inline(always)]
                || {
                    let (first, rest) = y.split_at_mut(d);
                    first.iter_mut().zip(ts).zip(ps).for_each(|((y, t), p)| *y = *t + *p);
                    let x = &xs[row * l * d..][..l * d];
                    rest.iter_mut().zip(x).zip(&ps[d..]).for_each(|((y, x), p)| *y = *x + *p);
                },
            );
        });
        Output::cpu(y, (r, l + 1, d), ClassTokenBackward(*self))
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let (token, positions) = (here.floats_of(x[1])?, here.floats_of(x[2])?);
        let y = gpu::forward(&here, &here.buffer(x[0])?, &token, &positions)?;
        let shape = (self.r, self.l + 1, self.d);
        Ok(Some(Output::new(here.storage(y)?, shape, ClassTokenBackward(*self))))
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        let first = x[1].reshape((1, 1, self.d))?.broadcast_as((self.r, 1, self.d))?;
        Tensor::cat(&[&first, x[0]], 1)?.broadcast_add(x[2])
    }
}

struct ClassTokenBackward(ClassToken);

impl Backward for ClassTokenBackward {
    fn cpu<T: Element>(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let ClassToken { r, l, d } = self.0;
        let width = (l + 1) * d;
        let dy = view::<T>(&grad)?;
        let dy = &*dy;
        let dx = wanted[0].then(|| {
            let mut dx = Vec::with_capacity(r * l * d);
            dy.chunks_exact(width).for_each(|row| dx.extend_from_slice(&row[d..]));
            tensor(dx, (r, l, d))
        });
        let sums = filled(width, 1, 1 << 12, |start, sums| {
            let end = start + sums.len();
            sums.copy_from_slice(&dy[start..end]);
            vectorized(
                #[inline(always)]
                || {
                    for row in 1..r {
                        let dy = &dy[row * width..][start..end];
                        sums.iter_mut().zip(dy).for_each(|(sum, dy)| *sum += *dy);
                    }
                },
            );
        });
        let token = wanted[1].then(|| tensor(sums[..d].to_vec(), d));
        Ok(vec![dx, token, wanted[2].then(|| tensor(sums, (l + 1, d)))])
    }

    fn gpu(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let ClassToken { r, l, d } = self.0;
        let here = Here::of_gradient(&grad)?;
        let [dx, token, positions] = gpu::backward(&here, &here.buffer(&grad)?, ((l + 1) * d, d))?;
        Ok(vec![
            wanted[0].then(|| here.tensor(dx, (r, l, d))).transpose()?,
            wanted[1].then(|| here.tensor(token, d)?.to_dtype(grad.dtype())).transpose()?,
            wanted[2].then(|| here.tensor(positions, (l + 1, d))?.to_dtype(grad.dtype())).transpose()?,
        ])
    }
}
