//! Parts of a tensor, and zeros around it: candle's own, recorded as ops.

use crate::record::{Op, step};
use candle_core::{Result, Tensor};

/// Positions `start..start + length` of an axis; x itself where that is all of it. Differentiable.
pub fn narrow(x: &Tensor, axis: usize, start: usize, length: usize) -> Result<Tensor> {
    if start == 0 && length == x.dim(axis)? {
        return Ok(x.clone());
    }
    step(Op::Narrow { axis, start, length }, &[x], || x.narrow(axis, start, length))
}

/// One position of an axis, which is gone in the result. Differentiable.
pub fn select(x: &Tensor, axis: usize, at: usize) -> Result<Tensor> {
    step(Op::Select { axis, at }, &[x], || x.narrow(axis, at, 1)?.squeeze(axis))
}

/// Zeros before and after the values along an axis; x itself without any. Differentiable.
pub fn pad(x: &Tensor, axis: usize, before: usize, after: usize) -> Result<Tensor> {
    if before + after == 0 {
        return Ok(x.clone());
    }
    step(Op::Pad { axis, before, after }, &[x], || x.pad_with_zeros(axis, before, after))
}
