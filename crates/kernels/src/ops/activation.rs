//! Activations: each number of the result is made of one of x, and its gradient of the same one.

pub mod gpu;

use crate::cpu::element::{Element, tensor, view};
use crate::cpu::pointwise::zip;
use crate::dispatch::Op;
use crate::gpu::Here;
use crate::graph::{Backward, OperandGradients, Output, record};
use candle_core::{Result, Tensor};
use std::marker::PhantomData;

/// What an activation has to say; the rest of its [`Op`] follows.
pub(super) trait Activation: Send + Sync + 'static {
    const RECORD: record::Op;
    const KERNELS: gpu::Activation;

    /// y from x.
    fn value<T: Element>() -> impl Fn(T) -> T + Send + Sync;

    /// dx from dy and x.
    fn gradient<T: Element>() -> impl Fn(T, T) -> T + Send + Sync;

    fn of_candles_ops(x: &Tensor) -> Result<Tensor>;
}

impl<A: Activation> Op for A {
    fn record(&self) -> Option<record::Op> {
        Some(A::RECORD)
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let value = A::value::<T>();
        let y = zip(
            &view::<T>(&x[0])?,
            &[],
            #[inline(always)]
            |x, _| value(x),
        );
        let backward = ActivationBackward::<A> { x: x[0].clone(), activation: PhantomData };
        Output::cpu(y, x[0].shape(), backward)
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let y = gpu::forward(&here, A::KERNELS, &here.buffer(x[0])?)?;
        let backward = ActivationBackward::<A> { x: x[0].detach(), activation: PhantomData };
        Ok(Some(Output::new(here.storage(y)?, x[0].shape(), backward)))
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        A::of_candles_ops(x[0])
    }
}

struct ActivationBackward<A> {
    x: Tensor,
    activation: PhantomData<A>,
}

impl<A: Activation> Backward for ActivationBackward<A> {
    fn cpu<T: Element>(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let dx = zip(&view::<T>(&grad)?, &view::<T>(&self.x)?, A::gradient::<T>());
        Ok(vec![Some(tensor(dx, grad.shape()))])
    }

    fn gpu(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let here = Here::of_gradient(&grad)?;
        let dx = gpu::backward(&here, A::KERNELS, &here.buffer(&grad)?, &here.buffer(&self.x)?)?;
        Ok(vec![Some(here.tensor(dx, grad.shape())?)])
    }
}
