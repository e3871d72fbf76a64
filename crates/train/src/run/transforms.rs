//! What becomes of an image between its file and the network: resolved once, from the plan and the `config.json` of its weights.

use super::tta::Tta;
use super::upload::Statistics;
use crate::plan::{Plan, evaluation_nodes, evaluation_of};
use crate::{Error, Result};
use serde_yaml::Value;
use std::sync::Arc;
use tallow_models::ModelOptions;
use tallow_models::config::Config;
use tallow_policy::ImageChain;

/// The chains of image policies, and the statistics that bytes are normalised with.
#[derive(Clone)]
pub struct Transforms {
    /// Of the `augmented` view; ramps are asked for an epoch.
    pub training: Arc<ImageChain>,
    /// Of evaluations and of the `clean` view.
    pub evaluation: Arc<ImageChain>,
    /// An evaluation looks at n² crops of each image and averages their probabilities, n this number.
    pub crops: Option<u32>,
    /// And at these views of each, where they were asked for.
    pub tta: Option<Tta>,
    pub statistics: Statistics,
}

impl Transforms {
    /// As `config`, from `describe`, says. Images are filled with its mean.
    ///
    /// # Errors
    /// A `config` that is not understood, or has other than three channels.
    pub fn new(plan: &Plan, config: &Config) -> Result<Transforms> {
        let statistics = Statistics { mean: triple(&config.mean)?, std: triple(&config.std)? };
        let fill = statistics.mean;
        let evaluation = if plan.has_own_evaluation {
            plan.evaluation.build(fill)
        } else {
            let found = evaluation_of(config, &plan.registry);
            found
                .map_err(|problem| Error::Data(format!("config.json beside the weights: {problem}")))?
                .build(fill)
        };
        if plan.crops.is_some() && evaluation.last_crop().is_none() {
            let problem = "stands for the center_crop that ends the evaluation, and that of the weights' config.json ends in \
                           none; write an `evaluation`";
            return Err(plan.mistake("evaluation_crops", problem));
        }
        let training = Arc::new(plan.images.build(fill));
        Ok(Transforms {
            training,
            evaluation: Arc::new(evaluation),
            crops: plan.crops,
            tta: None,
            statistics,
        })
    }

    /// As a training has them, without its network: a `config.json` is read where it lies beside a file. Of weights of the hub, which
    /// is not asked, the architecture's own statistics and evaluation stand in.
    ///
    /// # Errors
    /// As [`Transforms::new`]; a `config.json` that cannot be read.
    pub fn without_network(plan: &Plan) -> Result<Transforms> {
        let theirs = super::weights::local_config(plan)?;
        let options = ModelOptions { stem: plan.model.stem, ..ModelOptions::new(1) };
        Transforms::new(plan, &describe(plan, &options, &[], theirs.as_ref()))
    }
}

/// timm's description of a plan's model and its images: the architecture's own; over it what `theirs`, the `config.json` of the
/// weights, says of images (mean and std where it has as many channels); over that what the recipe writes.
pub fn describe(plan: &Plan, options: &ModelOptions, classes: &[String], theirs: Option<&Config>) -> Config {
    let mut config = Config::new(plan.model.spec, options, plan.model.input as usize, classes);
    if let Some(theirs) = theirs {
        config.interpolation.clone_from(&theirs.interpolation);
        config.crop_mode.clone_from(&theirs.crop_mode);
        config.crop = theirs.crop;
        if has_channels_of(theirs, &config) {
            (config.mean, config.std) = (theirs.mean.clone(), theirs.std.clone());
        }
    }
    // Words that give the same evaluation stay: the share of a crop is not read off its pixels.
    let written = plan.resolved.get("evaluation").and_then(Value::as_sequence);
    if let Some(nodes) = written.filter(|nodes| Some(*nodes) != evaluation_nodes(&config).ok().as_ref()) {
        describe_evaluation(nodes, &mut config);
    }
    if let Some(mean) = plan.model.mean {
        config.mean = mean.to_vec();
    }
    if let Some(std) = plan.model.std {
        config.std = std.to_vec();
    }
    config
}

/// Whether the statistics of one configuration can stand for those of another.
pub fn has_channels_of(theirs: &Config, config: &Config) -> bool {
    theirs.mean.len() == config.mean.len() && theirs.std.len() == config.std.len()
}

/// Puts the evaluation transform of a recipe into timm's words: a resize to both sides is `squash`, a resize of the shorter
/// side and a centre crop are `center` with the crop's share of it.
fn describe_evaluation(nodes: &[Value], config: &mut Config) {
    let Some(resize) = nodes.iter().find_map(|node| node.get("resize")) else {
        (config.crop, config.crop_mode) = (1.0, "center".to_owned());
        return;
    };
    match resize.get("size").unwrap_or(resize).as_f64() {
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
