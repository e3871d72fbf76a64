//! What is read through candle-datasets, handed back as bytes. Used where it is right: the IDX files of MNIST and its kin, and
//! CIFAR-10's binary files (not its `load`, which transposes every image).

use std::path::Path;

use crate::part::Part;
use crate::{Error, Images, Result};

/// (part, images, labels).
pub type Loaded = Vec<(Part, Images, Vec<u32>)>;

/// The four IDX files of MNIST in `folder`: 28×28, grey.
#[cfg(feature = "hub")]
pub fn mnist(folder: &Path) -> Result<Loaded> {
    let dataset = candle_datasets::vision::mnist::load_dir(folder);
    bytes::parts(dataset, folder, |pixels| {
        Ok(Images::Pixels { width: 28, height: 28, channels: 1, bytes: pixels })
    })
}

/// The six binary files of CIFAR-10 in `folder`: 32×32, RGB.
#[cfg(feature = "hub")]
pub fn cifar10(folder: &Path) -> Result<Loaded> {
    let dataset = candle_datasets::vision::cifar::load_dir(folder);
    bytes::parts(dataset, folder, |pixels| {
        Ok(Images::Pixels { width: 32, height: 32, channels: 3, bytes: interleave(&pixels) })
    })
}

/// Pixels of one image and channel.
pub(crate) const PLANE: usize = 32 * 32;

/// A record of CIFAR-100's binary files: coarse label, fine label, then the three planes.
pub fn cifar100(folder: &Path) -> Result<Loaded> {
    const RECORD: usize = 2 + 3 * PLANE;
    let read = |part, name| {
        let path = folder.join(name);
        let file = std::fs::read(&path).map_err(Error::io(&path))?;
        if file.is_empty() || file.len() % RECORD != 0 {
            let problem = format!("expected records of {RECORD} bytes, got {} bytes", file.len());
            return Err(Error::invalid(path.display(), problem));
        }
        let labels = file.chunks_exact(RECORD).map(|record| u32::from(record[1])).collect();
        let bytes = file.chunks_exact(RECORD).flat_map(|record| interleave(&record[2..])).collect();
        Ok((part, Images::Pixels { width: 32, height: 32, channels: 3, bytes }, labels))
    };
    Ok(vec![read(Part::Train, "train.bin")?, read(Part::Test, "test.bin")?])
}

/// (rows, 3, 32, 32) to (rows, 32, 32, 3).
pub(crate) fn interleave(planes: &[u8]) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(planes.len());
    for image in planes.chunks_exact(3 * PLANE) {
        pixels.extend((0..PLANE).flat_map(|at| [image[at], image[PLANE + at], image[2 * PLANE + at]]));
    }
    pixels
}

#[cfg(not(feature = "hub"))]
pub fn mnist(folder: &Path) -> Result<Loaded> {
    Err(without(folder))
}

#[cfg(not(feature = "hub"))]
pub fn cifar10(folder: &Path) -> Result<Loaded> {
    Err(without(folder))
}

#[cfg(not(feature = "hub"))]
fn without(folder: &Path) -> Error {
    let remedy = "build with `--features hub` (it is on by default), or use parquet files";
    Error::missing(folder.display(), "this build cannot read these files", remedy)
}

#[cfg(feature = "hub")]
mod bytes {
    use candle_core::{DType, Tensor};
    use candle_datasets::vision::Dataset;

    use super::{Error, Images, Loaded, Part, Path, Result};

    pub fn parts(
        dataset: candle_core::Result<Dataset>,
        folder: &Path,
        images: impl Fn(Vec<u8>) -> Result<Images>,
    ) -> Result<Loaded> {
        let invalid = |error: candle_core::Error| Error::invalid(folder.display(), error.to_string());
        let dataset = dataset.map_err(invalid)?;
        let pairs = [
            (Part::Train, dataset.train_images, dataset.train_labels),
            (Part::Test, dataset.test_images, dataset.test_labels),
        ];
        pairs
            .into_iter()
            .map(|(part, pixels, labels)| {
                let pixels = to_bytes(&pixels).map_err(invalid)?;
                let labels =
                    labels.to_dtype(DType::U32).and_then(|labels| labels.to_vec1()).map_err(invalid)?;
                Ok((part, images(pixels)?, labels))
            })
            .collect()
    }

    /// v / 255 in single precision back to v: exact for all 256 values, after rounding.
    fn to_bytes(pixels: &Tensor) -> candle_core::Result<Vec<u8>> {
        let values = pixels.flatten_all()?.to_vec1::<f32>()?;
        Ok(values.into_iter().map(|value| (value * 255.0).round() as u8).collect())
    }
}
