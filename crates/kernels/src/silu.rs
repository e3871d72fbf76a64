//! The logistic function, and the activation that it gates.

use crate::element::{Element, by_dtype};
use crate::pointwise::pointwise;
use crate::record::{Op, step};
use crate::switch::composed;
use candle_core::{Result, Tensor};

/// 1 / (1 + e^(−x)), any shape.
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    step(Op::Sigmoid, &[x], || {
        if composed(x) {
            return (x.neg()?.exp()? + 1.0)?.recip();
        }
        by_dtype!(x.dtype(), run_sigmoid(x))
    })
}

/// x / (1 + e^(−x)), any shape: SiLU, also called swish.
///
/// Source: Hendrycks and Gimpel 2016, arXiv:1606.08415; Ramachandran et al. 2017, arXiv:1710.05941.
pub fn silu(x: &Tensor) -> Result<Tensor> {
    step(Op::Silu, &[x], || {
        if composed(x) {
            return x * (x.neg()?.exp()? + 1.0)?.recip()?;
        }
        by_dtype!(x.dtype(), run_silu(x))
    })
}

#[inline(always)]
fn logistic<T: Element>(x: T) -> T {
    T::one() / (T::one() + (T::zero() - x).exp())
}

fn run_sigmoid<T: Element>(x: &Tensor) -> Result<Tensor> {
    pointwise("sigmoid", x, logistic::<T>, |dy, x| {
        let s = logistic(x);
        dy * s * (T::one() - s)
    })
}

fn run_silu<T: Element>(x: &Tensor) -> Result<Tensor> {
    pointwise(
        "silu",
        x,
        |x: T| x * logistic(x),
        |dy, x| {
            let s = logistic(x);
            dy * s * (T::one() + x * (T::one() - s))
        },
    )
}
