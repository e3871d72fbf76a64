//! What `eval` and `predict` ask of an image beyond one look by one network: views of it, and other networks.

use super::checkpoint;
use crate::arguments::Asking;
use serde_json::{Value, json};
use std::path::PathBuf;
use tallow_policy::Registry;
use tallow_report::Progress;
use tallow_train::{Calibration, Ensemble, Error, Model, Tta};

/// How images were asked about, to be said beside the answer.
pub struct Asked {
    tta: Option<Tta>,
    /// The other checkpoints, and what they are together.
    with: Vec<PathBuf>,
    ensemble: Option<String>,
    /// One of them has a calibration, which was fitted to it alone and to one view of each image.
    uncalibrated: bool,
}

/// The network, with the others that are asked beside it, on its device and each under its own recipe; and the views of an image that
/// each looks at.
pub fn networks(
    mut first: Model,
    asking: &Asking,
    registry: &Registry,
    progress: &Progress,
) -> anyhow::Result<(Ensemble, Asked)> {
    let is_plain = asking.with.is_empty() && asking.tta.is_none();
    let mut uncalibrated = first.calibration.take_if(|_| !is_plain).is_some();
    let mut networks = Ensemble::of(first);
    for path in &asking.with {
        let place = checkpoint(path)?;
        uncalibrated |= place.join(Calibration::FILE).is_file();
        let device = networks.first.device.clone();
        let model = Model::open_uncalibrated(&place, &[], Some(device), registry, progress)?;
        let placed = |error| match error {
            Error::Recipe(lines) => Error::recipe(format!("--with {}: {}", path.display(), lines.join("\n"))),
            other => other,
        };
        networks.add(model).map_err(placed)?;
    }
    if let Some(text) = &asking.tta {
        for model in networks.models_mut() {
            model.transforms.tta = Some(Tta::parse(text, asking.tta_views, model)?);
        }
    }
    let tta = networks.first.transforms.tta.clone();
    let asked = Asked { tta, with: asking.with.clone(), ensemble: networks.describe(), uncalibrated };
    Ok((networks, asked))
}

impl Asked {
    /// One for each thing that was asked for.
    pub fn lines(&self) -> Vec<String> {
        let views = self.tta.as_ref().map(|tta| format!("test-time augmentation: {}", tta.describe()));
        let left_out = "without the calibration of a checkpoint, which was fitted to one network and one view of each image";
        let left_out = self.uncalibrated.then(|| left_out.to_owned());
        self.ensemble.clone().into_iter().chain(views).chain(left_out).collect()
    }

    /// The same for programs.
    pub fn put_into(&self, json: &mut Value) {
        if let Some(tta) = &self.tta {
            json["tta"] = json!({ "views": tta.count(), "policies": tta.words() });
        }
        if self.uncalibrated {
            json["calibration_left_out"] = json!(true);
        }
        if !self.with.is_empty() {
            json["with"] = json!(self.with);
        }
    }
}
