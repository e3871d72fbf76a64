//! max(x, 0).

use super::activation::gpu::{self, Activation};
use crate::cpu::element::{Element, tensor, view};
use crate::cpu::pointwise::{cut, zip};
use crate::dispatch::{Op, apply};
use crate::gpu::Here;
use crate::graph::{Backward, OperandGradients, Output, record};
use candle_core::{Result, Tensor};

/// max(x, 0), any shape; the gradient is 0 at 0, as in PyTorch (candle's is 1 there).
///
/// # Errors
/// Fails on the CPU where x is neither f32 nor f64.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    apply("relu", Relu, &[x])
}

struct Relu;

impl Op for Relu {
    fn record(&self) -> Option<record::Op> {
        Some(record::Op::Relu)
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let y = zip(&view::<T>(&x[0])?, &[], |x, _| cut(x, T::zero()));
        Output::cpu(y, x[0].shape(), ReluBackward)
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let y = gpu::forward(&here, Activation::Relu, &here.buffer(x[0])?)?;
        Ok(Some(Output::new(here.storage(y)?, x[0].shape(), ReluBackward)))
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        let (x, zeros) = (x[0], x[0].zeros_like()?);
        // This way round NaN stays NaN, and the gradient at 0 is 0.
        x.le(&zeros)?.where_cond(&zeros, x)
    }
}

/// dy where y > 0, else 0: x need not be kept.
struct ReluBackward;

impl Backward for ReluBackward {
    fn reads_result(&self) -> bool {
        true
    }

    fn cpu<T: Element>(&self, grad: Tensor, _: &[bool], result: Option<&Tensor>) -> Result<OperandGradients> {
        Ok(vec![Some(passed::<T>(&grad, result)?)])
    }

    fn gpu(&self, grad: Tensor, _: &[bool], result: Option<&Tensor>) -> Result<OperandGradients> {
        Ok(vec![Some(passed_on_gpu(&Here::of_gradient(&grad)?, &grad, result)?)])
    }
}

/// dy where the result y > 0, else 0.
pub(super) fn passed<T: Element>(grad: &Tensor, result: Option<&Tensor>) -> Result<Tensor> {
    let y = view::<T>(result.expect("kept, as it is read"))?;
    let dx = zip(&view::<T>(grad)?, &y, |dy, y| if y > T::zero() { dy } else { T::zero() });
    Ok(tensor(dx, grad.shape()))
}

/// The same on a GPU.
pub(super) fn passed_on_gpu(here: &Here, grad: &Tensor, result: Option<&Tensor>) -> Result<Tensor> {
    let y = here.buffer(result.expect("kept, as it is read"))?;
    here.tensor(gpu::backward(here, Activation::Relu, &here.buffer(grad)?, &y)?, grad.shape())
}
