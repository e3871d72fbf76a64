//! What a network says of a dataset.

use crate::model::Model;
use crate::{Error, Result};
use candle_core::{D, DType, Device, Tensor};
use std::sync::Arc;
use tallow_data::{Dataset, Loader, decode};
use tallow_metrics::Predictions;
use tallow_models::Mode;
use tallow_report::{Progress, Unit};
use tallow_seed::Seed;

/// Predictions for every image of a dataset, in its order, under the evaluation transform.
pub fn evaluate(
    model: &Model,
    dataset: &Arc<dyn Dataset>,
    label: &str,
    progress: &Progress,
) -> Result<Predictions> {
    let bar = progress.bar(label, Unit::Images, Some(dataset.len() as u64));
    let indices: Vec<u32> = (0..dataset.len() as u32).collect();
    let batches = indices.chunks(model.plan.data.batch).map(<[u32]>::to_vec).collect();
    let chain = model.plan.evaluation.clone();
    // The plan refuses policies that draw here: the seed is never used.
    let prepare = move |encoded, _| Ok(vec![chain.run(decode(&encoded)?, Seed::new(0))?]);
    let mut predictions = Predictions::new(&model.classes);
    for batch in Loader::new(dataset.clone(), batches, Arc::new(prepare), model.plan.data.workers) {
        let batch = batch?;
        let logits = model.network.forward(&model.upload(&batch.views[0])?, &Mode::Eval)?;
        for (row, &index) in probabilities(&logits)?.iter().zip(&batch.indices) {
            let index = index as usize;
            let (id, group, label) = (dataset.id(index), dataset.group(index), dataset.label(index));
            predictions.push(id, group, label, row).map_err(|error| {
                Error::Diverged(format!(
                    "{error}\nlower schedule.rate, lengthen the warm-up, or clip gradients (clip: 1.0)"
                ))
            })?;
        }
        bar.tick(batch.labels.len() as u64, &[]);
    }
    Ok(predictions)
}

/// softmax of logits (R, C), in f64.
pub fn probabilities(logits: &Tensor) -> Result<Vec<Vec<f64>>> {
    // On the host: not every device has f64.
    let logits = logits.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
    let powers = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?.exp()?;
    Ok(powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)?.to_vec2()?)
}
