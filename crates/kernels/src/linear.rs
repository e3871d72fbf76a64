//! The fully connected layer.

use crate::element::{Element, by_dtype, same_dtype, tensor, view};
use crate::node::{Backward, node};
use crate::parallel::{Shared, pieces, product, unfilled};
use crate::switch::composed;
use candle_core::{Result, Tensor, bail};
use std::marker::PhantomData;

/// y = x · weightᵀ + bias.
///
/// `x` (R, D), `weight` (O, D), `bias` (O) → (R, O). Differentiable in all three.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (Ok((r, d)), Ok((o, wd))) = (x.dims2(), weight.dims2()) else {
        bail!("linear: expected (R, D) and (O, D), got {:?} and {:?}", x.shape(), weight.shape());
    };
    if d != wd || r * d * o == 0 || bias.is_some_and(|b| b.dims() != [o]) {
        let bias = bias.map(|b| b.shape());
        bail!(
            "linear: expected (R, D), (O, D) and (O), none empty, got {:?}, {:?}, {bias:?}",
            x.shape(),
            weight.shape()
        );
    }
    let dtype = same_dtype("linear", x, &[weight])?;
    same_dtype("linear", x, bias.as_slice())?;
    if composed(x) {
        let y = x.matmul(&weight.t()?)?;
        return if let Some(bias) = bias { y.broadcast_add(bias) } else { Ok(y) };
    }
    by_dtype!(dtype, run(x, weight, bias, (r, d, o)))
}

/// Rows, or columns, of one task.
const BLOCK: usize = 64;

fn run<T: Element>(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    (r, d, o): (usize, usize, usize),
) -> Result<Tensor> {
    let (xc, wc) = (x.contiguous()?, weight.contiguous()?);
    let bc = bias.map(Tensor::contiguous).transpose()?;
    let mut y = unfilled::<T>(r * o);
    {
        let (xs, ws) = (view::<T>(&xc)?, view::<T>(&wc)?);
        let bs = bc.as_ref().map(view::<T>).transpose()?;
        let (xs, ws, bs): (&[T], &[T], Option<&[T]>) = (&xs, &ws, bs.as_deref());
        let out = Shared::new(&mut y);
        pieces(r, BLOCK, |r0, r1| {
            // SAFETY: rows of one task.
            let y = unsafe { out.slice(r0 * o, (r1 - r0) * o) };
            if let Some(bias) = bs {
                y.chunks_exact_mut(o).for_each(|row| row.copy_from_slice(bias));
            }
            let rows = xs[r0 * d..r1 * d].as_ptr();
            // SAFETY: live and apart.
            unsafe {
                product(
                    (r1 - r0, o, d),
                    y.as_mut_ptr(),
                    (o, 1),
                    bs.is_some(),
                    rows,
                    (d, 1),
                    ws.as_ptr(),
                    (1, d),
                )
            };
        });
    }
    let mut inputs = vec![x, weight];
    inputs.extend(bias);
    node(&inputs, y, (r, o), Gradients::<T> { x: xc.detach(), weight: wc.detach(), element: PhantomData })
}

struct Gradients<T> {
    x: Tensor,
    weight: Tensor,
    element: PhantomData<T>,
}

impl<T: Element> Backward for Gradients<T> {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn gradients(&self, _: &Tensor, grad: Tensor, wanted: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let ((r, d), o) = (self.x.dims2()?, self.weight.dim(0)?);
        let (dy, x, w) = (view::<T>(&grad)?, view::<T>(&self.x)?, view::<T>(&self.weight)?);
        let (dy, x, w): (&[T], &[T], &[T]) = (&dy, &x, &w);
        let dx = wanted[0].then(|| {
            let mut dx = unfilled(r * d);
            let out = Shared::new(&mut dx);
            pieces(r, BLOCK, |r0, r1| {
                // SAFETY: rows of one task; all live and apart.
                unsafe {
                    let dx = out.slice(r0 * d, (r1 - r0) * d).as_mut_ptr();
                    product(
                        (r1 - r0, d, o),
                        dx,
                        (d, 1),
                        false,
                        dy[r0 * o..].as_ptr(),
                        (o, 1),
                        w.as_ptr(),
                        (d, 1),
                    );
                }
            });
            tensor(dx, (r, d))
        });
        let dw = wanted[1].then(|| {
            let mut dw = unfilled(o * d);
            let out = Shared::new(&mut dw);
            pieces(o, BLOCK, |o0, o1| {
                // SAFETY: rows of one task; all live and apart.
                unsafe {
                    let dw = out.slice(o0 * d, (o1 - o0) * d).as_mut_ptr();
                    product(
                        (o1 - o0, d, r),
                        dw,
                        (d, 1),
                        false,
                        dy[o0..].as_ptr(),
                        (1, o),
                        x.as_ptr(),
                        (d, 1),
                    );
                }
            });
            tensor(dw, (o, d))
        });
        let mut grads = vec![dx, dw];
        if let Some(&wanted) = wanted.get(2) {
            grads.push(wanted.then(|| {
                let mut db = vec![T::zero(); o];
                dy.chunks_exact(o).for_each(|row| db.iter_mut().zip(row).for_each(|(b, y)| *b += *y));
                tensor(db, o)
            }));
        }
        Ok(grads)
    }
}
