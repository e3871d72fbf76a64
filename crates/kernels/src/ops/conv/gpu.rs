//! Convolution on a GPU: depthwise, also with channels last, and the column matrix.

pub use super::Geometry;
pub use super::depthwise::Last;
use crate::gpu::{Argument, Device, Kind, Memory, Source, Storage, arguments, groups, size, sizes};
use candle_core::{Result, bail};

pub static SOURCE: Source = Source::new("conv", 256, include_str!("gpu.cc"));

/// Outputs of one chunk of the sums over a channel at the least, and how many chunks there are at the most.
const CHUNK: usize = 4096;
const CHUNKS: usize = 256;
/// With channels last a thread has one tap of one channel, and so many positions of a chunk at the least.
const POSITIONS: usize = 256;

impl Geometry {
    fn arguments<'a, B>(&self) -> Result<Vec<Argument<'a, B>>> {
        let Geometry { h, w, kh, kw, oh, ow, conv, .. } = *self;
        sizes([h, w, kh, kw, oh, ow, conv.stride, conv.padding, conv.dilation])
    }

    /// Output channels, how many there are of each input channel, and the others.
    fn depthwise_arguments<'a, B>(&self) -> Result<Vec<Argument<'a, B>>> {
        if self.conv.groups != self.c {
            bail!(
                "depthwise: expected as many groups as input channels ({}), got {}",
                self.c,
                self.conv.groups
            );
        }
        let mut sizes = sizes([self.o, self.group().1])?;
        sizes.extend(self.arguments()?);
        Ok(sizes)
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
    SOURCE.each(device, "depthwise_forward", &[x, weight], g.output(), g.depthwise_arguments()?)
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
    SOURCE.each(device, "depthwise_input", &[dy, weight], g.input(), g.depthwise_arguments()?)
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
    arguments.extend(g.depthwise_arguments()?);
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
    SOURCE.each(device, "im2col", &[x], n, g.arguments()?)
}

/// dx from the gradient of the column matrix.
///
/// # Errors
/// Those of the device.
pub fn col2im<D: Device>(device: &D, columns: &D::Buffer, g: &Geometry) -> Result<D::Buffer> {
    SOURCE.each(device, "col2im", &[columns], g.input(), g.arguments()?)
}

impl Last {
    fn arguments<'a, B>(&self) -> Result<Vec<Argument<'a, B>>> {
        sizes([self.h, self.w, self.c, self.k])
    }

    fn check(&self, x: &impl Memory, weight: &impl Memory) -> Result<()> {
        if x.count() != self.positions() * self.c || weight.count() != self.taps() * self.c {
            bail!("depthwise_last: expected {self:?}, got {} and {} numbers", x.count(), weight.count());
        }
        Ok(())
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
    last.check(x, weight)?;
    SOURCE.each(device, "depthwise_last", &[x, weight, bias], x.count(), last.arguments()?)
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
    last.check(x, weight)?;
    last.check(dy, weight)?;
    let dx = SOURCE.each(device, "depthwise_last_input", &[dy, weight], dy.count(), last.arguments()?)?;
    let (count, n) = (last.positions(), weight.count());
    let chunk = POSITIONS.max(count.div_ceil(CHUNKS));
    let chunks = count.div_ceil(chunk);
    let partial = device.empty(Kind::F32, chunks * n)?;
    let mut arguments = arguments![x, dy, &partial];
    arguments.extend(sizes([count, chunk])?);
    arguments.extend(last.arguments()?);
    let across = [groups(n, SOURCE.threads)?, size(chunks)?];
    SOURCE.launch(device, ("depthwise_last_chunks", Storage::of(x)?), across, arguments)?;
    let dweight = device.empty(weight.kind(), n)?;
    let mut arguments = arguments![&partial, &dweight];
    arguments.extend(sizes([n, last.c, chunks])?);
    SOURCE.launch(device, ("depthwise_last_weight", Storage::of(x)?), SOURCE.wide(n)?, arguments)?;
    Ok([dx, dweight])
}
