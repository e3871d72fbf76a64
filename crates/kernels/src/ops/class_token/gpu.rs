//! The class token and the positions on a GPU.

use crate::gpu::{Device, Memory, Source, sizes};
use crate::ops::{block, sums};
use candle_core::{Result, bail};

pub static SOURCE: Source = Source::new("class_token", 256, include_str!("gpu.cc"));

/// y of x (R, L, D), token (D) and positions (1 + L, D); the last two are f32.
///
/// # Errors
/// Fails on sizes that do not fit, and where the device does.
pub fn forward<D: Device>(
    device: &D,
    x: &D::Buffer,
    token: &D::Buffer,
    positions: &D::Buffer,
) -> Result<D::Buffer> {
    let (d, row) = (token.count(), positions.count());
    if d == 0 || row <= d || !row.is_multiple_of(d) || x.count() == 0 || !x.count().is_multiple_of(row - d) {
        bail!("class_token: expected (R, L, {d}) and (1 + L, {d}), got {} and {row} numbers", x.count());
    }
    let n = x.count() / (row - d) * row;
    SOURCE.each(device, "class_token", &[x, token, positions], n, sizes([row, d])?)
}

/// dx; dtoken and dpositions in f32.
///
/// # Errors
/// Fails on sizes that do not fit, and where the device does.
pub fn backward<D: Device>(device: &D, dy: &D::Buffer, (row, d): (usize, usize)) -> Result<[D::Buffer; 3]> {
    let dx = block::gpu::part(device, dy, row, d, row - d)?;
    let dpositions = sums::columns(device, dy, row)?;
    Ok([dx, block::gpu::part(device, &dpositions, row, 0, d)?, dpositions])
}
