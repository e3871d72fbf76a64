//! Blocks of a tensor along one axis: parts of it, and zeros around it.

pub mod gpu;

use crate::cpu::element::{Element, tensor, view};
use crate::cpu::parallel::filled;
use crate::dispatch::{Op, apply};
use crate::gpu::{Buffer, Here};
use crate::graph::{Backward, OperandGradients, Output, record};
use candle_core::{Result, Tensor, bail};

/// Positions `start..start + length` of an axis; x itself where that is all of it. Differentiable.
///
/// # Errors
/// Fails on an axis that x has not, and on positions that the axis has not, or none.
pub fn narrow(x: &Tensor, axis: usize, start: usize, length: usize) -> Result<Tensor> {
    if length == x.dim(axis)? {
        return Ok(x.clone());
    }
    let block = Block::of(x, axis, start, length)?;
    apply("narrow", Copy { recorded: record::Op::Narrow { axis, start, length }, block, pads: false }, &[x])
}

/// One position of an axis, which is gone in the result. Differentiable.
///
/// # Errors
/// Fails on an axis or a position that x has not.
pub fn select(x: &Tensor, axis: usize, at: usize) -> Result<Tensor> {
    let block = Block::of(x, axis, at, 1)?;
    apply("select", Copy { recorded: record::Op::Select { axis, at }, block, pads: false }, &[x])
}

/// Zeros before and after the values along an axis; x itself without any. Differentiable.
///
/// # Errors
/// Fails on an axis that x has not.
pub fn pad(x: &Tensor, axis: usize, before: usize, after: usize) -> Result<Tensor> {
    let block = Block { before, after, ..Block::of(x, axis, 0, x.dim(axis)?)? };
    if before + after == 0 {
        return Ok(x.clone());
    }
    apply("pad", Copy { recorded: record::Op::Pad { axis, before, after }, block, pads: true }, &[x])
}

/// `length` positions of an axis, and how many lie before and after them.
#[derive(Clone, Copy)]
struct Block {
    axis: usize,
    before: usize,
    length: usize,
    after: usize,
}

impl Block {
    fn of(x: &Tensor, axis: usize, before: usize, length: usize) -> Result<Block> {
        let n = x.dim(axis)?;
        match n.checked_sub(before + length) {
            Some(after) if length > 0 && x.elem_count() > 0 => Ok(Block { axis, before, length, after }),
            _ => bail!("expected some of the {n} positions of axis {axis}, got {length} from {before} on"),
        }
    }

    /// The block put into zeros, or taken out of the whole; `inner` numbers make one position of the axis.
    fn copied<T: Element>(&self, pads: bool, x: &[T], inner: usize) -> Vec<T> {
        let (start, part) = (self.before * inner, self.length * inner);
        let whole = start + part + self.after * inner;
        let (from, to) = if pads { (part, whole) } else { (whole, part) };
        filled(x.len() / from, to, (1 << 15) / to, |first, y: &mut [T]| {
            for (y, x) in y.chunks_exact_mut(to).zip(x[first * from..].chunks_exact(from)) {
                if pads {
                    y.fill(T::zero());
                    y[start..][..part].copy_from_slice(x);
                } else {
                    y.copy_from_slice(&x[start..][..part]);
                }
            }
        })
    }
}

impl Block {
    /// The same of the device's numbers.
    fn on_gpu(&self, here: &Here, pads: bool, x: &Tensor, inner: usize) -> Result<Buffer> {
        let (start, part, x) = (self.before * inner, self.length * inner, here.buffer(x)?);
        let whole = start + part + self.after * inner;
        if pads { gpu::padded(here, &x, part, start, whole) } else { gpu::part(here, &x, whole, start, part) }
    }
}

struct Copy {
    recorded: record::Op,
    block: Block,
    pads: bool,
}

impl Copy {
    /// Whether the axis is gone in the result.
    fn squeezes(&self) -> bool {
        matches!(self.recorded, record::Op::Select { .. })
    }

    /// The shape of the result, and its gradient.
    fn result(&self, x: &Tensor) -> (Vec<usize>, CopyBackward) {
        let (Block { axis, before, length, after }, mut shape) = (self.block, x.dims().to_vec());
        let inner = shape[axis + 1..].iter().product();
        shape[axis] = if self.pads { before + length + after } else { length };
        if self.squeezes() {
            shape.remove(axis);
        }
        (shape, CopyBackward { block: self.block, pads: self.pads, inner, shape: x.dims().to_vec() })
    }
}

impl Op for Copy {
    fn record(&self) -> Option<record::Op> {
        Some(self.recorded.clone())
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let (shape, backward) = self.result(&x[0]);
        Output::cpu(self.block.copied(self.pads, &view::<T>(&x[0])?, backward.inner), shape, backward)
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let (shape, backward) = self.result(x[0]);
        let y = self.block.on_gpu(&here, self.pads, x[0], backward.inner)?;
        Ok(Some(Output::new(here.storage(y)?, shape, backward)))
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        let Block { axis, before, length, after } = self.block;
        if self.pads {
            return x[0].pad_with_zeros(axis, before, after);
        }
        let part = x[0].narrow(axis, before, length)?;
        if self.squeezes() { part.squeeze(axis) } else { Ok(part) }
    }
}

/// The other copy.
struct CopyBackward {
    block: Block,
    pads: bool,
    inner: usize,
    shape: Vec<usize>,
}

impl Backward for CopyBackward {
    fn cpu<T: Element>(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let dx = self.block.copied(!self.pads, &view::<T>(&grad)?, self.inner);
        Ok(vec![Some(tensor(dx, &self.shape[..]))])
    }

    fn gpu(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let here = Here::of_gradient(&grad)?;
        let dx = self.block.on_gpu(&here, !self.pads, &grad, self.inner)?;
        Ok(vec![Some(here.tensor(dx, &self.shape[..])?)])
    }
}
