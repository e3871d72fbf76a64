//! Empty channels beside the given ones: He's shortcut without parameters.

use crate::record::{Op, step};
use candle_core::{Result, Tensor};

/// (R, C, …) → (R, `before` + C + `after`, …): channels of zeros on either side. Differentiable.
pub fn pad_channels(x: &Tensor, before: usize, after: usize) -> Result<Tensor> {
    step(Op::PadChannels { before, after }, &[x], || x.pad_with_zeros(1, before, after))
}
