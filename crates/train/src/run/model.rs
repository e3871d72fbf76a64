//! A plan's network with its weights, ready to be trained or asked.

use super::calibration::Calibration;
use super::transforms::{Transforms, describe};
use super::{Precision, keys, pretrained, weights};
use crate::Result;
use crate::fit::checkpoint;
use crate::plan::{ModelPlan, Plan, Weights};
use candle_core::{DType, Device, Tensor};
use std::path::Path;
use tallow_data::Pixels;
use tallow_models::config::Config;
use tallow_models::{ModelOptions, Network, Params};
use tallow_policy::{Mistake, Registry};
use tallow_report::Progress;

/// Everything that a forward pass needs.
pub struct Model {
    pub plan: Plan,
    /// Class names, in label order.
    pub classes: Vec<String>,
    pub params: Params,
    pub network: Network,
    pub options: ModelOptions,
    /// timm's description of the model and its input.
    pub config: Config,
    pub transforms: Transforms,
    pub device: Device,
    /// What a checkpoint's probabilities are made honest by.
    pub calibration: Option<Calibration>,
}

/// Where a network's weights come from.
pub enum Start<'a> {
    /// The recipe's weights, or initial values.
    Recipe,
    /// The recipe's weights, of which this is the file, with their head: one that does not fit is an error.
    Weights(&'a Path),
    /// A folder with `model.safetensors` and `config.json`.
    Checkpoint(&'a Path),
}

impl Model {
    /// The network of a plan, and what people should know of its weights.
    ///
    /// # Errors
    /// Options that the network does not take; mixes where it has no maps for them; weights that are not there or do not fit.
    pub fn build(
        plan: Plan,
        classes: Vec<String>,
        device: Device,
        start: Start,
        progress: &Progress,
    ) -> Result<(Model, Vec<String>)> {
        let Built { params, network, options, notes, config, transforms } =
            built(&plan, &classes, &device, &start, progress)?;
        let calibration = None;
        Ok((
            Model { plan, classes, params, network, options, config, transforms, device, calibration },
            notes,
        ))
    }

    /// Whether a plan's network takes its weights, without a run: what people should know of them.
    ///
    /// # Errors
    /// As [`Model::build`].
    pub fn check(plan: &Plan, classes: &[String], progress: &Progress) -> Result<Vec<String>> {
        Ok(built(plan, classes, &Device::Cpu, &Start::Recipe, progress)?.notes)
    }

    /// The model of a checkpoint folder with its calibration, under its recipe with overrides; on `device`, if not on the recipe's.
    ///
    /// # Errors
    /// Mistakes of the recipe or the overrides; files that are missing, damaged or do not fit; a device that is not there.
    pub fn open(
        folder: &Path,
        overrides: &[String],
        device: Option<Device>,
        registry: &Registry,
        progress: &Progress,
    ) -> Result<Model> {
        let model = Model::open_uncalibrated(folder, overrides, device, registry, progress)?;
        Ok(Model { calibration: Calibration::read(folder, &model.classes)?, ..model })
    }

    /// [`Model::open`] without the calibration, whatever it is.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn open_uncalibrated(
        folder: &Path,
        overrides: &[String],
        device: Option<Device>,
        registry: &Registry,
        progress: &Progress,
    ) -> Result<Model> {
        let plan = checkpoint::plan(folder, overrides, registry)?;
        let device = device.map_or_else(|| plan.open_device(), Ok)?;
        let classes = weights::config_of(folder)?.labels;
        Ok(Model::build(plan, classes, device, Start::Checkpoint(folder), progress)?.0)
    }

    /// Whether some tap has maps of a single pixel.
    pub fn has_single_pixels(&self) -> bool {
        let side = self.plan.model.input as usize;
        let outline = self.network.outline([3, side, side]).unwrap_or_default();
        outline
            .iter()
            .any(|(_, outline)| outline.shape.len() == 3 && outline.shape[1] * outline.shape[2] == 1)
    }

    /// Freezes what is frozen at a step, and thaws what is not any more; `begins` says from which step a stage is trained.
    ///
    /// # Errors
    /// None that building the model did not find.
    pub fn freeze_at(&self, step: u64, begins: impl Fn(&str) -> Option<u64>) -> Result<()> {
        let freeze = &self.plan.model.freeze;
        match freeze.until {
            Some(_) => Ok(self.network.freeze(&self.params, &freeze.at(step, begins))?),
            None => Ok(()),
        }
    }

    /// Bytes to normalised values on the device, of which this network's pass is next: convolutions get its precision.
    ///
    /// # Errors
    /// Those of the device.
    pub fn upload(&self, pixels: &Pixels) -> Result<Tensor> {
        tallow_kernels::allow_tf32(self.plan.precision == Precision::Tf32);
        Ok(self.transforms.statistics.upload(pixels, self.params.compute_dtype(), &self.device)?)
    }
}

/// What a plan's network is before it is a model.
struct Built {
    params: Params,
    network: Network,
    options: ModelOptions,
    notes: Vec<String>,
    config: Config,
    transforms: Transforms,
}

fn built(
    plan: &Plan,
    classes: &[String],
    device: &Device,
    start: &Start,
    progress: &Progress,
) -> Result<Built> {
    let spec = plan.model.spec;
    let options = plan.model.options(classes.len());
    let mut params = Params::new(keys::initial_weights(plan.seed), DType::F32, device)
        .computing_in(plan.precision.of_values(device));
    let network = (spec.build)(&mut params, &options).map_err(|error| match error {
        // `stem: …` is about model.stem.
        tallow_models::Error::Option(problem) => match problem.split_once(": ") {
            Some((key, problem)) => plan.mistake(&format!("model.{key}"), problem),
            None => plan.mistake("model", problem),
        },
        other => other.into(),
    })?;
    let side = plan.model.input as usize;
    let Some(outline) = network.outline([3, side, side]) else {
        let problem = format!("{side} px are too few for {}; it is meant for {} px", spec.name, spec.input);
        return Err(plan.mistake("model.input", problem));
    };
    let shapes: Vec<(&str, &[usize])> =
        outline.iter().map(|(tap, outline)| (*tap, outline.shape.as_slice())).collect();
    if let Some(Mistake { path, message }) = plan.policy.check_shapes(spec.name, &shapes).pop() {
        return Err(plan.mistake(&path, message));
    }
    let (notes, theirs) = match (start, &plan.model.weights) {
        (Start::Checkpoint(folder), _) => {
            (Vec::new(), Some(weights::from_checkpoint(folder, spec, &params, classes)?))
        }
        (Start::Recipe, Some(from)) => {
            let file = weights::file_of(from, progress)?;
            let mut loaded = weights::load(from, &file, plan, &params)?;
            loaded.notes.extend(loaded.new_head.map(|why| format!("{why}: kept newly initialised")));
            (loaded.notes, loaded.theirs)
        }
        (Start::Weights(file), Some(from)) => {
            let loaded = weights::load(from, file, plan, &params)?;
            if let Some(why) = loaded.new_head {
                return Err(plan.mistake("model.weights", pretrained::no_head(from, &why)));
            }
            (loaded.notes, loaded.theirs)
        }
        (Start::Recipe | Start::Weights(_), None) => (Vec::new(), None),
    };
    // Stages that thaw are frozen step by step, see `freeze_at`.
    if plan.model.freeze.until.is_none() {
        network.freeze(&params, &plan.model.freeze.stages)?;
    }
    let config = describe(plan, &options, classes, theirs.as_ref());
    let transforms = Transforms::new(plan, &config)?;
    Ok(Built { params, network, options, notes, config, transforms })
}

impl ModelPlan {
    /// What its network is built with.
    pub fn options(&self, classes: usize) -> ModelOptions {
        ModelOptions { stem: self.stem, input: Some(self.input as usize), ..ModelOptions::new(classes) }
    }
}

impl Weights {
    /// As a recipe writes them.
    pub fn describe(&self) -> String {
        match self {
            Weights::Hub(id) => format!("hub:{id}"),
            Weights::File(path) => path.display().to_string(),
        }
    }
}
