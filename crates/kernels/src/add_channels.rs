//! One number for every channel, added: the bias of a convolution.

use crate::element::{Element, by_dtype, same_dtype, tensor, view};
use crate::node::{Backward, node};
use crate::parallel::{Shared, pieces, unfilled};
use crate::record::{Op, step};
use crate::simd::vectorized;
use crate::switch::composed;
use candle_core::{Result, Tensor, bail};
use std::marker::PhantomData;

/// y\[r, c, i, j\] = x\[r, c, i, j\] + bias\[c\].
///
/// `x` (R, C, H, W), `bias` (C) → (R, C, H, W). Differentiable in both.
pub fn add_channels(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (Ok((r, c, h, w)), Ok(n)) = (x.dims4(), bias.dims1()) else {
        bail!("add_channels: expected (R, C, H, W) and (C), got {:?} and {:?}", x.shape(), bias.shape());
    };
    if n != c || x.elem_count() == 0 {
        bail!(
            "add_channels: expected (R, C, H, W), not empty, and (C), got {:?} and {:?}",
            x.shape(),
            bias.shape()
        );
    }
    let dtype = same_dtype("add_channels", x, &[bias])?;
    step(Op::AddChannels, &[x, bias], || {
        if composed(x) {
            return x.broadcast_add(&bias.reshape((1, c, 1, 1))?);
        }
        by_dtype!(dtype, run(x, bias, (r, c, h * w)))
    })
}

fn run<T: Element>(x: &Tensor, bias: &Tensor, (r, c, plane): (usize, usize, usize)) -> Result<Tensor> {
    let (xc, bc) = (x.contiguous()?, bias.contiguous()?);
    let mut y = unfilled::<T>(r * c * plane);
    {
        let (xs, bs) = (view::<T>(&xc)?, view::<T>(&bc)?);
        let (xs, bs): (&[T], &[T]) = (&xs, &bs);
        let out = Shared::new(&mut y);
        pieces(r * c, (32768 / plane).max(1), |p0, p1| {
            // SAFETY: pieces are disjoint.
            let y = unsafe { out.slice(p0 * plane, (p1 - p0) * plane) };
            let x = &xs[p0 * plane..p1 * plane];
            vectorized(
                #[inline(always)]
                || {
                    for (i, (y, x)) in y.chunks_exact_mut(plane).zip(x.chunks_exact(plane)).enumerate() {
                        let bias = bs[(p0 + i) % c];
                        y.iter_mut().zip(x).for_each(|(y, x)| *y = *x + bias);
                    }
                },
            );
        });
    }
    node(&[x, bias], y, x.shape(), Gradients { sizes: (r, c, plane), element: PhantomData::<T> })
}

struct Gradients<T> {
    sizes: (usize, usize, usize),
    element: PhantomData<T>,
}

impl<T: Element> Backward for Gradients<T> {
    fn name(&self) -> &'static str {
        "add_channels"
    }

    fn gradients(&self, _: &Tensor, grad: Tensor, wanted: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let (r, c, plane) = self.sizes;
        let bias = if wanted[1] {
            let dy = view::<T>(&grad)?;
            let dy: &[T] = &dy;
            let mut sums = unfilled::<T>(c);
            let out = Shared::new(&mut sums);
            pieces(c, (32768 / (r * plane)).max(1), |c0, c1| {
                // SAFETY: pieces are disjoint.
                let sums = unsafe { out.slice(c0, c1 - c0) };
                for (sum, c0) in sums.iter_mut().zip(c0..) {
                    // Of the planes in f64, in the order of the batch.
                    let plane_sum = |n: usize| {
                        let at = (n * c + c0) * plane;
                        crate::batch_norm::sum(&dy[at..][..plane], |x| x).to_f64()
                    };
                    *sum = T::from_f64((0..r).map(plane_sum).sum());
                }
            });
            Some(tensor(sums, c))
        } else {
            None
        };
        Ok(vec![wanted[0].then_some(grad), bias])
    }
}
