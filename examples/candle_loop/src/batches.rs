//! Drawn lesions as tensors, (N, 3, 32, 32), all at once.

use candle_core::{DType, Device, Error, Result, Tensor};
use tallow_data::synthetic::{CLASS_NAMES, Part, Synthetic};
use tallow_data::{Dataset, Sampler};
use tallow_policy::{Rows, Seed};

const SIZE: usize = 32;

pub struct Batches {
    values: Tensor,
    labels: Vec<u32>,
}

impl Batches {
    pub fn new(part: Part, images: usize, device: &Device) -> Result<Batches> {
        let data = Synthetic::part(part, images, SIZE as u32, Seed::new(1));
        let mut bytes = Vec::with_capacity(images * SIZE * SIZE * 3);
        for index in 0..data.len() {
            let image = data.image(index).and_then(|encoded| tallow_data::decode(&encoded));
            bytes.extend(image.map_err(Error::wrap)?.pixels);
        }
        let values = Tensor::from_vec(bytes, (images, SIZE, SIZE, 3), device)?.permute((0, 3, 1, 2))?;
        // Bytes to about ±2.
        let values = values.to_dtype(DType::F32)?.affine(1.0 / 64.0, -2.0)?.contiguous()?;
        Ok(Batches { values, labels: (0..images).map(|index| data.label(index)).collect() })
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn all(&self) -> Result<(Tensor, Rows)> {
        let order: Vec<u32> = (0..self.len() as u32).collect();
        self.rows(&order)
    }

    /// Whole batches of an epoch in which each class has as many images.
    pub fn balanced(&self, batch: usize, seed: Seed) -> Result<Vec<(Tensor, Rows)>> {
        let batches = Sampler::Balanced.epoch(&self.labels, CLASS_NAMES.len(), batch, true, seed);
        batches.iter().map(|indices| self.rows(indices)).collect()
    }

    fn rows(&self, indices: &[u32]) -> Result<(Tensor, Rows)> {
        let classes: Vec<u32> = indices.iter().map(|&index| self.labels[index as usize]).collect();
        let values = self.values.index_select(&Tensor::new(indices, self.values.device())?, 0)?;
        let groups = vec![None; classes.len()];
        Ok((values, Rows::one_hot(classes, groups, CLASS_NAMES.len())))
    }
}
