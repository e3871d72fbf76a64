//! The classes in a network's features: how cohesive each is, and how far they are apart.

use crate::fit::evaluate::{labels, values};
use crate::run::Model;
use crate::{Error, Result};
use candle_core::{DType, Device};
use std::sync::Arc;
use tallow_data::Dataset;
use tallow_metrics::{Points, Separation};
use tallow_models::Mode;
use tallow_policy::PENULTIMATE;
use tallow_report::Progress;

/// [`Separation`] of the values at the `penultimate` tap, of all images of a dataset under the evaluation transform. Classes
/// are those of the model, matched by name.
///
/// # Errors
/// Images of a class that the model does not know, or that cannot be read; features that are not finite.
pub fn separation(
    model: &Model,
    dataset: &Arc<dyn Dataset>,
    label: &str,
    progress: &Progress,
) -> Result<Separation> {
    let labels = labels(&model.classes, &**dataset)?;
    let (mut points, mut of) = (Vec::new(), Vec::new());
    values(model, dataset, label, progress, |indices, values| {
        let mut features = None;
        model.network.walk(values.clone(), &Mode::Eval, |tap, values| {
            if tap == PENULTIMATE {
                features = Some(values.clone());
            }
            Ok(values)
        })?;
        let features = features.expect("the last stage is penultimate");
        let features = features.flatten_from(1)?.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
        points.extend(features.flatten_all()?.to_vec1::<f64>()?);
        of.extend(indices.iter().map(|&index| labels[index as usize]));
        Ok::<(), Error>(())
    })?;
    let found =
        Points::new(of.len(), points).and_then(|points| Separation::of(&points, &of, model.classes.len()));
    found.map_err(|error| Error::Data(format!("{label}: {error}")))
}
