//! The logistic function, and the activation that it gates.

use super::activation::{Activation, gpu};
use crate::cpu::element::Element;
use crate::dispatch::apply;
use crate::graph::record;
use candle_core::{Result, Tensor};

/// 1 / (1 + e^(−x)), any shape.
///
/// # Errors
/// Fails on the CPU where x is neither f32 nor f64.
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    apply("sigmoid", Sigmoid, &[x])
}

/// x / (1 + e^(−x)), any shape: SiLU, also called swish.
///
/// # Errors
/// Fails on the CPU where x is neither f32 nor f64.
///
/// Source: Hendrycks and Gimpel 2016, arXiv:1606.08415; Ramachandran et al. 2017, arXiv:1710.05941.
pub fn silu(x: &Tensor) -> Result<Tensor> {
    apply("silu", Silu, &[x])
}

#[inline(always)]
fn logistic<T: Element>(x: T) -> T {
    T::one() / (T::one() + (T::zero() - x).exp())
}

struct Sigmoid;

impl Activation for Sigmoid {
    const RECORD: record::Op = record::Op::Sigmoid;
    const KERNELS: gpu::Activation = gpu::Activation::Sigmoid;

    fn value<T: Element>() -> impl Fn(T) -> T + Send + Sync {
        logistic
    }

    fn gradient<T: Element>() -> impl Fn(T, T) -> T + Send + Sync {
        |dy, x| {
            let s = logistic(x);
            dy * s * (T::one() - s)
        }
    }

    fn of_candles_ops(x: &Tensor) -> Result<Tensor> {
        (x.neg()?.exp()? + 1.0)?.recip()
    }
}

struct Silu;

impl Activation for Silu {
    const RECORD: record::Op = record::Op::Silu;
    const KERNELS: gpu::Activation = gpu::Activation::Silu;

    fn value<T: Element>() -> impl Fn(T) -> T + Send + Sync {
        |x| x * logistic(x)
    }

    fn gradient<T: Element>() -> impl Fn(T, T) -> T + Send + Sync {
        |dy, x| {
            let s = logistic(x);
            dy * s * (T::one() + x * (T::one() - s))
        }
    }

    fn of_candles_ops(x: &Tensor) -> Result<Tensor> {
        x * (x.neg()?.exp()? + 1.0)?.recip()?
    }
}
