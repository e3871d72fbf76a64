//! Initial weights: a file, a hub repository, a checkpoint.

use crate::plan::{Plan, Weights};
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use tallow_models::config::Config;
use tallow_models::weights::Head;
use tallow_models::{ModelSpec, Params};
use tallow_report::Progress;
#[cfg(feature = "hub")]
use tallow_report::{Bar, Unit};

/// Loads the weights of a recipe; a `config.json` beside them gives mean, standard deviation, interpolation and crop.
/// Returns notes.
pub fn from_recipe(
    weights: &Weights,
    spec: &ModelSpec,
    params: &Params,
    config: &mut Config,
    progress: &Progress,
) -> Result<Vec<String>> {
    let file = match weights {
        Weights::File(path) => in_folder(path),
        Weights::Hub(id) => hub(id, progress)?,
    };
    let report = tallow_models::weights::import(params, spec, &file, Head::ReplaceIfClassesDiffer)?;
    let mut notes = vec![format!("weights: {} ({} tensors)", weights.describe(), report.loaded)];
    notes.extend(report.notes);
    notes.extend(report.head);
    let beside = file.with_file_name("config.json");
    if beside.is_file() {
        let theirs = Config::read(&beside).map_err(|error| {
            Error::Data(format!("model.weights: {error}; it lies beside the weights, and should be timm's"))
        })?;
        notes.push(follow(theirs, config, &beside.display().to_string()));
    }
    Ok(notes)
}

/// Takes over how the images of other weights were made, and says so.
fn follow(theirs: Config, config: &mut Config, from: &str) -> String {
    (config.interpolation, config.crop, config.crop_mode) =
        (theirs.interpolation, theirs.crop, theirs.crop_mode);
    let evaluation = format!("interpolation {} and crop {}", config.interpolation, config.crop);
    if theirs.mean.len() != config.mean.len() || theirs.std.len() != config.std.len() {
        return format!(
            "{evaluation} are those of {from}; its mean and std are of other channels, and left out"
        );
    }
    (config.mean, config.std) = (theirs.mean, theirs.std);
    format!("mean and std are those of {from}; so are {evaluation}, unless the recipe writes `evaluation`")
}

/// Refuses a plan whose weights' file is not there. The hub is not asked.
pub fn inspect(plan: &Plan) -> Result<()> {
    let Some(Weights::File(path)) = &plan.model.weights else { return Ok(()) };
    let file = in_folder(path);
    if file.is_file() {
        return Ok(());
    }
    let problem = format!(
        "there is no {}; fetch a safetensors file in torchvision's or timm's names (https://huggingface.co/timm), or write \
         weights: hub:owner/name",
        file.display()
    );
    Err(plan.mistake("model.weights", problem))
}

/// The weights of a folder.
fn in_folder(path: &Path) -> PathBuf {
    if !path.is_dir() {
        return path.to_owned();
    }
    // A run's folder has its best checkpoint inside.
    let places =
        ["model.safetensors", "best/model.safetensors", "last/model.safetensors", "pytorch_model.bin"];
    let there = places.iter().map(|name| path.join(name)).find(|file| file.is_file());
    there.unwrap_or_else(|| path.join(places[0]))
}

impl Plan {
    /// As a training will: with the mean and the evaluation of the weights' `config.json`, where that lies on this machine beside a file.
    pub fn paint_as_weights(&mut self) {
        let Some(Weights::File(path)) = &self.model.weights else { return };
        // A file that cannot be read, or understood, is the training's to report.
        let Ok(theirs) = Config::read(&in_folder(path).with_file_name("config.json")) else { return };
        let _ = self.evaluate_as(&theirs);
        if let (None, Ok(mean)) = (self.model.mean, theirs.mean.try_into()) {
            self.set_fill(mean);
        }
    }
}

/// The `config.json` of a checkpoint folder.
pub fn described(folder: &Path) -> Result<Config> {
    Config::read(&folder.join("config.json")).map_err(|error| Error::Checkpoint(error.to_string()))
}

/// Loads a checkpoint folder, which must fit.
pub fn from_checkpoint(folder: &Path, spec: &ModelSpec, params: &Params, config: &mut Config) -> Result<()> {
    let theirs = described(folder)?;
    if theirs.labels != config.labels {
        return Err(Error::Data(format!(
            "the classes of the data differ from the checkpoint's: {} here, {} in {}",
            config.labels.join(", "),
            theirs.labels.join(", "),
            folder.display()
        )));
    }
    // One that was published has the names of timm.
    tallow_models::weights::import(params, spec, &folder.join("model.safetensors"), Head::MustFit)?;
    (config.mean, config.std) = (theirs.mean, theirs.std);
    (config.interpolation, config.crop, config.crop_mode) =
        (theirs.interpolation, theirs.crop, theirs.crop_mode);
    Ok(())
}

/// `model.safetensors` of a repository, or else `pytorch_model.bin`, with its `config.json` beside it if it has one, in the
/// hub's cache.
#[cfg(feature = "hub")]
fn hub(id: &str, progress: &Progress) -> Result<PathBuf> {
    let mut transfers = Transfers::new(progress);
    let fetched = tallow_hub::Hub::from_env().pull(id, &["config.json"], &mut |at| transfers.show(at));
    let fetched = fetched.map_err(|error| Error::Data(format!("model.weights: hub:{id}: {error}")))?;
    Ok(fetched.files[0].clone())
}

/// A bar for each file that comes over the network.
#[cfg(feature = "hub")]
pub struct Transfers<'a> {
    progress: &'a Progress,
    bar: Option<(String, Bar, u64)>,
}

#[cfg(feature = "hub")]
impl<'a> Transfers<'a> {
    pub fn new(progress: &'a Progress) -> Transfers<'a> {
        Transfers { progress, bar: None }
    }

    pub fn show(&mut self, at: tallow_hub::Progress) {
        if self.bar.as_ref().is_none_or(|(file, ..)| file != at.file) {
            let bar = self.progress.bar(at.file, Unit::Bytes, Some(at.total));
            self.bar = Some((at.file.to_owned(), bar, 0));
        }
        if let Some((_, bar, done)) = &mut self.bar {
            bar.tick(at.done.saturating_sub(*done), &[]);
            *done = at.done.max(*done);
        }
    }
}

#[cfg(not(feature = "hub"))]
fn hub(id: &str, _: &Progress) -> Result<PathBuf> {
    let remedy = "build with the feature `hub` (on by default), or name a local file";
    Err(Error::recipe(format!("model.weights: hub:{id}: this build has no hub client; {remedy}")))
}
