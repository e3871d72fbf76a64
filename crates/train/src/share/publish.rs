//! A checkpoint as a folder for the hub: weights, `config.json`, card, report, recipe.

use super::card::{self, Card};
use super::export::{Library, Preprocessing, write_model};
use super::present::headline;
use crate::fit::checkpoint::{read, write};
use crate::recipe::resolved::heading;
use crate::run::{Calibration, Data, Model};
use crate::{Error, Result};
use candle_core::Device;
use std::fs;
use std::path::{Path, PathBuf};
use tallow_metrics::{Predictions, Summary};
use tallow_models::Peer;
use tallow_policy::Registry;
use tallow_report::{Headline, Progress};

/// What a person adds to what was measured.
#[derive(Clone, Debug, Default)]
pub struct PublishOptions {
    /// `owner/name`.
    pub repository: String,
    /// Of the weights, as the hub abbreviates it: `mit`, `cc-by-nc-4.0`.
    pub license: Option<String>,
    /// Of the data, where the card does not know it.
    pub data_license: Option<String>,
    /// Leave out the report and its pictures.
    pub without_report: bool,
}

/// The folder, made anew, and its files by name.
pub struct Assembled {
    pub files: Vec<(String, PathBuf)>,
    pub notes: Vec<String>,
}

/// Writes everything that is published of `place`, a checkpoint, to `out`. The weights have timm's names where timm has the
/// network, else ours; tallow reads both.
///
/// # Errors
/// A folder that holds something else; files of the checkpoint that are missing or damaged; files that cannot be written.
pub fn assemble(
    place: &Path,
    out: &Path,
    options: &PublishOptions,
    registry: &Registry,
) -> Result<Assembled> {
    let model = Model::open(place, &[], Some(Device::Cpu), registry, &Progress::hidden())?;
    let mut notes = Vec::new();
    let (library, peer) = match Library::Timm.peer(&model) {
        Ok(peer) => (Library::Timm, peer),
        Err(_) => {
            notes
                .push(format!("timm has no such {}: the weights have our names", model.plan.model.spec.name));
            (Library::Candle, Peer { name: model.plan.model.spec.name, tensor: str::to_owned })
        }
    };
    ours(out, place)?;
    let mut paths = write_model(&model, place, library, peer, out)?;
    if let Some(calibration) = &model.calibration {
        calibration.write(out)?;
        paths.push(out.join(Calibration::FILE));
    }
    let (headline, summary) = measured(place, &mut notes)?;
    let data = seen(&model, place, &mut notes)?;
    let mut copy = |from: PathBuf, name: &str| -> Result<bool> {
        if !from.is_file() {
            return Ok(false);
        }
        fs::copy(&from, out.join(name)).map_err(Error::io(&from))?;
        paths.push(out.join(name));
        Ok(true)
    };
    copy(place.join("recipe.yaml"), "recipe.yaml")?;
    copy(place.join("metrics.json"), "metrics.json")?;
    let best = place.file_name().is_some_and(|name| name == "best");
    let report = place.parent().unwrap_or(place).join("report.html");
    // One that was pulled has it inside.
    let wanted = !options.without_report;
    let found =
        wanted && (copy(place.join("report.html"), "report.html")? || (best && copy(report, "report.html")?));
    if found {
        notes.push(
            "report.html shows pictures of the data (--no-report leaves it out), recipe.yaml the paths as written: look with \
             --dry-run before you publish"
                .to_owned(),
        );
    } else if wanted {
        notes.push("no report.html: it is of a run's `best`, written when the run ends".to_owned());
    }
    let recipe = read(place, "recipe.yaml")?;
    let card = Card {
        options,
        model: &model,
        timm: (library == Library::Timm).then_some(peer.name),
        headline: &headline,
        summary: summary.as_ref(),
        data: data.as_ref(),
        registry,
        preset: heading(&recipe).and_then(|(_, preset)| preset),
        has_report: paths.iter().any(|path| path.ends_with("report.html")),
        preprocessing: &Preprocessing::of(&model)?,
    };
    write(&out.join("README.md"), card::sealed(&card.text()).as_bytes())?;
    paths.push(out.join("README.md"));
    let name =
        |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut files: Vec<(String, PathBuf)> = paths.iter().map(|path| (name(path), path.clone())).collect();
    files.sort();
    Ok(Assembled { files, notes })
}

/// Files that [`assemble`] writes.
const OURS: [&str; 7] = [
    "README.md",
    Calibration::FILE,
    "config.json",
    "metrics.json",
    "model.safetensors",
    "recipe.yaml",
    "report.html",
];

/// Makes the folder, or empties it of what an earlier call wrote, which its card tells. Errs, and removes nothing, where it holds
/// anything else or is the checkpoint.
fn ours(out: &Path, place: &Path) -> Result<()> {
    let refuse = |problem: String| {
        Err(Error::recipe(format!("{}: {problem}; name another folder with --out DIR", out.display())))
    };
    if out.is_file() {
        return refuse("is a file".to_owned());
    }
    if fs::canonicalize(out).is_ok_and(|out| fs::canonicalize(place).is_ok_and(|place| out == place)) {
        return refuse("is the checkpoint itself".to_owned());
    }
    let entries: Vec<_> = fs::read_dir(out).into_iter().flatten().flatten().collect();
    for entry in &entries {
        let name = entry.file_name();
        if !OURS.iter().any(|ours| name == *ours) {
            return refuse(format!("holds {}, which publishing does not write", name.display()));
        }
    }
    if !entries.is_empty() && !fs::read(out.join("README.md")).is_ok_and(|card| card::is_sealed(&card)) {
        return refuse("holds files, and no README.md as publishing writes it".to_owned());
    }
    for entry in entries {
        fs::remove_file(entry.path()).map_err(Error::io(entry.path()))?;
    }
    fs::create_dir_all(out).map_err(Error::io(out))
}

/// The numbers of the checkpoint: with intervals where the run's predictions are those of this checkpoint.
fn measured(place: &Path, notes: &mut Vec<String>) -> Result<(Vec<Headline>, Option<Summary>)> {
    let found = read(place, "metrics.json")?;
    let found: serde_json::Value = serde_json::from_str(&found)
        .map_err(|error| Error::Checkpoint(format!("{}: {error}", place.join("metrics.json").display())))?;
    let path = place.parent().unwrap_or(place).join("predictions.csv");
    if path.is_file() {
        let predictions = Predictions::read_csv(&path)?;
        let summary = Summary::of(&predictions);
        let same =
            |key: &str, value: f64| found[key].as_f64().is_none_or(|known| (known - value).abs() < 1e-9);
        if found.is_object() && same("macro_f1", summary.macro_f1) && same("log_loss", summary.log_loss) {
            return Ok((headline(&predictions, None), Some(summary)));
        }
    }
    notes.push(
        "no predictions of this checkpoint beside it: the card has no intervals and no table of classes"
            .to_owned(),
    );
    let plain = |(name, value): (&String, &serde_json::Value)| {
        let value = value.as_f64()?;
        Some(Headline { name: name.clone(), value, ..Headline::default() })
    };
    Ok((found.as_object().into_iter().flatten().filter_map(plain).collect(), None))
}

/// The data, if they are on this machine and still those of the training.
fn seen(model: &Model, place: &Path, notes: &mut Vec<String>) -> Result<Option<Data>> {
    let state = fs::read_to_string(place.join("state.json")).unwrap_or_default();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap_or_default();
    Ok(match Data::undecoded(&model.plan) {
        Ok(data) if state["data"] == data.manifest.as_str() => Some(data),
        Ok(_) => {
            notes
                .push("the data have changed since the training: the card does not describe them".to_owned());
            None
        }
        Err(error) => {
            notes.push(format!("the data are not here: the card does not count them ({error})"));
            None
        }
    })
}
