//! `new PATH`: looks at somebody's images and writes a recipe that trains on them.

mod draft;
mod groups;
mod seen;

use super::refused;
use crate::arguments::New;
use std::fs::OpenOptions;
use std::io::Write as _;
use tallow_data::{Survey, survey};
use tallow_models::ModelSpec;
#[cfg(feature = "hub")]
use tallow_models::{MODELS, ModelOptions, Params};
use tallow_train::Error;

pub fn new(arguments: &New) -> anyhow::Result<()> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let found = survey(&arguments.path, workers).map_err(Error::from)?;
    eprint!("{}", seen::seen(&found));
    let name = arguments
        .out
        .as_deref()
        .and_then(|out| out.file_stem())
        .map_or("recipe".into(), |name| name.to_string_lossy());
    let start = Start::of(&found);
    let recipe = draft::recipe(&name, &found, &start);
    let Some(out) = &arguments.out else {
        print!("{recipe}");
        return Ok(());
    };
    let file = OpenOptions::new().write(true).create_new(true).open(out);
    let mut file = file.map_err(|error| refused("--out", out, error))?;
    file.write_all(recipe.as_bytes()).map_err(|error| refused("--out", out, error))?;
    eprintln!("\nwritten: {0}\ntrain it: tallow train {0}", out.display());
    Ok(())
}

/// The network that a recipe begins with.
struct Start {
    /// The map below `model`, as YAML.
    model: String,
    comment: String,
    input: u32,
    /// Of a one-cycle.
    lr: f64,
}

impl Start {
    /// Weights that lie in the hub's cache, of the smallest network of those that there are; else from scratch. Pictures smaller than
    /// half of what the weights were trained on are better learned without them.
    fn of(found: &Survey) -> Start {
        let side = found.facts.widths.median.min(found.facts.heights.median);
        if let Some((spec, weights)) = at_hand().filter(|(spec, _)| side as usize >= spec.input / 2) {
            let (name, input) = (spec.name, spec.input as u32);
            let comment = format!(
                "fine-tuned from weights that are on this machine; faster on a CPU: a smaller input, such as {}",
                input * 4 / 7 / 32 * 32
            );
            let model = format!("{{ name: {name}, weights: hub:{weights}, input: {input} }}");
            return Start { model, comment, input, lr: 0.005 };
        }
        // From scratch on a CPU, small pictures are what a person has the patience for.
        let input = match side {
            0..=40 => side.max(16),
            41..=96 => 64,
            _ => 96,
        };
        let stem = if input <= 64 { "cifar" } else { "imagenet" };
        let comment = "from scratch; to fine-tune, `tallow pull timm/resnet18.tv_in1k`, then \
                       { name: resnet18, weights: hub:timm/resnet18.tv_in1k, input: 224 }";
        let model = format!("{{ name: resnet18, stem: {stem}, input: {input} }}");
        Start { model, comment: comment.to_owned(), input, lr: 0.02 }
    }
}

/// The smallest network whose weights are in the hub's cache, and their repository.
#[cfg(feature = "hub")]
fn at_hand() -> Option<(&'static ModelSpec, &'static str)> {
    // By the folders of the standard cache: a client for each of some fifty repositories would take a minute.
    let cache = tallow_hub::Hub::from_env().cache;
    let is_there = |weights: &&&str| {
        let folder = cache.join(format!("models--{}", weights.replace('/', "--")));
        let commit = std::fs::read_to_string(folder.join("refs/main")).unwrap_or_default();
        let snapshot = folder.join("snapshots").join(commit.trim());
        !commit.is_empty()
            && ["model.safetensors", "pytorch_model.bin"].iter().any(|file| snapshot.join(file).is_file())
    };
    let there = MODELS.iter().filter_map(|spec| Some((*spec, *spec.weights.iter().find(is_there)?)));
    there.min_by_key(|(spec, _)| parameters(spec))
}

#[cfg(not(feature = "hub"))]
fn at_hand() -> Option<(&'static ModelSpec, &'static str)> {
    None
}

/// Numbers in a network's parameters.
#[cfg(feature = "hub")]
fn parameters(spec: &ModelSpec) -> usize {
    let mut params = Params::blank(candle_core::DType::F32, &candle_core::Device::Cpu);
    (spec.build)(&mut params, &ModelOptions::new(2)).map_or(usize::MAX, |_| params.size())
}
