//! The Gaussian error linear unit.

use crate::element::{Element, by_dtype};
use crate::pointwise::pointwise;
use crate::record::{Op, step};
use crate::switch::composed;
use candle_core::{Result, Tensor};

/// x · Φ(x) with the exact normal distribution function, any shape: torch's `GELU(approximate="none")`.
///
/// Source: Hendrycks and Gimpel 2016, arXiv:1606.08415.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    step(Op::Gelu, &[x], || {
        if composed(x) {
            let phi = (x * std::f64::consts::FRAC_1_SQRT_2)?.erf()?.affine(0.5, 0.5)?;
            return x * phi;
        }
        by_dtype!(x.dtype(), run(x))
    })
}

fn run<T: Element>(x: &Tensor) -> Result<Tensor> {
    pointwise(
        "gelu",
        x,
        #[inline(always)]
        |x: T| x * x.normal().0,
        #[inline(always)]
        |dy, x: T| {
            let (phi, density) = x.normal();
            dy * (phi + x * density)
        },
    )
}
