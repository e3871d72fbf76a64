//! A checkpoint is a folder that needs no other file to be evaluated, resumed or published.

use super::ema::Ema;
use super::kept;
use super::optimizer::State;
use super::plateau::Plateau;
use super::sums;
use crate::plan::{Plan, RunLength};
use crate::run::Run;
use crate::{Error, Result};
use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tallow_metrics::Summary;
use tallow_models::weights;
use tallow_policy::Registry;

/// Where a run stands, between two steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The epoch under way, from 0.
    pub epoch: u64,
    /// Its batches that are done.
    pub batch: u64,
    /// Steps that are done.
    pub step: u64,
    /// Σ loss · rows and Σ rows of the epoch so far.
    #[serde(with = "exact")]
    pub loss: f64,
    pub rows: u64,
    pub best: Option<Best>,
    /// The next best epochs that `checkpoint.best` keeps, the better ones first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_best: Vec<Best>,
    /// Of the schedule `plateau`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plateau: Option<Plateau>,
    /// The step from which a stage is trained, where the run was resumed with another length than it had, see `thawed`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub thawed: BTreeMap<String, u64>,
    /// The epoch, from 1, of which it was told that it diverged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverged: Option<u64>,
    /// The training loss of the last epoch, where it was above that of guessing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    pub optimizer_updates: u64,
    pub ema_updates: u64,
    /// The manifest of the data.
    pub data: String,
    /// Of the images themselves, see [`tallow_data::content`]. Runs of before it was kept have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Whether [`SUMS`](super::sums::SUMS) was written beside it.
    #[serde(default)]
    pub sums: bool,
}

impl Position {
    /// The counters, as the metadata of weights have them.
    fn counters(&self) -> [(&'static str, u64); 3] {
        [("tallow.epoch", self.epoch), ("tallow.batch", self.batch), ("tallow.step", self.step)]
    }

    /// Refuses counters that are not those of the weights beside them.
    ///
    /// # Errors
    /// [`Error::Checkpoint`].
    fn check(&self, weights: &BTreeMap<String, String>, place: &Path) -> Result<()> {
        for (name, here) in self.counters() {
            // Weights of before a counter was kept have none.
            if let Some(there) = weights.get(name).filter(|there| **there != here.to_string()) {
                let (state, name) = (place.join("state.json"), name.trim_start_matches("tallow."));
                let problem = format!("is of {name} {here}, and the weights beside it of {name} {there}");
                return Err(Error::Checkpoint(format!("{}: {problem}", state.display())));
            }
        }
        Ok(())
    }

    /// The step, from 0, from which a stage is trained; `None` where it never is.
    pub fn begins(&self, stage: &str, plan: &Plan, length: RunLength) -> Option<u64> {
        self.thawed.get(stage).copied().or_else(|| plan.begins(stage, length))
    }
}

/// The best epoch so far, by the recipe's `select`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// NaN where the metric is undefined.
    #[serde(with = "exact")]
    pub value: f64,
    /// From 1.
    pub epoch: u64,
}

/// A number as the shortest text that reads back as the same number: JSON has no NaN, and serde_json's reader of numbers
/// may be off by the last bit, which a resumed run would show.
pub mod exact {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&value.to_string())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What goes into a checkpoint.
pub struct Snapshot<'a> {
    pub run: &'a Run,
    pub position: &'a Position,
    pub state: &'a State,
    pub plateau: Option<&'a Plateau>,
    pub ema: Option<&'a Ema>,
    /// The text of the resolved recipe.
    pub recipe: &'a str,
    /// Of the validation part, where it was evaluated.
    pub summary: Option<&'a Summary>,
}

/// Writes `folder/name` whole or not at all; the one that was there before gets the name `retired`, or goes. `model.safetensors` holds the
/// weights that were evaluated: the averages where there are any, the raw ones then in `raw.safetensors`.
///
/// # Errors
/// Files that cannot be written.
pub fn save(folder: &Path, name: &str, retired: Option<&str>, snapshot: &Snapshot) -> Result<()> {
    let fresh = folder.join(format!(".{name}.new"));
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(Error::io(&fresh))?;
    }
    fs::create_dir(&fresh).map_err(Error::io(&fresh))?;
    write_all(&fresh, snapshot).inspect_err(|_| {
        // The first error is the one to report.
        let _ = fs::remove_dir_all(&fresh);
    })?;
    replace(&fresh, folder, name, retired)
}

fn write_all(fresh: &Path, snapshot: &Snapshot) -> Result<()> {
    let &Snapshot { run, position, state, plateau, ema, recipe, summary } = snapshot;
    let raw = run.model.params.tensors()?;
    let metadata = metadata(run, recipe, position, summary);
    match ema {
        None => weights::save(&raw, &fresh.join("model.safetensors"), &metadata)?,
        Some(ema) => {
            let mut averaged = raw.clone();
            averaged.extend(tensors(&ema.averages));
            weights::save(&averaged, &fresh.join("model.safetensors"), &metadata)?;
            weights::save(&raw, &fresh.join("raw.safetensors"), &metadata)?;
            weights::save(&tensors(&ema.averages), &fresh.join("ema.safetensors"), &BTreeMap::new())?;
        }
    }
    weights::save(&tensors(&state.slots), &fresh.join("optimizer.safetensors"), &BTreeMap::new())?;
    let config = run.model.config.to_json(&run.model.network, serde_json::Map::new());
    let position = Position {
        plateau: plateau.cloned(),
        optimizer_updates: state.updates,
        ema_updates: ema.map_or(0, |ema| ema.updates),
        data: run.data.manifest.clone(),
        content: run.data.content.clone(),
        sums: true,
        ..position.clone()
    };
    write(&fresh.join("recipe.yaml"), recipe.as_bytes())?;
    write(&fresh.join("config.json"), &pretty(&config))?;
    write(&fresh.join("state.json"), &pretty(&json!(position)))?;
    write(&fresh.join("metrics.json"), &pretty(&json!(summary)))?;
    sums::write(fresh)
}

/// Renames `fresh` to `folder/name`, keeping what was there until the new one is in place, and beyond where it is `retired`.
fn replace(fresh: &Path, folder: &Path, name: &str, retired: Option<&str>) -> Result<()> {
    let (place, old) = (folder.join(name), old(folder, name));
    sync(fresh)?;
    if place.exists() {
        // Without `place` the old one is all there is: it stays until the new one is in place.
        if old.exists() {
            kept::remove(&old)?;
        }
        fs::rename(&place, &old).map_err(Error::io(&place))?;
    }
    fs::rename(fresh, &place).map_err(Error::io(&place))?;
    sync(folder)?;
    if !old.exists() {
        return Ok(());
    }
    let Some(retired) = retired.map(|name| folder.join(name)) else {
        return kept::remove(&old);
    };
    if retired.exists() {
        kept::remove(&retired)?;
    }
    fs::rename(&old, &retired).map_err(Error::io(&old))?;
    sync(folder)
}

/// What a checkpoint is called while the next one takes its place.
pub(super) fn old(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!(".{name}.old"))
}

/// The plan of a checkpoint's own recipe, under overrides.
///
/// # Errors
/// A recipe that is missing; its mistakes and those of the overrides.
pub fn plan(place: &Path, overrides: &[String], registry: &Registry) -> Result<Plan> {
    read(place, "recipe.yaml")?;
    sums::verify(place, Some(&["recipe.yaml"]))?;
    Plan::read(&place.join("recipe.yaml"), overrides, registry)
}

/// Where the run of a checkpoint stood.
///
/// # Errors
/// A `state.json` that is missing or damaged.
pub fn position(place: &Path) -> Result<Position> {
    sums::verify(place, Some(&["state.json"]))?;
    let damaged = |error| Error::Checkpoint(format!("{}: {error}", place.join("state.json").display()));
    serde_json::from_str(&read(place, "state.json")?).map_err(damaged)
}

/// The text of a file that every checkpoint has.
///
/// # Errors
/// A file that cannot be read.
pub fn read(place: &Path, name: &str) -> Result<String> {
    let path = place.join(name);
    fs::read_to_string(&path).map_err(|error| Error::Checkpoint(format!("{}: {error}", path.display())))
}

/// What a checkpoint holds besides weights.
pub struct Restored {
    pub position: Position,
    pub state: State,
    pub ema: Option<Ema>,
}

/// Reads `place` into a run: weights, optimizer, averages.
///
/// # Errors
/// Other data than the run's; files that are missing, damaged or do not fit.
pub fn restore(place: &Path, run: &Run) -> Result<Restored> {
    let position = position(place)?;
    if position.data != run.data.manifest {
        return Err(Error::Data(format!(
            "{}: this run began with other images, labels or groups; restore them, or begin again with --overwrite",
            place.display()
        )));
    }
    if position.content.is_some() && position.content != run.data.content {
        return Err(Error::Data(format!(
            "{}: this run began with other image files under the same names (their sizes, first or last bytes differ); restore them, or \
             begin again with --overwrite",
            place.display()
        )));
    }
    let raw = place.join(if run.plan().ema.is_some() { "raw.safetensors" } else { "model.safetensors" });
    let report = weights::load(&run.model.params, &raw, weights::Head::MustFit)?;
    position.check(&report.metadata, place)?;
    let mut state = run.optimizer().state(&run.model.params, |stage| run.begins(stage))?;
    fill(&state.slots, &place.join("optimizer.safetensors"))?;
    state.updates = position.optimizer_updates;
    let ema = match run.plan().ema {
        None => None,
        Some(plan) => {
            let mut ema = Ema::new(plan, &run.model.params)?;
            fill(&ema.averages, &place.join("ema.safetensors"))?;
            ema.updates = position.ema_updates;
            Some(ema)
        }
    };
    Ok(Restored { position, state, ema })
}

/// Sets variables from a file that must hold exactly these names and shapes.
fn fill(vars: &BTreeMap<String, Var>, path: &Path) -> Result<()> {
    let fail = |problem: String| Error::Checkpoint(format!("{}: {problem}", path.display()));
    let read = weights::read(path).map_err(|error| Error::Checkpoint(error.to_string()))?;
    let found = read.tensors;
    if let Some(extra) = found.keys().find(|name| !vars.contains_key(*name)) {
        return Err(fail(format!("`{extra}` belongs to no parameter of this recipe")));
    }
    for (name, var) in vars {
        let tensor = found.get(name).ok_or_else(|| fail(format!("`{name}` is missing")))?;
        let set = || var.set(&tensor.to_dtype(var.dtype())?.to_device(var.device())?);
        set().map_err(|error| fail(format!("`{name}`: {error}")))?;
    }
    Ok(())
}

fn tensors(vars: &BTreeMap<String, Var>) -> BTreeMap<String, Tensor> {
    vars.iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect()
}

/// What the weights' file says of its origin. No time and no place: the same run writes the same bytes.
fn metadata(
    run: &Run,
    recipe: &str,
    position: &Position,
    summary: Option<&Summary>,
) -> BTreeMap<String, String> {
    let policy = run.plan().resolved.get("branches").map(|branches| json!(branches).to_string());
    let mut metadata = BTreeMap::from([
        ("format".to_owned(), "pt".to_owned()),
        ("tallow.version".to_owned(), crate::VERSION.to_owned()),
        ("tallow.commit".to_owned(), crate::COMMIT.to_owned()),
        ("tallow.recipe_hash".to_owned(), tallow_data::fingerprint(recipe.as_bytes())),
        ("tallow.data_manifest".to_owned(), run.data.manifest.clone()),
        ("tallow.seed".to_owned(), run.plan().seed.to_string()),
        ("tallow.policy".to_owned(), policy.unwrap_or_default()),
    ]);
    metadata.extend(position.counters().map(|(name, count)| (name.to_owned(), count.to_string())));
    if let Some(summary) = summary {
        let headline = json!({
            "accuracy": summary.accuracy,
            "macro_f1": summary.macro_f1,
            "balanced_accuracy": summary.balanced_accuracy,
            "auroc": summary.auroc,
        });
        metadata.insert("tallow.metrics".to_owned(), headline.to_string());
    }
    metadata
}

fn pretty(value: &Value) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("a JSON value is written");
    bytes.push(b'\n');
    bytes
}

/// Writes and syncs a file.
///
/// # Errors
/// A file that cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let mut file = fs::File::create(path)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.sync_all()
    };
    write().map_err(Error::io(path))
}

/// Syncs a folder's entries, where the system can.
pub(super) fn sync(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io(folder))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_back_to_the_bit() {
        // 0.1 + 0.2 and 5e-324 / 3 ask for every digit; the metric of an empty class is NaN.
        for (loss, value) in
            [(0.1 + 0.2, 1.0 / 3.0), (f64::MIN_POSITIVE / 3.0, -1e300 / 7.0), (0.0, f64::NAN)]
        {
            let best = Some(Best { value, epoch: 3 });
            let position = Position { epoch: 4, loss, best, data: "0f".into(), ..Position::default() };
            let text = serde_json::to_string(&position).unwrap();
            let back: Position = serde_json::from_str(&text).unwrap();
            assert_eq!(back.loss.to_bits(), loss.to_bits(), "{text}");
            assert_eq!(back.best.unwrap().value.to_bits(), value.to_bits(), "{text}");
        }
    }
}
