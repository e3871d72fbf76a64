//! The fully connected layer.

use crate::element::{Element, by_dtype, same_dtype, tensor, view};
use crate::node::{Backward, node};
use crate::panels;
use crate::parallel::{Shared, each, fold_parts, pieces, product, unfilled};
use crate::record::{Op, step};
use crate::simd::vectorized;
use crate::switch::composed;
use candle_core::{Result, Tensor, bail};
use std::marker::PhantomData;

/// y = x · weightᵀ + bias, over the last dimension.
///
/// `x` (…, D) of rank 2 and more, `weight` (O, D), `bias` (O) → (…, O). Differentiable in all three.
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
    let dtype = same_dtype("linear", x, &[weight])?;
    same_dtype("linear", x, bias.as_slice())?;
    let mut inputs = vec![x, weight];
    inputs.extend(bias);
    step(Op::Linear, &inputs, || {
        if composed(x) {
            let y = x.broadcast_matmul(&weight.t()?)?;
            return if let Some(bias) = bias { y.broadcast_add(bias) } else { Ok(y) };
        }
        by_dtype!(dtype, run(x, weight, bias, (x.elem_count() / d, d, o)))
    })
}

/// Rows of one task: many where there are many, so that few tasks pack the same weight.
fn block(rows: usize) -> usize {
    (rows / 16).next_multiple_of(64).clamp(64, 512)
}

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
        if !panels::product((r, d, o), xs, (ws, (1, d)), bs, out) {
            pieces(r, block(r), |r0, r1| {
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
    }
    let mut inputs = vec![x, weight];
    inputs.extend(bias);
    let mut shape = x.dims().to_vec();
    *shape.last_mut().expect("rank 2 and more") = o;
    node(&inputs, y, shape, Gradients::<T> { x: xc.detach(), weight: wc.detach(), element: PhantomData })
}

struct Gradients<T> {
    x: Tensor,
    weight: Tensor,
    element: PhantomData<T>,
}

/// Output features of one task of the weight's gradient.
const FEATURES: usize = 64;

/// Rows of one part of the sums over rows, for a gradient in `tasks` pieces of its own.
fn part(rows: usize, tasks: usize) -> usize {
    // Sixteen tasks keep any few threads busy; each part costs a pass over the gradient.
    rows.div_ceil((16 / tasks).max(1)).max(1024)
}

impl<T: Element> Backward for Gradients<T> {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn gradients(&self, _: &Tensor, grad: Tensor, wanted: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let (o, d) = self.weight.dims2()?;
        let r = self.x.elem_count() / d;
        let (dy, x, w) = (view::<T>(&grad)?, view::<T>(&self.x)?, view::<T>(&self.weight)?);
        let (dy, x, w): (&[T], &[T], &[T]) = (&dy, &x, &w);
        let dx = wanted[0].then(|| {
            let mut dx = unfilled(r * d);
            let out = Shared::new(&mut dx);
            if !panels::product((r, o, d), dy, (w, (d, 1)), None, out) {
                pieces(r, block(r), |r0, r1| {
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
                    product(
                        (o1 - o0, d, r1 - r0),
                        dw,
                        (d, 1),
                        false,
                        dy[r0 * o + o0..].as_ptr(),
                        (1, o),
                        x[r0 * d..].as_ptr(),
                        (d, 1),
                    );
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
}

/// Σ over rows of `dy` (r, o), in parts of a size that r alone decides.
pub(crate) fn column_sums<T: Element>(dy: &[T], r: usize, o: usize) -> Vec<T> {
    let size = part(r, 1);
    let parts = r.div_ceil(size);
    let mut sums = vec![T::zero(); parts * o];
    let out = Shared::new(&mut sums);
    each(parts, |i| {
        // SAFETY: one part to a task.
        let sums = unsafe { out.slice(i * o, o) };
        vectorized(
            #[inline(always)]
            || {
                for row in dy[i * size * o..((i + 1) * size).min(r) * o].chunks_exact(o) {
                    sums.iter_mut().zip(row).for_each(|(sum, y)| *sum += *y);
                }
            },
        );
    });
    fold_parts(sums, parts, o)
}
