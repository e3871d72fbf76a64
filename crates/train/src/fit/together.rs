//! What the ranks of a training agree on: that they train the same, when they stop, and what the validation images are called.

use super::Trainer;
use super::checkpoint::Position;
use super::evaluate::{evaluate_while, forward, labels};
use crate::run::{Model, Run, same};
use crate::{Error, Result};
use candle_core::{Device, DeviceLocation};
use std::sync::Arc;
use tallow_data::{Dataset, Subset};
use tallow_metrics::Predictions;

/// Refuses ranks that would not train the same: each of other images, other weights, or another device or processor. Programs, recipes and
/// lists of data were compared before the images were looked at; what the weights' `config.json` says of a recipe is here.
///
/// # Errors
/// The first rank that differs from rank 0, and in what.
pub fn check(run: &Run, position: &Position) -> Result<()> {
    if run.ranks.count() == 1 {
        return Ok(());
    }
    let mut weights = Vec::new();
    for (name, tensor) in run.model.params.tensors()? {
        let values = tensor.flatten_all()?.to_dtype(candle_core::DType::F32)?.to_vec1::<f32>()?;
        weights.extend(name.bytes());
        weights.extend(values.into_iter().flat_map(f32::to_le_bytes));
    }
    let own = [
        ("recipe", tallow_data::fingerprint(run.model.recipe().as_bytes())),
        ("images", run.data.content.clone().unwrap_or_default()),
        ("weights", tallow_data::fingerprint(&weights)),
        ("device", kind(run.model.params.device()).to_owned()),
        ("place in the run", format!("step {}", position.step)),
        ("vector code", tallow_kernels::vector_code().to_string()),
    ];
    same(&*run.ranks, &own)
}

/// The kind of device: each of several GPUs has another number.
fn kind(device: &Device) -> &'static str {
    match device.location() {
        DeviceLocation::Cpu => "cpu",
        DeviceLocation::Cuda { .. } => "cuda",
        DeviceLocation::Metal { .. } => "metal",
    }
}

impl Trainer<'_> {
    /// The signal that asked one of the ranks to stop, and whether the first one has to write `last`: the same on all of them.
    pub(super) fn agreed(&self) -> Result<(Option<i32>, bool)> {
        let (asked, is_due) = (self.stop.asked(), self.is_due());
        if self.run.ranks.count() == 1 {
            return Ok((asked, is_due));
        }
        let told = [asked.unwrap_or(0).to_le_bytes(), i32::from(is_due).to_le_bytes()].concat();
        let all = self.run.ranks.gather(told)?;
        let number = |bytes: &[u8], at: usize| {
            bytes.as_chunks::<4>().0.get(at).map_or(0, |bytes| i32::from_le_bytes(*bytes))
        };
        let asked = all.iter().map(|bytes| number(bytes, 0)).find(|signal| *signal != 0);
        Ok((asked, number(&all[0], 1) != 0))
    }

    /// What the first rank says, who alone looks at the folder.
    pub(super) fn as_the_first(&self, own: bool) -> Result<bool> {
        Ok(self.run.ranks.gather(vec![u8::from(own)])?[0] == [1])
    }

    /// What the network says of images, each rank of some of the batches; the predictions are the same as by one.
    pub(super) fn evaluate_together(&self, model: &Model, data: &Arc<dyn Dataset>) -> Result<Predictions> {
        let ranks = &self.run.ranks;
        let go_on = || self.stop.asked().map_or(Ok(()), |signal| Err(self.interrupted(signal)));
        if ranks.count() == 1 {
            return evaluate_while(model, data, "validation", self.progress, &go_on);
        }
        let labels = labels(&model.classes, &**data)?;
        // Whole batches: those of one process, whose last one may be shorter, and is the last here too.
        let rank_of = |index: usize| index / model.plan.data.batch % ranks.count();
        let here = (0..data.len() as u32).filter(|index| rank_of(*index as usize) == ranks.index());
        let here: Arc<dyn Dataset> = Arc::new(Subset::new(data.clone(), here.collect()));
        let mut rows = Vec::new();
        let walked = forward(model, &here, "validation", self.progress, |_, logits| {
            go_on()?;
            rows.extend(model.probabilities(logits)?.into_iter().flatten());
            Ok::<(), Error>(())
        });
        // One that was stopped sends the signal in place of what it found.
        let told = match walked {
            Ok(()) => [&[0u8; 4][..], bytemuck::cast_slice(&rows)].concat(),
            Err(Error::Interrupted { signal, .. }) => signal.to_le_bytes().to_vec(),
            Err(error) => return Err(error),
        };
        let mut rows: Vec<std::vec::IntoIter<f64>> = Vec::new();
        for told in ranks.gather(told)? {
            let (signal, found) = told.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
            match i32::from_le_bytes(*signal) {
                0 => rows.push(bytemuck::pod_collect_to_vec(found).into_iter()),
                signal => return Err(self.interrupted(signal)),
            }
        }
        let mut predictions = Predictions::new(&model.classes);
        for (index, &label) in labels.iter().enumerate() {
            let row: Vec<f64> = rows[rank_of(index)].by_ref().take(model.classes.len()).collect();
            predictions
                .push(data.id(index), data.group(index), label, &row)
                .map_err(|error| Error::Diverged(format!("{error}\n{}", model.plan.schedule.advice())))?;
        }
        Ok(predictions)
    }
}
