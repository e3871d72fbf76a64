//! The piecewise quadratic swish of MobileNetV3.

use super::activation::{Activation, gpu};
use crate::cpu::element::Element;
use crate::dispatch::apply;
use crate::graph::record;
use candle_core::{Result, Tensor};

/// x · min(max(x + 3, 0), 6) / 6, any shape; the gradient is 0 at −3 and 1 at 3, as in PyTorch.
///
/// # Errors
/// Fails on the CPU where x is neither f32 nor f64.
///
/// Source: Howard et al. 2019, arXiv:1905.02244, section 5.2.
pub fn hard_swish(x: &Tensor) -> Result<Tensor> {
    apply("hard_swish", HardSwish, &[x])
}

struct HardSwish;

impl Activation for HardSwish {
    const RECORD: record::Op = record::Op::HardSwish;
    const KERNELS: gpu::Activation = gpu::Activation::HardSwish;

    fn value<T: Element>() -> impl Fn(T) -> T + Send + Sync {
        let (sixth, half) = (T::from_f64(1.0 / 6.0), T::from_f64(0.5));
        let (three, minus_three) = (T::from_f64(3.0), T::from_f64(-3.0));
        move |x| {
            let inside = x * (x * sixth + half); // NaN stays NaN
            let y = if x >= three { x } else { inside };
            if x <= minus_three { T::zero() } else { y }
        }
    }

    fn gradient<T: Element>() -> impl Fn(T, T) -> T + Send + Sync {
        let (third, half) = (T::from_f64(1.0 / 3.0), T::from_f64(0.5));
        let (three, minus_three) = (T::from_f64(3.0), T::from_f64(-3.0));
        move |dy, x| {
            let inside = dy * (x * third + half);
            let dx = if x >= three { dy } else { inside };
            if x <= minus_three { T::zero() } else { dx }
        }
    }

    fn of_candles_ops(x: &Tensor) -> Result<Tensor> {
        let zeros = x.zeros_like()?;
        let inside = x.ge(3.0)?.where_cond(x, &(x * x.affine(1.0 / 6.0, 0.5)?)?)?;
        x.le(-3.0)?.where_cond(&zeros, &inside)
    }
}
