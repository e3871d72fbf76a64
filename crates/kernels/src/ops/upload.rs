//! Bytes of images become values on a GPU: cropped, mirrored, normalised.

use crate::dispatch::{is_composed, kernel_ran};
use crate::gpu::{Device, Here, Memory, Source, Storage, arguments, size};
use candle_core::{DType, Result, Tensor, bail};

pub static SOURCE: Source = Source::new("upload", 256, include_str!("upload.cc"));

/// What is taken of each image.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Crop {
    pub top: usize,
    pub left: usize,
    /// Left and right change places.
    pub mirrored: bool,
}

/// bytes (R, h, w, 3) → values (R, 3, h, w) = (byte / 255 − mean) / std, f32 or bf16, on a GPU with kernels of ours: bytes go there, a quarter of
/// what values are. None elsewhere. Each value is the f32 number next to its f64 one.
///
/// # Errors
/// Fails on bytes of another number, and where the device does.
pub fn upload_bytes(
    bytes: &[u8],
    [rows, h, w]: [usize; 3],
    statistics: ([f64; 3], [f64; 3]),
    dtype: DType,
    device: &candle_core::Device,
) -> Result<Option<Tensor>> {
    let here = Here::at(device).filter(|_| !is_composed());
    let (Some(here), Some(storage)) = (here, Storage::of_type(dtype)) else { return Ok(None) };
    kernel_ran();
    let (on, crops) = (here.bytes(bytes)?, vec![Crop::default(); rows]);
    let values = upload(&here, &on, (h, w), &crops, (h, w), statistics, storage)?;
    Ok(Some(here.tensor(values, (rows, 3, h, w))?))
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
    let of = [mean, std].concat().iter().map(|number| number.to_bits()).collect::<Vec<_>>();
    let table = || (0..768).map(|at| value(at) as f32).collect();
    let table = device.kept_floats(("values of bytes", &of), table)?;
    let places = |crop: &Crop| [crop.top as u32, crop.left as u32, u32::from(crop.mirrored)];
    let places = || crops.iter().flat_map(places).collect::<Vec<_>>();
    let places = if crops.iter().all(|crop| *crop == Crop::default()) {
        device.kept_words(("whole images", &[crops.len() as u64]), places)?
    } else {
        device.words(&places())?
    };
    size(bytes.count())?;
    let n = crops.len() * 3 * rows * columns;
    let values = device.empty(storage.kind(), n)?;
    let sizes = [n, h, w, rows, columns].map(size);
    let [n, h, w, rows, columns] = sizes;
    let arguments = arguments![bytes, &places, &table, &values, n?, h?, w?, rows?, columns?];
    SOURCE.launch(device, ("upload", storage), SOURCE.wide(values.count())?, arguments)?;
    Ok(values)
}
