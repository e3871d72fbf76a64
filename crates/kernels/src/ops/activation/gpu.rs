//! Activations on a GPU.

use crate::gpu::{Device, Memory, Source};
use candle_core::Result;

pub static SOURCE: Source = Source::new("activation", 256, include_str!("gpu.cc"));

/// Which one; the gradient of ReLU reads its result, that of the others x.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    Relu,
    Relu6,
    Sigmoid,
    Silu,
    Gelu,
    HardSigmoid,
    HardSwish,
}

impl Activation {
    /// The kernels forward and backward.
    fn kernels(self) -> [&'static str; 2] {
        match self {
            Activation::Relu => ["relu_forward", "relu_backward"],
            Activation::Relu6 => ["relu6_forward", "relu6_backward"],
            Activation::Sigmoid => ["sigmoid_forward", "sigmoid_backward"],
            Activation::Silu => ["silu_forward", "silu_backward"],
            Activation::Gelu => ["gelu_forward", "gelu_backward"],
            Activation::HardSigmoid => ["hard_sigmoid_forward", "hard_sigmoid_backward"],
            Activation::HardSwish => ["hard_swish_forward", "hard_swish_backward"],
        }
    }
}

/// y from x.
///
/// # Errors
/// Those of the device.
pub fn forward<D: Device>(device: &D, activation: Activation, x: &D::Buffer) -> Result<D::Buffer> {
    SOURCE.each(device, activation.kernels()[0], &[x], x.count(), Vec::new())
}

/// dx from dy, and from the result (ReLU) or x.
///
/// # Errors
/// Those of the device.
pub fn backward<D: Device>(
    device: &D,
    activation: Activation,
    dy: &D::Buffer,
    read: &D::Buffer,
) -> Result<D::Buffer> {
    SOURCE.each(device, activation.kernels()[1], &[dy, read], dy.count(), Vec::new())
}
