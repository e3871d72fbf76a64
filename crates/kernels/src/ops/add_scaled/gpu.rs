//! The sum at the end of a residual block on a GPU: as it is, with a factor for each row, with one for each channel too.

use crate::gpu::{Device, Memory, Source, sizes};
use crate::ops::sums::{self, Factors};
use candle_core::{Result, bail};

pub static SOURCE: Source = Source::new("add_scaled", 256, include_str!("gpu.cc"));

/// x + factors · branch; factors (R), f32.
///
/// # Errors
/// Fails on sizes that do not fit, and where the device does.
pub fn forward<D: Device>(
    device: &D,
    (x, branch): (&D::Buffer, &D::Buffer),
    factors: Option<&D::Buffer>,
) -> Result<D::Buffer> {
    same(x, branch)?;
    let n = x.count();
    let Some(factors) = factors else { return SOURCE.each(device, "add", &[x, branch], n, Vec::new()) };
    let row = Factors::Of(factors).each(n)?;
    SOURCE.each(device, "add_scaled", &[x, branch, factors], n, sizes([row])?)
}

/// The branch's gradient; x's is dy, and so is the branch's without factors.
///
/// # Errors
/// Fails on sizes that do not fit, and where the device does.
pub fn backward<D: Device>(device: &D, dy: &D::Buffer, factors: &D::Buffer) -> Result<D::Buffer> {
    let row = Factors::Of(factors).each(dy.count())?;
    SOURCE.each(device, "scaled", &[dy, factors], dy.count(), sizes([row])?)
}

/// x + factors · scale · branch; scale (C), f32, channels last.
///
/// # Errors
/// Fails on sizes that do not fit, and where the device does.
pub fn layer_scale<D: Device>(
    device: &D,
    (x, branch): (&D::Buffer, &D::Buffer),
    scale: &D::Buffer,
    factors: Option<&D::Buffer>,
) -> Result<D::Buffer> {
    same(x, branch)?;
    let (factors, row) = of(factors, scale, x.count())?;
    let inputs = [x, branch, scale, factors.buffer()];
    SOURCE.each(device, "layer_scale", &inputs, x.count(), sizes([scale.count(), row])?)
}

/// dbranch, and dscale in f32.
///
/// # Errors
/// Fails on sizes that do not fit, and where the device does.
pub fn layer_scale_backward<D: Device>(
    device: &D,
    (branch, dy): (&D::Buffer, &D::Buffer),
    scale: &D::Buffer,
    factors: Option<&D::Buffer>,
) -> Result<[D::Buffer; 2]> {
    same(branch, dy)?;
    let (factors, row) = of(factors, scale, dy.count())?;
    let inputs = [dy, scale, factors.buffer()];
    let dbranch = SOURCE.each(device, "layer_scaled", &inputs, dy.count(), sizes([scale.count(), row])?)?;
    Ok([dbranch, sums::products(device, (dy, branch), factors, scale.count())?])
}

fn of<'a, B: Memory>(factors: Option<&'a B>, scale: &'a B, n: usize) -> Result<(Factors<'a, B>, usize)> {
    let factors = factors.map_or(Factors::None(scale), Factors::Of);
    let row = factors.each(n)?;
    if scale.count() == 0 || !n.is_multiple_of(scale.count()) || !row.is_multiple_of(scale.count()) {
        bail!("layer_scale: expected rows of {} channels, got {n} numbers", scale.count());
    }
    Ok((factors, row))
}

fn same<B: Memory>(x: &B, other: &B) -> Result<()> {
    if x.count() != other.count() || x.count() == 0 {
        bail!("add_scaled: expected two of one size, not empty, got {} and {}", x.count(), other.count());
    }
    Ok(())
}
