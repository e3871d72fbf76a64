//! Initial weights: a file, a hub repository, a checkpoint.

use crate::plan::{Plan, Weights};
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use tallow_models::Params;
use tallow_models::config::Config;
use tallow_models::weights::Head;
use tallow_report::Progress;
#[cfg(feature = "hub")]
use tallow_report::{Bar, Unit};

/// Loads the weights of a recipe; a `config.json` beside them gives mean and standard deviation. Returns notes.
pub fn from_recipe(
    weights: &Weights,
    params: &Params,
    config: &mut Config,
    progress: &Progress,
) -> Result<Vec<String>> {
    let file = match weights {
        Weights::File(path) => in_folder(path),
        Weights::Hub(id) => hub(id, progress)?,
    };
    let report = tallow_models::weights::load(params, &file, Head::ReplaceIfClassesDiffer)?;
    let mut notes = vec![format!("weights: {} ({} tensors)", weights.describe(), report.loaded)];
    notes.extend(report.head);
    let beside = file.with_file_name("config.json");
    if beside.is_file() {
        let theirs = Config::read(&beside).map_err(|error| {
            Error::Data(format!("model.weights: {error}; it lies beside the weights, and should be timm's"))
        })?;
        (config.mean, config.std) = (theirs.mean, theirs.std);
        notes.push(format!("mean and std are those of {}", beside.display()));
    }
    Ok(notes)
}

/// Refuses a plan whose weights' file is not there. The hub is not asked.
pub fn look(plan: &Plan) -> Result<()> {
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
    if path.is_dir() { path.join("model.safetensors") } else { path.to_owned() }
}

impl Plan {
    /// As a training will: with the mean of the weights' `config.json`, where that lies on this machine beside a file.
    pub fn paint_as_weights(&mut self) {
        let Some(Weights::File(path)) = &self.model.weights else { return };
        let beside =
            if path.is_dir() { path.join("config.json") } else { path.with_file_name("config.json") };
        // A file that cannot be read is the training's to report.
        let theirs = Config::read(&beside).ok().and_then(|config| config.mean.try_into().ok());
        if let (None, Some(mean)) = (self.model.mean, theirs) {
            self.paint_with(mean);
        }
    }
}

/// The `config.json` of a checkpoint folder.
pub fn described(folder: &Path) -> Result<Config> {
    Config::read(&folder.join("config.json")).map_err(|error| Error::Checkpoint(error.to_string()))
}

/// Loads a checkpoint folder, which must fit.
pub fn from_checkpoint(folder: &Path, params: &Params, config: &mut Config) -> Result<()> {
    let theirs = described(folder)?;
    if theirs.labels != config.labels {
        return Err(Error::Data(format!(
            "the classes of the data differ from the checkpoint's: {} here, {} in {}",
            config.labels.join(", "),
            theirs.labels.join(", "),
            folder.display()
        )));
    }
    tallow_models::weights::load(params, &folder.join("model.safetensors"), Head::MustFit)?;
    (config.mean, config.std) = (theirs.mean, theirs.std);
    Ok(())
}

/// `model.safetensors` of a repository, with its `config.json` beside it, in the hub's cache.
#[cfg(feature = "hub")]
fn hub(id: &str, progress: &Progress) -> Result<PathBuf> {
    let mut bar: Option<(String, Bar, u64)> = None;
    let mut show = |at: tallow_hub::Progress| {
        if bar.as_ref().is_none_or(|(file, ..)| file != at.file) {
            bar = Some((at.file.to_owned(), progress.bar(at.file, Unit::Bytes, Some(at.total)), 0));
        }
        if let Some((_, bar, done)) = &mut bar {
            bar.tick(at.done.saturating_sub(*done), &[]);
            *done = at.done.max(*done);
        }
    };
    let files = ["config.json", "model.safetensors"];
    let fetched = tallow_hub::Hub::from_env().fetch(id, &files, &mut show);
    let fetched = fetched.map_err(|error| Error::Data(format!("model.weights: hub:{id}: {error}")))?;
    Ok(fetched.folder.join("model.safetensors"))
}

#[cfg(not(feature = "hub"))]
fn hub(id: &str, _: &Progress) -> Result<PathBuf> {
    let remedy = "build with the feature `hub` (on by default), or name a local file";
    Err(Error::recipe(format!("model.weights: hub:{id}: this build has no hub client; {remedy}")))
}
