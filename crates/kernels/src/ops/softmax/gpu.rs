//! Softmax on a GPU.

use crate::gpu::{Device, Memory, Source, Storage, arguments, size};
use candle_core::Result;

pub static SOURCE: Source = Source::new("softmax", 256, include_str!("gpu.cc"));

/// y of scale · x (…, n).
///
/// # Errors
/// Those of the device.
pub fn forward<D: Device>(device: &D, x: &D::Buffer, n: usize, scale: f64) -> Result<D::Buffer> {
    let (rows, y) = (x.count() / n, device.empty(x.kind(), x.count())?);
    size(x.count())?;
    let arguments = arguments![x, &y, size(rows)?, size(n)?, scale as f32];
    SOURCE.launch(device, ("softmax_forward", Storage::of(x)?), SOURCE.by_team(rows)?, arguments)?;
    Ok(y)
}

/// dx from the result and dy.
///
/// # Errors
/// Those of the device.
pub fn backward<D: Device>(
    device: &D,
    y: &D::Buffer,
    dy: &D::Buffer,
    n: usize,
    scale: f64,
) -> Result<D::Buffer> {
    let (rows, dx) = (y.count() / n, device.empty(y.kind(), y.count())?);
    size(y.count())?;
    let arguments = arguments![y, dy, &dx, size(rows)?, size(n)?, scale as f32];
    SOURCE.launch(device, ("softmax_backward", Storage::of(y)?), SOURCE.by_team(rows)?, arguments)?;
    Ok(dx)
}
