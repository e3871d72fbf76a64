//! The piecewise linear sigmoid of MobileNetV3's gates.

use crate::element::{Element, by_dtype};
use crate::pointwise::pointwise;
use crate::record::{Op, step};
use crate::switch::composed;
use candle_core::{Result, Tensor};

/// min(max(x + 3, 0), 6) / 6, any shape; the gradient is 0 at ±3, as in PyTorch.
///
/// Source: Howard et al. 2019, arXiv:1905.02244, section 5.2.
pub fn hard_sigmoid(x: &Tensor) -> Result<Tensor> {
    step(Op::HardSigmoid, &[x], || {
        if composed(x) {
            let (zeros, ones) = (x.zeros_like()?, x.ones_like()?);
            let inside = x.ge(3.0)?.where_cond(&ones, &x.affine(1.0 / 6.0, 0.5)?)?;
            return x.le(-3.0)?.where_cond(&zeros, &inside);
        }
        by_dtype!(x.dtype(), run(x))
    })
}

fn run<T: Element>(x: &Tensor) -> Result<Tensor> {
    let (sixth, half) = (T::from_f64(1.0 / 6.0), T::from_f64(0.5));
    let (three, minus_three) = (T::from_f64(3.0), T::from_f64(-3.0));
    let f = move |x| {
        let inside = x * sixth + half; // NaN stays NaN
        let y = if x >= three { T::one() } else { inside };
        if x <= minus_three { T::zero() } else { y }
    };
    pointwise("hard_sigmoid", x, f, move |dy, x| {
        let dx = if x < three { dy * sixth } else { T::zero() };
        if x > minus_three { dx } else { T::zero() }
    })
}
