//! The piecewise linear sigmoid of MobileNetV3's gates.

use super::activation::{Activation, gpu};
use crate::cpu::element::Element;
use crate::dispatch::apply;
use crate::graph::record;
use candle_core::{Result, Tensor};

/// min(max(x + 3, 0), 6) / 6, any shape; the gradient is 0 at ±3, as in PyTorch.
///
/// # Errors
/// Fails on the CPU where x is neither f32 nor f64.
///
/// Source: Howard et al. 2019, arXiv:1905.02244, section 5.2.
pub fn hard_sigmoid(x: &Tensor) -> Result<Tensor> {
    apply("hard_sigmoid", HardSigmoid, &[x])
}

struct HardSigmoid;

impl Activation for HardSigmoid {
    const RECORD: record::Op = record::Op::HardSigmoid;
    const KERNELS: gpu::Activation = gpu::Activation::HardSigmoid;

    fn value<T: Element>() -> impl Fn(T) -> T + Send + Sync {
        let (sixth, half) = (T::from_f64(1.0 / 6.0), T::from_f64(0.5));
        let (three, minus_three) = (T::from_f64(3.0), T::from_f64(-3.0));
        move |x| {
            let inside = x * sixth + half; // NaN stays NaN
            let y = if x >= three { T::one() } else { inside };
            if x <= minus_three { T::zero() } else { y }
        }
    }

    fn gradient<T: Element>() -> impl Fn(T, T) -> T + Send + Sync {
        let sixth = T::from_f64(1.0 / 6.0);
        let (three, minus_three) = (T::from_f64(3.0), T::from_f64(-3.0));
        move |dy, x| {
            let dx = if x < three { dy * sixth } else { T::zero() };
            if x > minus_three { dx } else { T::zero() }
        }
    }

    fn of_candles_ops(x: &Tensor) -> Result<Tensor> {
        let (zeros, ones) = (x.zeros_like()?, x.ones_like()?);
        let inside = x.ge(3.0)?.where_cond(&ones, &x.affine(1.0 / 6.0, 0.5)?)?;
        x.le(-3.0)?.where_cond(&zeros, &inside)
    }
}
