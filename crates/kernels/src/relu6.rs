//! ReLU cut at 6, MobileNetV2's.

use crate::element::{Element, by_dtype};
use crate::pointwise::pointwise;
use crate::record::{Op, step};
use crate::switch::composed;
use candle_core::{Result, Tensor};

/// min(max(x, 0), 6), any shape; the gradient is 0 at 0 and at 6, as in PyTorch.
///
/// Source: Sandler et al. 2018, arXiv:1801.04381, section 3.3.
pub fn relu6(x: &Tensor) -> Result<Tensor> {
    step(Op::Relu6, &[x], || {
        if composed(x) {
            let (zeros, sixes) = (x.zeros_like()?, (x.ones_like()? * 6.0)?);
            return x.le(0.0)?.where_cond(&zeros, &x.ge(6.0)?.where_cond(&sixes, x)?);
        }
        by_dtype!(x.dtype(), run(x))
    })
}

fn run<T: Element>(x: &Tensor) -> Result<Tensor> {
    let six = T::from_f64(6.0);
    let f = move |x| {
        let y = if x >= six { six } else { x }; // NaN stays NaN
        if x <= T::zero() { T::zero() } else { y }
    };
    pointwise("relu6", x, f, move |dy, x| {
        let dx = if x < six { dy } else { T::zero() };
        if x > T::zero() { dx } else { T::zero() }
    })
}
