//! Batch normalisation on a GPU.

use super::Stats;
use crate::gpu::{Device, Kind, Memory, Source, Storage, arguments, groups, size};
use candle_core::{Result, bail};

pub static SOURCE: Source = Source::new("batch_norm", 256, include_str!("gpu.cc"));

/// Numbers of one chunk of a channel at the least, and how many chunks there are at the most.
const CHUNK: usize = 4096;
const CHUNKS: usize = 1024;

/// x is (R, c, plane).
#[derive(Debug, Clone, Copy)]
pub struct Planes {
    pub c: usize,
    pub plane: usize,
}

/// What a layer normalises with, all (C) and f32.
pub struct Layer<'a, B> {
    pub weight: &'a B,
    pub bias: &'a B,
    /// Mean and variance.
    pub running: [&'a B; 2],
    pub stats: Stats,
    pub eps: f64,
    pub momentum: f64,
}

/// The result, and what it was normalised with: mean and 1 / √(var + eps), each (C).
pub struct Normalised<B> {
    pub y: B,
    pub mean: Option<B>,
    pub inverse: B,
}

/// How a batch of `n` numbers is cut.
struct Cut {
    n: u32,
    count: u32,
    channels: u32,
    plane: u32,
    chunk: u32,
    chunks: u32,
}

impl Cut {
    fn new(n: usize, planes: Planes) -> Result<Cut> {
        let Planes { c, plane } = planes;
        if c * plane == 0 || n == 0 || !n.is_multiple_of(c * plane) {
            bail!("batch_norm: expected (R, {c}, {plane}), not empty, got {n} numbers");
        }
        let count = n / c;
        let chunk = CHUNK.max(count.div_ceil(CHUNKS));
        Ok(Cut {
            n: size(n)?,
            count: size(count)?,
            channels: size(c)?,
            plane: size(plane)?,
            chunk: size(chunk)?,
            chunks: size(count.div_ceil(chunk))?,
        })
    }

    /// Where every thread takes about four numbers.
    fn wide(&self) -> Result<[u32; 2]> {
        SOURCE.wide(self.n as usize)
    }

    /// A team for each channel.
    fn narrow(&self) -> Result<[u32; 2]> {
        SOURCE.by_team(self.channels as usize)
    }
}

/// y = relu((x − mean) · inverse · weight + bias + residual), ReLU only where `relu`.
///
/// # Errors
/// Fails on sizes that do not fit, and where the device does.
pub fn forward<D: Device>(
    device: &D,
    x: &D::Buffer,
    planes: Planes,
    layer: &Layer<D::Buffer>,
    residual: Option<&D::Buffer>,
    relu: bool,
) -> Result<Normalised<D::Buffer>> {
    let (storage, cut) = (Storage::of(x)?, Cut::new(x.count(), planes)?);
    let inverse = device.empty(Kind::F32, planes.c)?;
    let eps = layer.eps as f32;
    let mean = if layer.stats == Stats::Running {
        let arguments = arguments![layer.running[1], &inverse, cut.channels, eps];
        let across = groups(planes.c, SOURCE.threads)?;
        SOURCE.launch(device, ("batch_norm_inverse", storage), [across, 1], arguments)?;
        None
    } else {
        let partial = device.empty(Kind::F32, 2 * planes.c * cut.chunks as usize)?;
        let arguments = arguments![x, &partial, cut.count, cut.channels, cut.plane, cut.chunk];
        SOURCE.launch(device, ("batch_norm_chunks", storage), [cut.chunks, cut.channels], arguments)?;
        let mean = device.empty(Kind::F32, planes.c)?;
        let update = layer.stats == Stats::BatchAndUpdate;
        let [running_mean, running_var] = layer.running;
        let mut arguments = arguments![&partial, &mean, &inverse, running_mean, running_var];
        arguments.extend(arguments![cut.channels, cut.count, cut.chunk, cut.chunks, update]);
        arguments.extend(arguments![layer.momentum as f32, eps]);
        SOURCE.launch(device, ("batch_norm_moments", storage), cut.narrow()?, arguments)?;
        Some(mean)
    };
    let y = device.empty(x.kind(), x.count())?;
    let (centre, residuals) = (mean.as_ref().unwrap_or(layer.running[0]), residual.is_some());
    let mut arguments = arguments![x, centre, &inverse, layer.weight, layer.bias, residual.unwrap_or(x), &y];
    arguments.extend(arguments![cut.n, cut.channels, cut.plane, residuals, relu]);
    SOURCE.launch(device, ("batch_norm_apply", storage), cut.wide()?, arguments)?;
    Ok(Normalised { y, mean, inverse })
}

/// dx, dweight, dbias, given what was normalised with: mean and 1 / √(var + eps). With a residual and ReLU, `dy` is what ReLU's own
/// gradient let pass, and `relu` false.
///
/// # Errors
/// Fails on sizes that do not fit, and where the device does.
pub fn backward<D: Device>(
    device: &D,
    (x, dy): (&D::Buffer, &D::Buffer),
    planes: Planes,
    (weight, bias): (&D::Buffer, &D::Buffer),
    [mean, inverse]: [&D::Buffer; 2],
    (stats, relu): (Stats, bool),
) -> Result<[D::Buffer; 3]> {
    let (storage, cut) = (Storage::of(x)?, Cut::new(x.count(), planes)?);
    let partial = device.empty(Kind::F32, 2 * planes.c * cut.chunks as usize)?;
    let mut arguments = arguments![x, dy, mean, inverse, weight, bias, &partial];
    arguments.extend(arguments![cut.count, cut.channels, cut.plane, cut.chunk, relu]);
    SOURCE.launch(device, ("batch_norm_slopes", storage), [cut.chunks, cut.channels], arguments)?;
    let (dweight, dbias) = (device.empty(Kind::F32, planes.c)?, device.empty(Kind::F32, planes.c)?);
    let arguments = arguments![&partial, inverse, &dweight, &dbias, cut.channels, cut.chunks];
    SOURCE.launch(device, ("batch_norm_gradients", storage), cut.narrow()?, arguments)?;
    let dx = device.empty(x.kind(), x.count())?;
    let batch = stats != Stats::Running;
    let mut arguments = arguments![x, dy, mean, inverse, weight, bias, &dweight, &dbias, &dx];
    arguments.extend(arguments![cut.n, cut.count, cut.channels, cut.plane, batch, relu]);
    SOURCE.launch(device, ("batch_norm_input", storage), cut.wide()?, arguments)?;
    Ok([dx, dweight, dbias])
}
