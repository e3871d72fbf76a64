//! A number for every channel, added on a GPU. The gradient of x is that of y; that of the bias are sums over rows and planes.

use crate::gpu::{Device, Memory, Source, sizes};
use candle_core::{Result, bail};

pub static SOURCE: Source = Source::new("add_channels", 256, include_str!("gpu.cc"));

/// y of x (R, C, plane) and bias (C), f32; plane is 1 where the channels come last, as in a linear layer.
///
/// # Errors
/// Fails on numbers that make no such maps, and where the device does.
pub fn forward<D: Device>(device: &D, x: &D::Buffer, bias: &D::Buffer, plane: usize) -> Result<D::Buffer> {
    let (n, channels) = (x.count(), bias.count());
    if channels * plane == 0 || n == 0 || !n.is_multiple_of(channels * plane) {
        bail!("add_channels: expected (R, {channels}, {plane}), not empty, got {n} numbers");
    }
    SOURCE.each(device, "add_channels", &[x, bias], n, sizes([channels, plane])?)
}
