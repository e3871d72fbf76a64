//! The piecewise quadratic swish of MobileNetV3.

use crate::element::{Element, by_dtype};
use crate::pointwise::pointwise;
use crate::record::{Op, step};
use crate::switch::composed;
use candle_core::{Result, Tensor};

/// x · min(max(x + 3, 0), 6) / 6, any shape; the gradient is 0 at −3 and 1 at 3, as in PyTorch.
///
/// Source: Howard et al. 2019, arXiv:1905.02244, section 5.2.
pub fn hard_swish(x: &Tensor) -> Result<Tensor> {
    step(Op::HardSwish, &[x], || {
        if composed(x) {
            let zeros = x.zeros_like()?;
            let inside = x.ge(3.0)?.where_cond(x, &(x * x.affine(1.0 / 6.0, 0.5)?)?)?;
            return x.le(-3.0)?.where_cond(&zeros, &inside);
        }
        by_dtype!(x.dtype(), run(x))
    })
}

fn run<T: Element>(x: &Tensor) -> Result<Tensor> {
    let (sixth, third, half) = (T::from_f64(1.0 / 6.0), T::from_f64(1.0 / 3.0), T::from_f64(0.5));
    let (three, minus_three) = (T::from_f64(3.0), T::from_f64(-3.0));
    let f = move |x| {
        let inside = x * (x * sixth + half); // NaN stays NaN
        let y = if x >= three { x } else { inside };
        if x <= minus_three { T::zero() } else { y }
    };
    pointwise("hard_swish", x, f, move |dy, x| {
        let inside = dy * (x * third + half);
        let dx = if x >= three { dy } else { inside };
        if x <= minus_three { T::zero() } else { dx }
    })
}
