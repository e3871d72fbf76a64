//! What a network says of a dataset.

use crate::run::{Model, Transforms, keys};
use crate::{Error, Result};
use candle_core::{D, DType, Device, Tensor};
use std::sync::Arc;
use tallow_data::{Dataset, Loader, Pixels, decode_within};
use tallow_kernels::autoreleasepool;
use tallow_metrics::Predictions;
use tallow_models::Mode;
use tallow_report::{Progress, Unit};

/// Predictions for every image of a dataset, in its order, under the evaluation transform, calibrated where the model is.
///
/// Classes are matched by name: the dataset may have fewer of them, or in another order.
///
/// # Errors
/// Images of a class that the model does not know, or that cannot be read; probabilities that are not finite.
pub fn evaluate(
    model: &Model,
    dataset: &Arc<dyn Dataset>,
    label: &str,
    progress: &Progress,
) -> Result<Predictions> {
    evaluate_while(model, dataset, label, progress, &|| Ok(()))
}

/// The same, as long as `go_on` says nothing against it: it is asked at each batch.
///
/// # Errors
/// Those of `go_on`, and as [`evaluate`].
pub fn evaluate_while(
    model: &Model,
    dataset: &Arc<dyn Dataset>,
    label: &str,
    progress: &Progress,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<Predictions> {
    let labels = labels(&model.classes, &**dataset)?;
    let mut predictions = Predictions::new(&model.classes);
    forward(model, dataset, label, progress, |indices, logits| {
        go_on()?;
        push(&mut predictions, model, &**dataset, &labels, indices, logits)
    })?;
    Ok(predictions)
}

/// Adds what the logits (R, C) of a batch say of its images.
///
/// # Errors
/// Probabilities that are not finite.
pub fn push(
    predictions: &mut Predictions,
    model: &Model,
    dataset: &dyn Dataset,
    labels: &[u32],
    indices: &[u32],
    logits: &Tensor,
) -> Result<()> {
    for (row, &index) in model.probabilities(logits)?.iter().zip(indices) {
        let index = index as usize;
        let (id, group, label) = (dataset.id(index), dataset.group(index), labels[index]);
        predictions
            .push(id, group, label, row)
            .map_err(|error| Error::Diverged(format!("{error}\n{}", model.plan.schedule.advice())))?;
    }
    Ok(())
}

/// Runs the network over a dataset, in its order, under the evaluation transform, and hands on each batch's indices with
/// their logits (R, C); with `evaluation_crops` or test-time augmentation, the logarithm of the mean probabilities of an image's views in
/// their place.
///
/// # Errors
/// Those of `each`; images that cannot be read.
pub fn forward<E: From<Error>>(
    model: &Model,
    dataset: &Arc<dyn Dataset>,
    label: &str,
    progress: &Progress,
    mut each: impl FnMut(&[u32], &Tensor) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let logits =
        |view: &Pixels| Ok::<Tensor, Error>(model.network.forward(&model.upload(view)?, &Mode::Eval)?);
    views(model, dataset, label, progress, true, |indices, found| match found {
        [view] => each(indices, &logits(view)?),
        found => {
            let of_view = |view| probabilities(&logits(view)?);
            let mean = found.iter().map(of_view).collect::<Result<Vec<_>>>().and_then(mean_logarithm);
            each(indices, &mean?)
        }
    })
}

/// ln of the mean of probabilities (R, C) over the views.
fn mean_logarithm(views: Vec<Vec<Vec<f64>>>) -> Result<Tensor> {
    let rows = (0..views[0].len()).map(|row| {
        let classes = 0..views[0][row].len();
        let mean = |class: usize| views.iter().map(|view| view[row][class]).sum::<f64>() / views.len() as f64;
        classes.map(|class| mean(class).ln()).collect::<Vec<f64>>()
    });
    Ok(Tensor::new(rows.collect::<Vec<_>>(), &Device::Cpu)?)
}

/// Hands on the batches of a dataset, in its order, under the evaluation transform: indices and normalised values.
///
/// # Errors
/// Those of `each`; images that cannot be read.
pub fn values<E: From<Error>>(
    model: &Model,
    dataset: &Arc<dyn Dataset>,
    label: &str,
    progress: &Progress,
    mut each: impl FnMut(&[u32], &Tensor) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    views(model, dataset, label, progress, false, |indices, found| each(indices, &model.upload(&found[0])?))
}

/// The same as bytes: of each image `all` that an evaluation averages over, crops and views of them, or the one of the evaluation
/// transform.
fn views<E: From<Error>>(
    model: &Model,
    dataset: &Arc<dyn Dataset>,
    label: &str,
    progress: &Progress,
    all: bool,
    mut each: impl FnMut(&[u32], &[Pixels]) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let bar = progress.bar(label, Unit::Images, Some(dataset.len() as u64));
    let indices: Vec<u32> = (0..dataset.len() as u32).collect();
    let batches = indices.chunks(model.plan.data.batch).map(<[u32]>::to_vec).collect();
    let Transforms { evaluation: chain, crops, tta, .. } = model.transforms.clone();
    let most = dataset.max_pixels();
    // The plan refuses policies that draw here: no seed is ever used.
    let prepare = move |encoded, _| {
        let image = decode_within(&encoded, most)?;
        let images = match crops.filter(|_| all) {
            Some(side) => chain.ordered_crops(image, side)?,
            None => vec![chain.run(image, keys::evaluation())?],
        };
        let Some(tta) = tta.as_ref().filter(|_| all) else { return Ok(images) };
        let mut views = Vec::with_capacity(images.len() * tta.count());
        for image in &images {
            views.extend(tta.views(image)?);
        }
        Ok(views)
    };
    for batch in Loader::new(dataset.clone(), batches, Arc::new(prepare), model.plan.data.workers) {
        let batch = batch.map_err(Error::from)?;
        autoreleasepool(|| each(&batch.indices, &batch.views))?;
        bar.tick(batch.labels.len() as u64, &[]);
    }
    Ok(())
}

/// The label of each image as an index into `known`, by the names of the classes.
///
/// # Errors
/// Images of a class that is not known.
pub fn labels(known: &[String], dataset: &dyn Dataset) -> Result<Vec<u32>> {
    let place = |class: &String| known.iter().position(|name| name == class);
    let places: Vec<Option<usize>> = dataset.classes().iter().map(place).collect();
    let mut strangers = vec![0u64; places.len()];
    let mut labels = Vec::with_capacity(dataset.len());
    for index in 0..dataset.len() {
        let label = dataset.label(index) as usize;
        match places[label] {
            Some(place) => labels.push(place as u32),
            None => strangers[label] += 1,
        }
    }
    let named = dataset.classes().iter().zip(strangers).filter(|(_, count)| *count > 0);
    let named: Vec<String> = named
        .map(|(class, count)| {
            let s = if count == 1 { "" } else { "s" };
            format!("`{class}` ({count} image{s})")
        })
        .collect();
    if named.is_empty() {
        return Ok(labels);
    }
    Err(Error::Data(format!(
        "the data has classes that the checkpoint does not know: {}; expected some of {}; rename them in the data, or take \
         their images out",
        named.join(", "),
        known.join(", ")
    )))
}

impl Model {
    /// softmax of logits (R, C), in f64, calibrated where the model is.
    ///
    /// # Errors
    /// Values of another shape.
    pub fn probabilities(&self, logits: &Tensor) -> Result<Vec<Vec<f64>>> {
        let found = probabilities(logits)?;
        let calibrator = self.calibration.as_ref().and_then(|found| found.probabilities.as_ref());
        Ok(match calibrator {
            // What is not finite stays so, and is refused where it is used.
            Some(calibrator) if found.iter().flatten().all(|p| p.is_finite()) => {
                found.iter().map(|row| calibrator.apply(row)).collect()
            }
            _ => found,
        })
    }
}

/// softmax of logits (R, C), in f64.
///
/// # Errors
/// Values of another shape.
pub fn probabilities(logits: &Tensor) -> Result<Vec<Vec<f64>>> {
    // On the host: not every device has f64.
    let logits = logits.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
    let powers = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?.exp()?;
    Ok(powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)?.to_vec2()?)
}

#[cfg(test)]
mod tests {
    use super::labels;
    use tallow_data::{Images, Row, Table};

    #[test]
    fn classes_are_matched_by_name() {
        let known = ["MEL", "NV", "BCC"].map(str::to_owned);
        let data = |classes: &[&str], of: &[u32]| {
            let classes = classes.iter().map(|&class| class.to_owned()).collect();
            let row = |(index, &label): (usize, &u32)| Row { id: index.to_string(), label, group: None };
            let rows = of.iter().enumerate().map(row).collect();
            Table::new(
                "a test",
                classes,
                None,
                rows,
                Images::Bytes(vec![Vec::new(); of.len()].into_iter().collect()),
            )
            .unwrap()
        };
        assert_eq!(labels(&known, &data(&["BCC", "MEL"], &[0, 1, 0])).unwrap(), [2, 0, 2]);
        // A class of which there is no image may have any name.
        assert_eq!(labels(&known, &data(&["SCC", "NV"], &[1])).unwrap(), [1]);
        let error = labels(&known, &data(&["mel", "NV", "SCC"], &[0, 1, 2, 2])).unwrap_err().to_string();
        assert!(
            error
                .contains("does not know: `mel` (1 image), `SCC` (2 images); expected some of MEL, NV, BCC;")
        );
    }
}
