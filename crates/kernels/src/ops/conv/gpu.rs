//! Convolution on a GPU: depthwise, and the column matrix.

pub use super::Geometry;
use crate::gpu::{Argument, Device, Kind, Memory, Source, Storage, arguments, size};
use candle_core::{Result, bail};

pub static SOURCE: Source = Source::new("conv", 256, include_str!("gpu.cc"));

/// Outputs of one chunk of the sums over a channel at the least, and how many chunks there are at the most.
const CHUNK: usize = 4096;
const CHUNKS: usize = 256;

impl Geometry {
    fn arguments<'a, B>(&self) -> Result<Vec<Argument<'a, B>>> {
        let Geometry { h, w, kh, kw, oh, ow, conv, .. } = *self;
        let sizes = [h, w, kh, kw, oh, ow, conv.stride, conv.padding, conv.dilation];
        sizes.into_iter().map(|n| Ok(size(n)?.into())).collect()
    }

    /// Output channels, and how many there are of each input channel.
    fn channels<'a, B>(&self) -> Result<Vec<Argument<'a, B>>> {
        if self.conv.groups != self.c {
            bail!(
                "depthwise: expected as many groups as input channels ({}), got {}",
                self.c,
                self.conv.groups
            );
        }
        Ok(arguments![size(self.o)?, size(self.group().1)?])
    }
}

/// y of x and weight, one input channel a group.
///
/// # Errors
/// Fails on another number of groups, and where the device does.
pub fn depthwise<D: Device>(
    device: &D,
    x: &D::Buffer,
    weight: &D::Buffer,
    g: &Geometry,
) -> Result<D::Buffer> {
    let (y, n) = (device.empty(x.kind(), g.output())?, g.output());
    size(g.input())?;
    let mut arguments = arguments![x, weight, &y, size(n)?];
    arguments.extend(g.channels()?);
    arguments.extend(g.arguments()?);
    SOURCE.launch(device, ("depthwise_forward", Storage::of(x)?), SOURCE.wide(n)?, arguments)?;
    Ok(y)
}

/// dx.
///
/// # Errors
/// Fails on another number of groups, and where the device does.
pub fn depthwise_input<D: Device>(
    device: &D,
    dy: &D::Buffer,
    weight: &D::Buffer,
    g: &Geometry,
) -> Result<D::Buffer> {
    let (dx, n) = (device.empty(dy.kind(), g.input())?, g.input());
    let mut arguments = arguments![dy, weight, &dx, size(n)?];
    arguments.extend(g.channels()?);
    arguments.extend(g.arguments()?);
    SOURCE.launch(device, ("depthwise_input", Storage::of(dy)?), SOURCE.wide(n)?, arguments)?;
    Ok(dx)
}

/// dweight.
///
/// # Errors
/// Fails on another number of groups, and where the device does.
pub fn depthwise_weight<D: Device>(
    device: &D,
    x: &D::Buffer,
    dy: &D::Buffer,
    g: &Geometry,
) -> Result<D::Buffer> {
    let (storage, n, count) = (Storage::of(x)?, g.o * g.kh * g.kw, g.r * g.oh * g.ow);
    let chunk = CHUNK.max(count.div_ceil(CHUNKS));
    let chunks = count.div_ceil(chunk);
    let partial = device.empty(Kind::F32, chunks * n)?;
    size(g.input().max(g.output()))?;
    let mut arguments = arguments![x, dy, &partial, size(count)?, size(chunk)?];
    arguments.extend(g.channels()?);
    arguments.extend(g.arguments()?);
    SOURCE.launch(device, ("depthwise_chunks", storage), [size(n)?, size(chunks)?], arguments)?;
    let dweight = device.empty(x.kind(), n)?;
    let arguments = arguments![&partial, &dweight, size(n)?, size(chunks)?];
    SOURCE.launch(device, ("depthwise_weight", storage), SOURCE.wide(n)?, arguments)?;
    Ok(dweight)
}

/// The column matrix of each row of x: (R, C·kh·kw, oh·ow).
///
/// # Errors
/// Those of the device.
pub fn im2col<D: Device>(device: &D, x: &D::Buffer, g: &Geometry) -> Result<D::Buffer> {
    let n = g.r * g.c * g.kh * g.kw * g.oh * g.ow;
    let columns = device.empty(x.kind(), n)?;
    let mut arguments = arguments![x, &columns, size(n)?];
    arguments.extend(g.arguments()?);
    SOURCE.launch(device, ("im2col", Storage::of(x)?), SOURCE.wide(n)?, arguments)?;
    Ok(columns)
}

/// dx from the gradient of the column matrix.
///
/// # Errors
/// Those of the device.
pub fn col2im<D: Device>(device: &D, columns: &D::Buffer, g: &Geometry) -> Result<D::Buffer> {
    let (dx, n) = (device.empty(columns.kind(), g.input())?, g.input());
    size(columns.count())?;
    let mut arguments = arguments![columns, &dx, size(n)?];
    arguments.extend(g.arguments()?);
    SOURCE.launch(device, ("col2im", Storage::of(columns)?), SOURCE.wide(n)?, arguments)?;
    Ok(dx)
}
