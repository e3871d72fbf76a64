//! The fully connected layer.

use super::{add_channels, sums};
use crate::cpu::element::{Element, tensor, view};
use crate::cpu::panels;
use crate::cpu::parallel::{Matrix, Shared, each, fold_parts, pieces, product, unfilled};
use crate::cpu::planes::{column_sums, part};
use crate::dispatch::{Op, apply};
use crate::gpu::Here;
use crate::graph::{Backward, OperandGradients, Output, record};
use candle_core::{DType, Result, Tensor, bail};
use std::ops::Range;

/// y = x · weightᵀ + bias, over the last dimension.
///
/// `x` (…, D) of rank 2 and more, `weight` (O, D), `bias` (O) → (…, O). Differentiable in all three.
///
/// # Errors
/// Fails on shapes that do not fit, and on operands of two types.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let Ok((o, d)) = weight.dims2() else {
        bail!("linear: expected a weight (O, D), got {:?}", weight.shape());
    };
    let fits = x.rank() > 1 && x.dims().last() == Some(&d) && bias.is_none_or(|b| b.dims() == [o]);
    if !fits || x.elem_count() * o == 0 {
        let bias = bias.map(|b| b.shape());
        bail!(
            "linear: expected (R, D) or (…, D), (O, D) and (O), none empty, got {:?}, {:?}, {bias:?}",
            x.shape(),
            weight.shape()
        );
    }
    let mut operands = vec![x, weight];
    operands.extend(bias);
    apply("linear", Linear { r: x.elem_count() / d, d, o }, &operands)
}

#[derive(Clone, Copy)]
struct Linear {
    r: usize,
    d: usize,
    o: usize,
}

/// Rows of one task: many where there are many, so that few tasks pack the same weight.
fn block(rows: usize) -> usize {
    (rows / 16).next_multiple_of(64).clamp(64, 512)
}

impl Op for Linear {
    fn record(&self) -> Option<record::Op> {
        Some(record::Op::Linear)
    }

    fn in_f32(&self) -> Range<usize> {
        2..3
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let Linear { r, d, o } = *self;
        let (xs, ws) = (view::<T>(&x[0])?, view::<T>(&x[1])?);
        let bs = x.get(2).map(view::<T>).transpose()?;
        let (xs, ws, bs) = (&*xs, &*ws, bs.as_deref());
        let mut y = unfilled::<T>(r * o);
        let out = Shared::new(&mut y);
        if !panels::product((r, d, o), xs, (ws, (1, d)), bs, out) {
            pieces(r, block(r), |r0, r1| {
                // SAFETY: rows of one task.
                let y = unsafe { out.slice(r0 * o, (r1 - r0) * o) };
                if let Some(bias) = bs {
                    y.chunks_exact_mut(o).for_each(|row| row.copy_from_slice(bias));
                }
                let (rows, weight) =
                    (Matrix::rows(xs[r0 * d..r1 * d].as_ptr(), d), Matrix::rows(ws.as_ptr(), d));
                // SAFETY: live and apart.
                unsafe { product((r1 - r0, o, d), y.as_mut_ptr(), o, bs.is_some(), rows, weight.t()) };
            });
        }
        let mut shape = x[0].dims().to_vec();
        *shape.last_mut().expect("rank 2 and more") = o;
        Output::cpu(
            y,
            shape,
            LinearBackward {
                x: x[0].clone(),
                weight: x[1].clone(),
                bias: x.get(2).map(Tensor::dtype),
                sizes: *self,
            },
        )
    }

    /// The bias by a kernel of ours, behind candle's product; without one there is nothing of ours to do.
    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Linear { r, d, .. } = *self;
        let (Some(here), Some(bias)) = (Here::of(x[0]), x.get(2)) else { return Ok(None) };
        let rows = x[0].detach().contiguous()?.reshape((r, d))?;
        let product = here.buffer(&rows.matmul(&x[1].detach().t()?)?)?;
        let y = add_channels::gpu::forward(&here, &product, &here.floats_of(bias)?, 1)?;
        let mut shape = x[0].dims().to_vec();
        *shape.last_mut().expect("rank 2 and more") = self.o;
        let backward = LinearBackward {
            x: x[0].detach(),
            weight: x[1].detach(),
            bias: Some(bias.dtype()),
            sizes: *self,
        };
        Ok(Some(Output::new(here.storage(y)?, shape, backward)))
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        let y = x[0].broadcast_matmul(&x[1].t()?)?;
        if let Some(bias) = x.get(2) { y.broadcast_add(&bias.to_dtype(y.dtype())?) } else { Ok(y) }
    }
}

struct LinearBackward {
    x: Tensor,
    weight: Tensor,
    /// The type of the bias, where there is one.
    bias: Option<DType>,
    sizes: Linear,
}

/// Output features of one task of the weight's gradient.
const FEATURES: usize = 64;

impl Backward for LinearBackward {
    fn cpu<T: Element>(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let Linear { r, d, o } = self.sizes;
        let (dy, x, w) = (view::<T>(&grad)?, view::<T>(&self.x)?, view::<T>(&self.weight)?);
        let (dy, x, w) = (&*dy, &*x, &*w);
        let dx = wanted[0].then(|| {
            let mut dx = unfilled(r * d);
            let out = Shared::new(&mut dx);
            if !panels::product((r, o, d), dy, (w, (d, 1)), None, out) {
                pieces(r, block(r), |r0, r1| {
                    // SAFETY: rows of one task; all live and apart.
                    unsafe {
                        let dx = out.slice(r0 * d, (r1 - r0) * d).as_mut_ptr();
                        let (dy, w) = (Matrix::rows(dy[r0 * o..].as_ptr(), o), Matrix::rows(w.as_ptr(), d));
                        product((r1 - r0, d, o), dx, d, false, dy, w);
                    }
                });
            }
            tensor(dx, self.x.shape())
        });
        let dw = wanted[1].then(|| {
            if let Some(dw) = panels::transposed_product((o, r, d), dy, x) {
                return tensor(dw, (o, d));
            }
            let tasks = o.div_ceil(FEATURES);
            let size = part(r, tasks);
            let parts = r.div_ceil(size);
            let mut sums = unfilled(parts * o * d);
            let out = Shared::new(&mut sums);
            each(parts * tasks, |i| {
                let (r0, o0) = (i / tasks * size, i % tasks * FEATURES);
                let (r1, o1) = ((r0 + size).min(r), (o0 + FEATURES).min(o));
                // SAFETY: features of one part are one task's; all live and apart.
                unsafe {
                    let dw = out.slice((i / tasks * o + o0) * d, (o1 - o0) * d).as_mut_ptr();
                    let dy = Matrix::rows(dy[r0 * o + o0..].as_ptr(), o);
                    let x = Matrix::rows(x[r0 * d..].as_ptr(), d);
                    product((o1 - o0, d, r1 - r0), dw, d, false, dy.t(), x);
                }
            });
            tensor(fold_parts(sums, parts, o * d), (o, d))
        });
        let mut grads = vec![dx, dw];
        if let Some(&wanted) = wanted.get(2) {
            grads.push(wanted.then(|| tensor(column_sums(dy, r, o), o)));
        }
        Ok(grads)
    }

    fn gpu(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let Linear { r, d, o } = self.sizes;
        let here = Here::of_gradient(&grad)?;
        let (dy, x) = (grad.reshape((r, o))?, self.x.contiguous()?.reshape((r, d))?);
        let bias = || {
            here.tensor(sums::columns(&here, &here.buffer(&dy)?, o)?, o)?
                .to_dtype(self.bias.unwrap_or(DType::F32))
        };
        Ok(vec![
            wanted[0].then(|| dy.matmul(&self.weight)?.reshape(self.x.shape())).transpose()?,
            wanted[1].then(|| dy.t()?.matmul(&x)).transpose()?,
            wanted[2].then(bias).transpose()?,
        ])
    }
}
