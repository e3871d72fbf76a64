//! Bytes of images become values on a GPU: cropped, mirrored, normalised.

use crate::gpu::{Device, Memory, Source, Storage, arguments, size};
use candle_core::{Result, bail};

pub static SOURCE: Source = Source::new("upload", 256, include_str!("upload.cc"));

/// What is taken of each image.
#[derive(Debug, Clone, Copy)]
pub struct Crop {
    pub top: usize,
    pub left: usize,
    /// Left and right change places.
    pub mirrored: bool,
}

/// bytes (R, h, w, 3) → values (R, 3, rows, columns) = (byte / 255 − mean) / std, one crop for each image.
///
/// # Errors
/// Fails on a crop that leaves its image, and where the device does.
pub fn upload<D: Device>(
    device: &D,
    bytes: &D::Buffer,
    (h, w): (usize, usize),
    crops: &[Crop],
    (rows, columns): (usize, usize),
    (mean, std): ([f64; 3], [f64; 3]),
    storage: Storage,
) -> Result<D::Buffer> {
    let fits = |crop: &Crop| crop.top + rows <= h && crop.left + columns <= w;
    if bytes.count() != 3 * h * w * crops.len()
        || !crops.iter().all(fits)
        || crops.is_empty()
        || rows * columns == 0
    {
        bail!("upload: expected images of {h}×{w} and crops of {rows}×{columns} within them, got {crops:?}");
    }
    let value = |at: usize| ((at % 256) as f64 / 255.0 - mean[at / 256]) / std[at / 256];
    let table = device.floats(&(0..768).map(|at| value(at) as f32).collect::<Vec<_>>())?;
    let places = |crop: &Crop| [crop.top as u32, crop.left as u32, u32::from(crop.mirrored)];
    let places = device.words(&crops.iter().flat_map(places).collect::<Vec<_>>())?;
    size(bytes.count())?;
    let n = crops.len() * 3 * rows * columns;
    let values = device.empty(storage.kind(), n)?;
    let sizes = [n, h, w, rows, columns].map(size);
    let [n, h, w, rows, columns] = sizes;
    let arguments = arguments![bytes, &places, &table, &values, n?, h?, w?, rows?, columns?];
    SOURCE.launch(device, ("upload", storage), SOURCE.wide(values.count())?, arguments)?;
    Ok(values)
}
