//! How much memory a network's activations take, from a pass over one image.

use crate::{Mode, Network, Params, Result};
use candle_core::{Storage, Tensor};
use std::collections::HashSet;
use tallow_kernels::record::record;

/// Bytes that one row costs in a stage, or the head.
#[derive(Clone, Debug, PartialEq)]
pub struct StageBytes {
    /// The stage, or `head`.
    pub name: String,
    /// Held from the forward pass until the stage's gradients are taken: none before the first stage that is trained.
    pub kept: u64,
    /// The largest of its activations.
    pub largest: u64,
    /// Of the parameters that are trained, whatever the rows.
    pub gradients: u64,
}

impl Network {
    /// What a training of this network holds for each row, stage by stage; of an evaluation of one image (C, H, W) of zeros.
    ///
    /// # Errors
    /// An image that a layer does not take.
    pub fn activations(&self, params: &Params, image: [usize; 3]) -> Result<Vec<StageBytes>> {
        let [channels, height, width] = image;
        let mut values =
            Tensor::zeros((1, channels, height, width), params.compute_dtype(), params.device())?;
        let (mut seen, mut tape, mut found) = (HashSet::new(), Vec::new(), Vec::new());
        let mut is_tracked = false;
        let stages = self.stages.iter().map(|stage| (stage.name.as_str(), &stage.layer));
        for (name, layer) in stages.chain([("head", &self.head)]) {
            let trained = params.trainable.values().filter(|param| param.stage() == name && !param.frozen());
            let gradients: u64 = trained.map(|param| bytes(param.leaf())).sum();
            is_tracked |= gradients > 0;
            let (output, steps) = record(|| layer.forward(&values, &Mode::Eval));
            values = output?;
            let (mut kept, mut largest) = (0, 0);
            for step in &steps {
                let (tensors, beside) = step.kept();
                kept += beside as u64;
                kept += tensors.into_iter().filter(|x| seen.insert(storage(x))).map(bytes).sum::<u64>();
                largest = bytes(&step.output).max(largest);
            }
            found.push(StageBytes {
                name: name.to_owned(),
                kept: if is_tracked { kept } else { 0 },
                largest,
                gradients,
            });
            // Alive to the end: a storage that was freed might give its place to another.
            tape.extend(steps);
        }
        Ok(found)
    }
}

fn bytes(x: &Tensor) -> u64 {
    (x.elem_count() * x.dtype().size_in_bytes()) as u64
}

/// Which memory a tensor's values are in. A view that is not contiguous is copied by the op that reads it.
fn storage(x: &Tensor) -> (usize, Option<candle_core::TensorId>) {
    let (storage, _) = x.storage_and_layout();
    let place = std::ptr::from_ref::<Storage>(&storage) as usize;
    (place, (!x.is_contiguous()).then(|| x.id()))
}
