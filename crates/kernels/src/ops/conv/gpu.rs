//! Convolution on a GPU: depthwise, also with channels last, and the column matrix.

pub use super::Geometry;
use crate::gpu::{Argument, Device, Kind, Memory, Source, Storage, arguments, groups, size};
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

/// Maps (R, h, w, C) and kernels of k × k, k odd.
#[derive(Debug, Clone, Copy)]
pub struct Last {
    pub h: usize,
    pub w: usize,
    pub c: usize,
    pub k: usize,
}

impl Last {
    fn arguments<'a, B>(&self) -> [Argument<'a, B>; 4] {
        [self.h, self.w, self.c, self.k].map(|n| (n as u32).into())
    }

    /// R·h·w.
    fn positions(&self, x: &impl Memory, weight: usize) -> Result<usize> {
        let Last { h, w, c, k } = *self;
        let (n, taps) = (x.count(), k * k);
        if h * w * c == 0 || n == 0 || !n.is_multiple_of(h * w * c) || k % 2 == 0 || weight != taps * c {
            bail!(
                "depthwise_last: expected (R, {h}, {w}, {c}) and ({c}, {k}, {k}) with odd {k}, got {n} and {weight} numbers"
            );
        }
        size(n)?;
        Ok(n / c)
    }
}

/// y of x, weight (C, 1, k, k) and bias (C), f32.
///
/// # Errors
/// Fails on sizes that do not fit, and where the device does.
pub fn depthwise_last<D: Device>(
    device: &D,
    x: &D::Buffer,
    (weight, bias): (&D::Buffer, &D::Buffer),
    last: Last,
) -> Result<D::Buffer> {
    last.positions(x, weight.count())?;
    let (y, n) = (device.empty(x.kind(), x.count())?, x.count());
    let mut arguments = arguments![x, weight, bias, &y, size(n)?];
    arguments.extend(last.arguments());
    SOURCE.launch(device, ("depthwise_last", Storage::of(x)?), SOURCE.wide(n)?, arguments)?;
    Ok(y)
}

/// dx and dweight; dbias are the sums of dy's columns.
///
/// # Errors
/// Fails on sizes that do not fit, and where the device does.
pub fn depthwise_last_backward<D: Device>(
    device: &D,
    (x, weight): (&D::Buffer, &D::Buffer),
    dy: &D::Buffer,
    last: Last,
) -> Result<[D::Buffer; 2]> {
    let (count, storage) = (last.positions(x, weight.count())?, Storage::of(x)?);
    let (dx, n) = (device.empty(dy.kind(), dy.count())?, dy.count());
    let mut arguments = arguments![dy, weight, &dx, size(n)?];
    arguments.extend(last.arguments());
    SOURCE.launch(device, ("depthwise_last_input", storage), SOURCE.wide(n)?, arguments)?;
    let chunk = (CHUNK / 16).max(count.div_ceil(CHUNKS));
    let (chunks, n) = (count.div_ceil(chunk), weight.count());
    let partial = device.empty(Kind::F32, chunks * n)?;
    let mut arguments = arguments![x, dy, &partial, size(count)?, size(chunk)?];
    arguments.extend(last.arguments());
    let across = [groups(n, SOURCE.threads)?, size(chunks)?];
    SOURCE.launch(device, ("depthwise_last_chunks", storage), across, arguments)?;
    let dweight = device.empty(weight.kind(), n)?;
    let arguments = arguments![&partial, &dweight, size(n)?, last.c as u32, chunks as u32];
    SOURCE.launch(device, ("depthwise_last_weight", storage), SOURCE.wide(n)?, arguments)?;
    Ok([dx, dweight])
}
