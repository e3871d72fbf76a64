//! Maps side by side in the channels: what a dense block sees.

use crate::element::{Element, by_dtype, same_dtype, tensor, view};
use crate::node::{Backward, node};
use crate::parallel::{Shared, each, unfilled};
use crate::record::{Op, step};
use crate::switch::composed;
use candle_core::{Result, Tensor, bail};
use std::marker::PhantomData;

/// (R, C₁, …), (R, C₂, …), … → (R, C₁ + C₂ + …, …): one after another in the second dimension. Differentiable in all.
///
/// # Errors
/// No tensor, or shapes that differ in more than the second dimension.
pub fn concat_channels(parts: &[&Tensor]) -> Result<Tensor> {
    let Some((first, rest)) = parts.split_first() else {
        bail!("concat_channels: expected a tensor, got none")
    };
    let fits = |part: &Tensor| {
        part.rank() == first.rank()
            && part.dims()[0] == first.dims()[0]
            && part.dims()[2..] == first.dims()[2..]
    };
    if first.rank() < 2 || !rest.iter().all(|part| fits(part)) {
        let shapes: Vec<_> = parts.iter().map(|part| part.dims()).collect();
        bail!("concat_channels: expected shapes (R, C, …) that differ in C alone, got {shapes:?}");
    }
    let dtype = same_dtype("concat_channels", first, rest)?;
    step(Op::ConcatChannels, parts, || {
        if composed(first) {
            return Tensor::cat(parts, 1);
        }
        by_dtype!(dtype, run(parts))
    })
}

fn run<T: Element>(parts: &[&Tensor]) -> Result<Tensor> {
    let contiguous = parts.iter().map(|part| part.contiguous()).collect::<Result<Vec<_>>>()?;
    let rows = parts[0].dim(0)?;
    let shapes: Vec<Vec<usize>> = parts.iter().map(|part| part.dims().to_vec()).collect();
    let lengths: Vec<usize> = shapes.iter().map(|shape| shape[1..].iter().product()).collect();
    let row: usize = lengths.iter().sum();
    let mut y = unfilled::<T>(rows * row);
    {
        let views = contiguous.iter().map(view::<T>).collect::<Result<Vec<_>>>()?;
        let slices: Vec<&[T]> = views.iter().map(|view| &**view).collect();
        let out = Shared::new(&mut y);
        each(rows, |r| {
            // SAFETY: one row per task.
            let mut y = unsafe { out.slice(r * row, row) };
            for (slice, length) in slices.iter().zip(&lengths) {
                let (head, tail) = y.split_at_mut(*length);
                head.copy_from_slice(&slice[r * length..][..*length]);
                y = tail;
            }
        });
    }
    let mut shape = shapes[0].clone();
    shape[1] = shapes.iter().map(|shape| shape[1]).sum();
    node(parts, y, shape, Gradients { shapes, element: PhantomData::<T> })
}

struct Gradients<T> {
    shapes: Vec<Vec<usize>>,
    element: PhantomData<T>,
}

impl<T: Element> Backward for Gradients<T> {
    fn name(&self) -> &'static str {
        "concat_channels"
    }

    fn gradients(&self, _: &Tensor, grad: Tensor, wanted: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let dy = view::<T>(&grad)?;
        let dy: &[T] = &dy;
        let rows = grad.dim(0)?;
        let row = dy.len() / rows;
        let mut start = 0;
        let mut gradients = Vec::new();
        for (shape, wanted) in self.shapes.iter().zip(wanted) {
            let length: usize = shape[1..].iter().product();
            gradients.push(wanted.then(|| {
                let mut dx = unfilled::<T>(rows * length);
                let out = Shared::new(&mut dx);
                each(rows, |r| {
                    // SAFETY: one row per task.
                    unsafe { out.slice(r * length, length) }
                        .copy_from_slice(&dy[r * row + start..][..length]);
                });
                tensor(dx, &shape[..])
            }));
            start += length;
        }
        Ok(gradients)
    }
}
