//! ReLU cut at 6, MobileNetV2's.

use super::activation::{Activation, gpu};
use crate::cpu::element::Element;
use crate::dispatch::apply;
use crate::graph::record;
use candle_core::{Result, Tensor};

/// min(max(x, 0), 6), any shape; the gradient is 0 at 0 and at 6, as in PyTorch.
///
/// # Errors
/// Fails on the CPU where x is neither f32 nor f64.
///
/// Source: Sandler et al. 2018, arXiv:1801.04381, section 3.3.
pub fn relu6(x: &Tensor) -> Result<Tensor> {
    apply("relu6", Relu6, &[x])
}

struct Relu6;

impl Activation for Relu6 {
    const RECORD: record::Op = record::Op::Relu6;
    const KERNELS: gpu::Activation = gpu::Activation::Relu6;

    fn value<T: Element>() -> impl Fn(T) -> T + Send + Sync {
        let six = T::from_f64(6.0);
        move |x| {
            let y = if x >= six { six } else { x }; // NaN stays NaN
            if x <= T::zero() { T::zero() } else { y }
        }
    }

    fn gradient<T: Element>() -> impl Fn(T, T) -> T + Send + Sync {
        let six = T::from_f64(6.0);
        move |dy, x| {
            let dx = if x < six { dy } else { T::zero() };
            if x > T::zero() { dx } else { T::zero() }
        }
    }

    fn of_candles_ops(x: &Tensor) -> Result<Tensor> {
        let (zeros, sixes) = (x.zeros_like()?, (x.ones_like()? * 6.0)?);
        x.le(0.0)?.where_cond(&zeros, &x.ge(6.0)?.where_cond(&sixes, x)?)
    }
}
