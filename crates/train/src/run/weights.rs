//! Initial weights: a file, a hub repository, a checkpoint.

use super::transforms::has_channels_of;
use crate::fit::verify;
use crate::plan::{Plan, Weights};
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use tallow_data::counted;
use tallow_models::config::Config;
use tallow_models::weights::{Head, no_file};
use tallow_models::{ModelOptions, ModelSpec, Params};
use tallow_report::Progress;
#[cfg(feature = "hub")]
use tallow_report::{Bar, Unit};

/// What was loaded of the weights that a recipe names.
pub struct Loaded {
    pub notes: Vec<String>,
    /// Why the head has its initial values, where it has.
    pub new_head: Option<String>,
    /// The `config.json` beside them, if there is one.
    pub theirs: Option<Config>,
}

/// The file of a recipe's weights, on this machine.
///
/// # Errors
/// Weights that the hub does not give.
pub fn file_of(weights: &Weights, progress: &Progress) -> Result<PathBuf> {
    match weights {
        Weights::File(path) => Ok(in_folder(path)),
        Weights::Hub(id) => hub(id, progress),
    }
}

/// Loads a `file`, which stands for `weights`.
///
/// # Errors
/// Weights that are not there, cannot be read or do not fit; a `config.json` that is not timm's.
pub fn load(weights: &Weights, file: &Path, plan: &Plan, params: &Params) -> Result<Loaded> {
    let (spec, head) = (plan.model.spec, Head::ReplaceIfClassesDiffer);
    let report = tallow_models::weights::import_renamed(params, spec, file, head, &plan.model.rename);
    let report = report.map_err(|error| match error {
        tallow_models::Error::Option(problem) => plan.mistake("model.rename", problem),
        other => other.into(),
    })?;
    let mut notes = vec![format!("weights: {} ({})", weights.describe(), counted(report.loaded, "tensor"))];
    notes.extend(report.notes);
    let theirs = beside(file)?;
    if let Some(theirs) = &theirs {
        let own = Config::new(spec, &ModelOptions::new(1), spec.input, &[]);
        notes.push(note(theirs, &own, &file.with_file_name("config.json")));
    }
    Ok(Loaded { notes, new_head: report.head, theirs })
}

/// The `config.json` beside a weights file, if there is one.
///
/// # Errors
/// One that is not timm's.
pub fn beside(file: &Path) -> Result<Option<Config>> {
    let path = file.with_file_name("config.json");
    let read = path.is_file().then(|| Config::read(&path)).transpose();
    read.map_err(|error| {
        Error::Data(format!("model.weights: {error}; it lies beside the weights, and should be timm's"))
    })
}

/// The `config.json` of a plan's weights, where they are a file of this machine. The hub is not asked.
///
/// # Errors
/// A `config.json` that is not timm's.
pub fn local_config(plan: &Plan) -> Result<Option<Config>> {
    match &plan.model.weights {
        Some(Weights::File(path)) => beside(&in_folder(path)),
        _ => Ok(None),
    }
}

/// What is taken over of how the images of other weights were made.
fn note(theirs: &Config, own: &Config, path: &Path) -> String {
    let (Config { interpolation, crop, .. }, from) = (theirs, path.display());
    let evaluation = format!("interpolation {interpolation} and crop {crop}");
    if has_channels_of(theirs, own) {
        format!(
            "mean and std are those of {from}; so are {evaluation}, unless the recipe writes `evaluation`"
        )
    } else {
        format!("{evaluation} are those of {from}; its mean and std are of other channels, and left out")
    }
}

/// Whether the weights' file of a plan is there. The hub is not asked.
///
/// # Errors
/// A file that is not there.
pub fn inspect(plan: &Plan) -> Result<()> {
    let Some(Weights::File(path)) = &plan.model.weights else { return Ok(()) };
    let file = in_folder(path);
    if file.is_file() {
        return Ok(());
    }
    let what = match no_file(&file) {
        Some(other) => format!("{} {other}", file.display()),
        None => format!("there is no {}", file.display()),
    };
    let problem = format!(
        "{what}; fetch a safetensors file in torchvision's or timm's names (https://huggingface.co/timm), or write \
         weights: hub:owner/name"
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

/// The `config.json` of a checkpoint folder.
///
/// # Errors
/// One that is missing or damaged.
pub fn config_of(folder: &Path) -> Result<Config> {
    verify(folder, Some(&["config.json"]))?;
    Config::read(&folder.join("config.json")).map_err(|error| Error::Checkpoint(error.to_string()))
}

/// Loads a checkpoint folder, and returns its `config.json`.
///
/// # Errors
/// Other classes than `labels`; tensors that do not fit; files that are missing or damaged.
pub fn from_checkpoint(
    folder: &Path,
    spec: &ModelSpec,
    params: &Params,
    labels: &[String],
) -> Result<Config> {
    verify(folder, Some(&["model.safetensors"]))?;
    let theirs = config_of(folder)?;
    if theirs.labels != labels {
        return Err(Error::Data(format!(
            "the classes of the data differ from the checkpoint's: {} here, {} in {}",
            labels.join(", "),
            theirs.labels.join(", "),
            folder.display()
        )));
    }
    // One that was published has the names of timm.
    tallow_models::weights::import(params, spec, &folder.join("model.safetensors"), Head::MustFit)?;
    Ok(theirs)
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
