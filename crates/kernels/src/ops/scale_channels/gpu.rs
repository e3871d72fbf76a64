//! Every plane times a number of its own, on a GPU.

use crate::gpu::{Device, Memory, Source, Storage, arguments, size, sizes};
use candle_core::{Result, bail};

pub static SOURCE: Source = Source::new("scale_channels", 256, include_str!("gpu.cc"));

/// y of x (R, C, plane) and scale (R, C); dx is the same of dy.
///
/// # Errors
/// Fails on numbers that make no such maps, and where the device does.
pub fn forward<D: Device>(device: &D, x: &D::Buffer, scale: &D::Buffer) -> Result<D::Buffer> {
    SOURCE.each(device, "scale_channels", &[x, scale], x.count(), sizes([plane(x, scale)?])?)
}

/// dx and dscale.
///
/// # Errors
/// Fails on numbers that make no such maps, and where the device does.
pub fn backward<D: Device>(
    device: &D,
    (x, scale): (&D::Buffer, &D::Buffer),
    dy: &D::Buffer,
) -> Result<[D::Buffer; 2]> {
    let (planes, plane) = (scale.count(), plane(x, scale)?);
    let dscale = device.empty(scale.kind(), planes)?;
    size(x.count())?;
    let arguments = arguments![x, dy, &dscale, planes as u32, plane as u32];
    SOURCE.launch(device, ("scale_channels_slope", Storage::of(x)?), SOURCE.by_team(planes)?, arguments)?;
    Ok([forward(device, dy, scale)?, dscale])
}

fn plane<B: Memory>(x: &B, scale: &B) -> Result<usize> {
    let (n, planes) = (x.count(), scale.count());
    if planes == 0 || n == 0 || !n.is_multiple_of(planes) {
        bail!(
            "scale_channels: expected planes, not empty, and a number for each, got {n} and {planes} numbers"
        );
    }
    Ok(n / planes)
}
