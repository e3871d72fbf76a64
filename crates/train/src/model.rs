//! A plan's network with its weights, ready to be trained or asked.

use crate::plan::{Plan, Weights};
use crate::upload::Statistics;
use crate::{Error, Result, weights};
use candle_core::{DType, Device, Tensor};
use serde_yaml::Value;
use std::path::Path;
use tallow_data::Pixels;
use tallow_models::config::Config;
use tallow_models::{ModelOptions, Network, Params};
use tallow_policy::{Mistake, Registry};
use tallow_report::Progress;
use tallow_seed::Seed;

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
    pub statistics: Statistics,
    pub device: Device,
}

/// Where a network's weights come from.
pub enum Start<'a> {
    /// The recipe's weights, or initial values.
    Recipe,
    /// A folder with `model.safetensors` and `config.json`.
    Checkpoint(&'a Path),
}

impl Model {
    /// The network of a plan, and what people should know of its weights.
    pub fn build(
        mut plan: Plan,
        classes: Vec<String>,
        device: Device,
        start: Start,
        progress: &Progress,
    ) -> Result<(Model, Vec<String>)> {
        let spec = plan.model.spec;
        let options = ModelOptions {
            stem: plan.model.stem,
            input: Some(plan.model.input as usize),
            ..ModelOptions::new(classes.len())
        };
        let mut params = Params::new(Seed::new(plan.seed).fold("init", 0), DType::F32, &device);
        let network = (spec.build)(&mut params, &options).map_err(|error| match error {
            // `stem: …` is said of model.stem.
            tallow_models::Error::Option(problem) => match problem.split_once(": ") {
                Some((key, problem)) => plan.mistake(&format!("model.{key}"), problem),
                None => plan.mistake("model", problem),
            },
            other => other.into(),
        })?;
        let side = plan.model.input as usize;
        let Some(outline) = network.outline([3, side, side]) else {
            let problem =
                format!("{side} px are too few for {}; it is meant for {} px", spec.name, spec.input);
            return Err(plan.mistake("model.input", problem));
        };
        let shapes: Vec<(&str, &[usize])> =
            outline.iter().map(|(tap, outline)| (*tap, outline.shape.as_slice())).collect();
        if let Some(Mistake { path, message }) = plan.policy.check_shapes(spec.name, &shapes).pop() {
            return Err(plan.mistake(&path, message));
        }
        let mut config = Config::new(spec, &options, plan.model.input as usize, &classes);
        let mut notes = Vec::new();
        match (&start, &plan.model.weights) {
            (Start::Checkpoint(folder), _) => weights::from_checkpoint(folder, spec, &params, &mut config)?,
            (Start::Recipe, Some(from)) => {
                notes = weights::from_recipe(from, spec, &params, &mut config, progress)?
            }
            (Start::Recipe, None) => {}
        }
        plan.evaluate_as(&config)
            .map_err(|problem| Error::Data(format!("config.json beside the weights: {problem}")))?;
        describe_evaluation(&plan.resolved, &mut config);
        if let Some(mean) = plan.model.mean {
            config.mean = mean.to_vec();
        }
        if let Some(std) = plan.model.std {
            config.std = std.to_vec();
        }
        network.freeze(&params, &plan.model.freeze)?;
        let statistics = Statistics { mean: triple(&config.mean)?, std: triple(&config.std)? };
        plan.set_fill(statistics.mean);
        Ok((Model { plan, classes, params, network, options, config, statistics, device }, notes))
    }

    /// The model of a checkpoint folder, under its recipe with overrides; on `device`, if not on the recipe's.
    pub fn open(
        folder: &Path,
        overrides: &[String],
        device: Option<Device>,
        registry: &Registry,
        progress: &Progress,
    ) -> Result<Model> {
        crate::checkpoint::read(folder, "recipe.yaml")?;
        let plan = Plan::read(&folder.join("recipe.yaml"), overrides, registry)?;
        let device = match device {
            Some(device) => device,
            None => plan.device.open().map_err(|message| plan.mistake("device", message))?,
        };
        let classes = weights::described(folder)?.labels;
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

    /// Bytes to normalised values on the device.
    pub fn upload(&self, pixels: &Pixels) -> Result<Tensor> {
        Ok(self.statistics.upload(pixels, self.params.dtype(), &self.device)?)
    }
}

/// Puts the evaluation transform of a recipe into timm's words: a resize to both sides is `squash`, a resize of the shorter
/// side and a centre crop are `center` with the crop's share of it. A recipe without one is evaluated as the configuration says.
fn describe_evaluation(recipe: &Value, config: &mut Config) {
    let Some(nodes) = recipe.get("evaluation").and_then(Value::as_sequence) else { return };
    let Some(resize) = nodes.iter().find_map(|node| node.get("resize")) else {
        config.crop = 1.0;
        return;
    };
    let size = resize.get("size").unwrap_or(resize);
    match size.as_f64() {
        Some(side) => {
            (config.crop, config.crop_mode) = ((config.input[1] as f64 / side).min(1.0), "center".to_owned());
        }
        None => (config.crop, config.crop_mode) = (1.0, "squash".to_owned()),
    }
    let interpolation = resize.get("interpolation").and_then(Value::as_str).unwrap_or("bilinear");
    config.interpolation = interpolation.to_owned();
}

fn triple(values: &[f64]) -> Result<[f64; 3]> {
    values.try_into().map_err(|_| {
        Error::recipe(format!("model.mean, model.std: expected three numbers, got {}", values.len()))
    })
}

/// Where [`Weights`] of a recipe lie on this machine.
impl Weights {
    pub fn describe(&self) -> String {
        match self {
            Weights::Hub(id) => format!("hub:{id}"),
            Weights::File(path) => path.display().to_string(),
        }
    }
}
