//! The piecewise quadratic swish of MobileNetV3.

use crate::element::{Element, by_dtype, tensor, view};
use crate::node::{Backward, node};
use crate::relu::zip;
use crate::switch::composed;
use candle_core::{Result, Tensor};
use std::marker::PhantomData;

/// x · min(max(x + 3, 0), 6) / 6, any shape; the gradient is 0 at −3 and 1 at 3, as in PyTorch.
///
/// Source: Howard et al. 2019, arXiv:1905.02244, section 5.2.
pub fn hard_swish(x: &Tensor) -> Result<Tensor> {
    if composed(x) {
        let zeros = x.zeros_like()?;
        let inside = x.ge(3.0)?.where_cond(x, &(x * x.affine(1.0 / 6.0, 0.5)?)?)?;
        return x.le(-3.0)?.where_cond(&zeros, &inside);
    }
    by_dtype!(x.dtype(), run(x))
}

fn run<T: Element>(x: &Tensor) -> Result<Tensor> {
    let xc = x.contiguous()?;
    let (sixth, half) = (T::from_f64(1.0 / 6.0), T::from_f64(0.5));
    let (three, minus_three) = (T::from_f64(3.0), T::from_f64(-3.0));
    let y = zip(&view::<T>(&xc)?, &[], |x, _| {
        let inside = x * (x * sixth + half); // NaN stays NaN
        let y = if x >= three { x } else { inside };
        if x <= minus_three { T::zero() } else { y }
    });
    node(&[x], y, x.shape(), Gradient::<T> { x: xc.detach(), element: PhantomData })
}

struct Gradient<T> {
    x: Tensor,
    element: PhantomData<T>,
}

impl<T: Element> Backward for Gradient<T> {
    fn name(&self) -> &'static str {
        "hard_swish"
    }

    fn gradients(&self, _: &Tensor, grad: Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let (third, half) = (T::from_f64(1.0 / 3.0), T::from_f64(0.5));
        let (three, minus_three) = (T::from_f64(3.0), T::from_f64(-3.0));
        let dx = zip(&view::<T>(&grad)?, &view::<T>(&self.x)?, |dy, x| {
            let inside = dy * (x * third + half);
            let dx = if x >= three { dy } else { inside };
            if x <= minus_three { T::zero() } else { dx }
        });
        Ok(vec![Some(tensor(dx, grad.shape()))])
    }
}
