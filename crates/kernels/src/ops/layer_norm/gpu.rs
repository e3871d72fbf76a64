//! Layer normalisation on a GPU.

use crate::gpu::{Device, Kind, Memory, Source, Storage, arguments, groups, size};
use candle_core::Result;

pub static SOURCE: Source = Source::new("layer_norm", 256, include_str!("gpu.cc"));

/// Rows of one chunk of the sums over rows at the least, and how many chunks there are at the most.
const CHUNK: usize = 32;
const CHUNKS: usize = 256;

/// y, and mean and 1 / √(var + eps) of each row (rows, 2), f32. Weight and bias are f32.
///
/// # Errors
/// Those of the device.
pub fn forward<D: Device>(
    device: &D,
    x: &D::Buffer,
    (weight, bias): (&D::Buffer, &D::Buffer),
    eps: f64,
) -> Result<(D::Buffer, D::Buffer)> {
    let (n, rows) = (weight.count(), x.count() / weight.count());
    let (y, moments) = (device.empty(x.kind(), x.count())?, device.empty(Kind::F32, 2 * rows)?);
    size(x.count())?;
    let arguments = arguments![x, weight, bias, &y, &moments, size(rows)?, size(n)?, eps as f32];
    SOURCE.launch(device, ("layer_norm_forward", Storage::of(x)?), SOURCE.by_team(rows)?, arguments)?;
    Ok((y, moments))
}

/// dx, dweight, dbias.
///
/// # Errors
/// Those of the device.
pub fn backward<D: Device>(
    device: &D,
    (x, dy): (&D::Buffer, &D::Buffer),
    weight: &D::Buffer,
    moments: &D::Buffer,
) -> Result<[D::Buffer; 3]> {
    let (storage, n, rows) = (Storage::of(x)?, weight.count(), x.count() / weight.count());
    size(x.count())?;
    let dx = device.empty(x.kind(), x.count())?;
    let arguments = arguments![x, dy, weight, moments, &dx, size(rows)?, size(n)?];
    SOURCE.launch(device, ("layer_norm_input", storage), SOURCE.by_team(rows)?, arguments)?;
    let chunk = CHUNK.max(rows.div_ceil(CHUNKS));
    let (chunks, across) = (rows.div_ceil(chunk), groups(n, SOURCE.threads)?);
    let partial = device.empty(Kind::F32, chunks * 2 * n)?;
    let arguments = arguments![x, dy, moments, &partial, size(rows)?, size(n)?, size(chunk)?];
    SOURCE.launch(device, ("layer_norm_chunks", storage), [across, size(chunks)?], arguments)?;
    let (dweight, dbias) = (device.empty(Kind::F32, n)?, device.empty(Kind::F32, n)?);
    let arguments = arguments![&partial, &dweight, &dbias, size(n)?, size(chunks)?];
    SOURCE.launch(device, ("layer_norm_gradients", storage), [across, 1], arguments)?;
    Ok([dx, dweight, dbias])
}
