//! Maps side by side in the channels: what a dense block sees.

use super::block::gpu;
use crate::cpu::element::{Element, tensor, view};
use crate::cpu::parallel::filled;
use crate::dispatch::{Op, apply};
use crate::gpu::Here;
use crate::graph::{Backward, OperandGradients, Output, record};
use candle_core::{Result, Tensor, bail};

/// (R, C₁, …), (R, C₂, …), … → (R, C₁ + C₂ + …, …): one after another in the second dimension. Differentiable in all.
///
/// # Errors
/// Fails without a tensor, on shapes that differ in more than the second dimension, and on operands of two types.
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
    apply("concat_channels", ConcatChannels, parts)
}

struct ConcatChannels;

impl Op for ConcatChannels {
    fn record(&self) -> Option<record::Op> {
        Some(record::Op::ConcatChannels)
    }

    fn cpu<T: Element>(&self, parts: &[Tensor]) -> Result<Option<Output>> {
        let shapes: Vec<Vec<usize>> = parts.iter().map(|part| part.dims().to_vec()).collect();
        let lengths: Vec<usize> = shapes.iter().map(|shape| shape[1..].iter().product()).collect();
        let views = parts.iter().map(view::<T>).collect::<Result<Vec<_>>>()?;
        let slices: Vec<&[T]> = views.iter().map(|view| &**view).collect();
        let y = filled(shapes[0][0], lengths.iter().sum(), 1, |r, mut y| {
            for (slice, length) in slices.iter().zip(&lengths) {
                let (head, tail) = y.split_at_mut(*length);
                head.copy_from_slice(&slice[r * length..][..*length]);
                y = tail;
            }
        });
        let mut shape = shapes[0].clone();
        shape[1] = shapes.iter().map(|shape| shape[1]).sum();
        Output::cpu(y, shape, ConcatChannelsBackward { shapes })
    }

    fn gpu(&self, parts: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(parts[0]) else { return Ok(None) };
        let shapes: Vec<Vec<usize>> = parts.iter().map(|part| part.dims().to_vec()).collect();
        let buffers = parts.iter().map(|part| here.buffer(part)).collect::<Result<Vec<_>>>()?;
        let y = gpu::concat(&here, &buffers.iter().collect::<Vec<_>>(), shapes[0][0])?;
        let mut shape = shapes[0].clone();
        shape[1] = shapes.iter().map(|shape| shape[1]).sum();
        Ok(Some(Output::new(here.storage(y)?, shape, ConcatChannelsBackward { shapes })))
    }

    fn composed(&self, parts: &[&Tensor]) -> Result<Tensor> {
        Tensor::cat(parts, 1)
    }
}

struct ConcatChannelsBackward {
    shapes: Vec<Vec<usize>>,
}

impl Backward for ConcatChannelsBackward {
    fn cpu<T: Element>(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let dy = view::<T>(&grad)?;
        let dy = &*dy;
        let rows = grad.dim(0)?;
        let row = dy.len() / rows;
        let mut start = 0;
        let mut gradients = Vec::new();
        for (shape, wanted) in self.shapes.iter().zip(wanted) {
            let length: usize = shape[1..].iter().product();
            gradients.push(wanted.then(|| {
                let dx = filled(rows, length, 1, |r, dx: &mut [T]| {
                    dx.copy_from_slice(&dy[r * row + start..][..length]);
                });
                tensor(dx, &shape[..])
            }));
            start += length;
        }
        Ok(gradients)
    }

    fn gpu(&self, grad: Tensor, wanted: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let here = Here::of_gradient(&grad)?;
        let (dy, row) = (here.buffer(&grad)?, grad.elem_count() / grad.dim(0)?);
        let mut start = 0;
        let part = |(shape, wanted): (&Vec<usize>, &bool)| {
            let (begin, length) = (start, shape[1..].iter().product());
            start += length;
            let dx = || here.tensor(gpu::part(&here, &dy, row, begin, length)?, &shape[..]);
            wanted.then(dx).transpose()
        };
        self.shapes.iter().zip(wanted).map(part).collect()
    }
}
