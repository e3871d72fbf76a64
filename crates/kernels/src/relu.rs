//! max(x, 0).

use crate::batch_norm::cut;
use crate::element::{Element, by_dtype, tensor, view};
use crate::node::{Backward, node};
use crate::pointwise::zip;
use crate::record::{Op, step};
use crate::switch::composed;
use candle_core::{Result, Tensor};

/// max(x, 0), any shape; the gradient is 0 at 0, as in PyTorch (candle's is 1 there).
pub fn relu(x: &Tensor) -> Result<Tensor> {
    step(Op::Relu, &[x], || {
        if composed(x) {
            let zeros = x.zeros_like()?;
            // This way round NaN stays NaN, and the gradient at 0 is 0.
            return x.le(&zeros)?.where_cond(&zeros, x);
        }
        by_dtype!(x.dtype(), run(x))
    })
}

fn run<T: Element>(x: &Tensor) -> Result<Tensor> {
    let xc = x.contiguous()?;
    let y = zip(&view::<T>(&xc)?, &[], |x, _| cut(x, T::zero()));
    node(&[x], y, x.shape(), Gradient::<T>(std::marker::PhantomData))
}

struct Gradient<T>(std::marker::PhantomData<T>);

impl<T: Element> Backward for Gradient<T> {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn reads_result(&self) -> bool {
        true
    }

    fn gradients(&self, result: &Tensor, grad: Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let dx = gradient::<T>(&view::<T>(&grad)?, &view::<T>(result)?);
        Ok(vec![Some(tensor(dx, result.shape()))])
    }
}

/// dy where y > 0, else 0.
pub(crate) fn gradient<T: Element>(dy: &[T], y: &[T]) -> Vec<T> {
    zip(dy, y, |dy, y| if y > T::zero() { dy } else { T::zero() })
}
