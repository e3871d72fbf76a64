//! The Gaussian error linear unit.

use super::activation::{Activation, gpu};
use crate::cpu::element::Element;
use crate::dispatch::apply;
use crate::graph::record;
use candle_core::{Result, Tensor};

/// x · Φ(x) with the exact normal distribution function, any shape: torch's `GELU(approximate="none")`.
///
/// # Errors
/// Fails on the CPU where x is neither f32 nor f64.
///
/// Source: Hendrycks and Gimpel 2016, arXiv:1606.08415.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    apply("gelu", Gelu, &[x])
}

struct Gelu;

impl Activation for Gelu {
    const RECORD: record::Op = record::Op::Gelu;
    const KERNELS: gpu::Activation = gpu::Activation::Gelu;

    fn value<T: Element>() -> impl Fn(T) -> T + Send + Sync {
        #[inline(always)]
        |x: T| x * x.normal().0
    }

    fn gradient<T: Element>() -> impl Fn(T, T) -> T + Send + Sync {
        #[inline(always)]
        |dy, x: T| {
            let (phi, density) = x.normal();
            dy * (phi + x * density)
        }
    }

    fn of_candles_ops(x: &Tensor) -> Result<Tensor> {
        let phi = (x * std::f64::consts::FRAC_1_SQRT_2)?.erf()?.affine(0.5, 0.5)?;
        x * phi
    }
}
