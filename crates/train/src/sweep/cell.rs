//! The folder of a cell: whether its run is done, begun or to begin, and by which recipe.

use super::Cell;
use crate::fit::evaluate::evaluate;
use crate::fit::{Fitted, Folder, by_progress, checkpoint, different_recipe, find, verify};
use crate::plan::Plan;
use crate::run::{Model, part};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tallow_policy::Registry;
use tallow_report::Progress;

/// What is written beside the run when it has ended.
const FILE: &str = "cell.json";

/// What a sweep is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Validation,
    Test,
}

impl Part {
    pub fn name(self) -> &'static str {
        match self {
            Part::Validation => "validation",
            Part::Test => "test",
        }
    }

    /// Where a cell has its predictions, by the best weights.
    pub fn file(self) -> &'static str {
        match self {
            Part::Validation => "predictions.csv",
            Part::Test => "test.csv",
        }
    }
}

/// How far the run of a cell is.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    New,
    /// It has a checkpoint to go on from, after so many steps.
    Begun {
        steps: u64,
    },
    Done(Ended),
}

/// What a run that has ended leaves in its cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Whose predictions lie there: the best, from 1.
    pub epoch: u64,
    pub steps: u64,
    /// By `early_stop`, before its length.
    pub stopped_early: bool,
    /// What the run warned of at its end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl State {
    /// `new`, `begun` or `done`.
    pub fn name(&self) -> &'static str {
        match self {
            State::New => "new",
            State::Begun { .. } => "begun",
            State::Done(_) => "done",
        }
    }
}

impl Cell {
    /// How far its run is, below the sweep's folder.
    ///
    /// # Errors
    /// A run by another recipe than the plan's, but for device and places of data; files that are damaged.
    pub fn state(&self, folder: &Path, plan: &Plan) -> Result<State> {
        let place = folder.join(&self.name);
        let places = by_progress(&place);
        let Some(furthest) = places.first() else { return Ok(State::New) };
        // What is read here is held against its sums; the weights are by whoever goes on from them, which takes long for many cells.
        let stood = |place: &PathBuf| {
            verify(place, Some(&["state.json", "recipe.yaml", "config.json"]))?;
            Ok::<_, Error>((place.clone(), checkpoint::position(place)?.step))
        };
        let readable = places.iter().find_map(|place| stood(place).ok());
        let (known, steps) = readable.map_or_else(|| stood(furthest), Ok)?;
        if let Some(keys) = different_recipe(&known, plan)? {
            return Err(Error::recipe(format!(
                "{}: was trained by another recipe (differs in: {keys}); write elsewhere with --out DIR, or remove that folder",
                place.display()
            )));
        }
        let path = place.join(FILE);
        if path.is_file() && place.join(Part::Validation.file()).is_file() {
            let ended: std::result::Result<Ended, _> = serde_json::from_str(&checkpoint::read(&place, FILE)?);
            let ended = ended.map_err(|error| Error::Checkpoint(format!("{}: {error}", path.display())))?;
            // One that was begun anew, or went on, since it ended is not done.
            if steps == ended.steps {
                return Ok(State::Done(ended));
            }
        }
        Ok(State::Begun { steps })
    }
}

impl Cell {
    /// Evaluates the best weights of a cell that is done on the test part, where that was not done before; `overrides` say where its
    /// data are now.
    ///
    /// # Errors
    /// Data without a test part; what opening the checkpoint and evaluating it find; a file that cannot be written.
    pub fn test(
        &self,
        folder: &Path,
        overrides: &[String],
        registry: &Registry,
        progress: &Progress,
    ) -> Result<()> {
        let place = folder.join(&self.name);
        let (path, fresh) = (place.join(Part::Test.file()), place.join(".test.csv.new"));
        if path.is_file() {
            return Ok(());
        }
        let best = find(&place, "best")
            .ok_or_else(|| Error::Checkpoint(format!("{}: is missing", place.join("best").display())))?;
        // Uncalibrated, as the predictions of the validation part are: a calibration of some cells is no part of their settings.
        let model = Model::open_uncalibrated(&best, overrides, None, registry, progress)?;
        let data = part(&model.plan, Part::Test.name(), progress)?;
        evaluate(&model, &data, &self.name, progress)?.write_csv(&fresh)?;
        std::fs::rename(&fresh, &path).map_err(Error::io(path))
    }

    /// Forgets what the weights said of the test part, before others are trained.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn forget_test(&self, folder: &Path) -> Result<()> {
        let path = folder.join(&self.name).join(Part::Test.file());
        if path.is_file() { std::fs::remove_file(&path).map_err(Error::io(path)) } else { Ok(()) }
    }
}

/// Notes in the folder of a cell that its run has ended.
///
/// # Errors
/// A file that cannot be written.
pub fn finish(folder: &Folder, fitted: &Fitted) -> Result<Ended> {
    let ended = Ended {
        epoch: fitted.best.epoch,
        steps: fitted.steps,
        stopped_early: fitted.stopped_early,
        warnings: fitted.warnings.clone(),
    };
    let text = serde_json::to_string(&ended).expect("numbers") + "\n";
    folder.replace(FILE, |fresh| checkpoint::write(fresh, text.as_bytes()))?;
    Ok(ended)
}
