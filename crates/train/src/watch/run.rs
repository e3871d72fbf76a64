//! One run that is watched: what its folder says of it, read again as far as it changed.

use super::found::plain;
use super::pace::Pace;
use super::recipe::Recipe;
use super::records::Records;
use super::tail::{Piece, Tail};
use crate::fit::checkpoint::{Best, Position};
use crate::fit::{LOG, holder, last_lines, shows_failure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use tallow_policy::Duration as Length;

/// How a run is, as its folder tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Its log is being read.
    #[default]
    Unread,
    /// A process holds the folder.
    Training,
    /// It came to the end of its length, or was stopped by `early_stop`, and its report was written.
    Finished,
    /// It ended before that by an error, which is the last thing it said.
    Failed,
    /// It ended before that; what it said does not tell why.
    Interrupted,
}

impl Standing {
    pub fn name(self) -> &'static str {
        match self {
            Standing::Unread => "being read",
            Standing::Training => "training",
            Standing::Finished => "finished",
            Standing::Failed => "failed",
            Standing::Interrupted => "interrupted",
        }
    }
}

/// A run and what is known of it.
#[derive(Default)]
pub struct Watched {
    /// Its path below the folder that is watched.
    pub name: String,
    pub folder: PathBuf,
    pub standing: Standing,
    pub records: Records,
    pub recipe: Option<Recipe>,
    /// Of the checkpoint `last`.
    pub position: Option<Position>,
    /// Metrics of the checkpoints `best` and `last`, by name.
    pub metrics: [Option<Value>; 2],
    /// What it said, the last lines; none where a run kept none.
    pub said: Vec<String>,
    /// Seconds of training up to the checkpoint `last`.
    pub seconds: Option<f64>,
    pub begun: Option<SystemTime>,
    /// The process that trains it, while one does, where its number is known.
    pub process: Option<u32>,
    pub has_report: bool,
    tail: Tail,
    pace: Pace,
    /// Times of change of the small files, by which they are read again.
    stamps: Vec<Option<SystemTime>>,
}

/// A larger file is none of ours.
const SMALL: u64 = 1 << 20;

impl Watched {
    pub fn new(name: String, folder: PathBuf) -> Watched {
        Watched { name, folder, ..Watched::default() }
    }

    /// Reads on; whether that was all.
    pub(super) fn read(&mut self, portion: u64) -> bool {
        let Some(log) = plain(&self.folder, &["metrics.jsonl"]) else { return true };
        let records = &mut self.records;
        let read = self.tail.read(&log, portion, |piece| match piece {
            Piece::Anew => *records = Records::default(),
            Piece::Line(line) => records.line(line),
        });
        let is_all = read.unwrap_or(true);
        if is_all {
            self.pace.saw(self.records.step, Instant::now());
        }
        // In this order: what is read of a run that nobody holds is all of it.
        let holder = holder(&self.folder);
        self.look();
        if is_all || holder.is_some() {
            self.standing = self.stands(holder.is_some());
        }
        self.process = holder.flatten();
        is_all
    }

    /// The small files, those that changed.
    fn look(&mut self) {
        const FILES: [&[&str]; 7] = [
            &["recipe.yaml"],
            &["last", "state.json"],
            &["best", "metrics.json"],
            &["last", "metrics.json"],
            &["time.json"],
            &["report.html"],
            &[LOG],
        ];
        let paths = FILES.map(|parts| plain(&self.folder, parts));
        let changed = |path: &Option<PathBuf>| fs::metadata(path.as_ref()?).ok()?.modified().ok();
        let stamps: Vec<Option<SystemTime>> = paths.iter().map(changed).collect();
        self.has_report = paths[5].is_some();
        let before = std::mem::replace(&mut self.stamps, stamps);
        let is_new = |at: usize| before.get(at) != Some(&self.stamps[at]);
        let json = |at: usize| {
            paths[at].as_deref().and_then(small).and_then(|text| serde_json::from_str(&text).ok())
        };
        if is_new(0) {
            self.recipe = paths[0].as_deref().and_then(small).and_then(Recipe::of);
            self.begun = begun(&self.folder);
        }
        if is_new(1) {
            self.position = json(1).and_then(|value| serde_json::from_value(value).ok());
        }
        if is_new(2) {
            self.metrics[0] = json(2).filter(Value::is_object);
        }
        if is_new(3) {
            self.metrics[1] = json(3).filter(Value::is_object);
        }
        if is_new(4) {
            self.seconds = json(4).and_then(|value: Value| value["seconds"].as_f64());
        }
        if is_new(6) {
            self.said = paths[6].as_deref().map_or(Vec::new(), last_lines);
        }
    }

    fn stands(&self, is_held: bool) -> Standing {
        if is_held {
            return Standing::Training;
        }
        // A report from before a run went on is older than its checkpoint; a copy of a run has any times.
        let [state, report] = [1, 5].map(|at| self.stamps.get(at).copied().flatten());
        if report.is_some() && (report >= state || self.is_at_its_end()) {
            return Standing::Finished;
        }
        if shows_failure(&self.said) { Standing::Failed } else { Standing::Interrupted }
    }

    /// Whether the last checkpoint is of the last step.
    fn is_at_its_end(&self) -> bool {
        let Some(position) = &self.position else { return false };
        match self.length() {
            (_, Some(steps)) => position.step >= steps,
            (Some(epochs), None) => position.epoch >= epochs && position.batch == 0,
            (None, None) => false,
        }
    }

    /// Its report, where there is one now.
    pub fn report(&self) -> Option<PathBuf> {
        plain(&self.folder, &["report.html"])
    }

    /// When the predictions were written that it kept, where it did.
    pub fn predictions(&self) -> Option<SystemTime> {
        fs::metadata(plain(&self.folder, &["predictions.csv"])?).ok()?.modified().ok()
    }

    /// When the log changed last.
    pub fn changed(&self) -> Option<SystemTime> {
        self.tail.changed()
    }

    /// The epoch of which it was told that it diverged.
    pub fn diverged(&self) -> Option<u64> {
        self.position.as_ref()?.diverged
    }

    /// The best of the metric that it is selected by, as its last checkpoint has it.
    pub fn best(&self) -> Option<&Best> {
        self.position.as_ref()?.best.as_ref()
    }

    /// Epochs and steps of its whole length, as far as they are known: how many steps an epoch has is known after the first.
    pub fn length(&self) -> (Option<u64>, Option<u64>) {
        let Some(recipe) = &self.recipe else { return (None, None) };
        let Some(length) = recipe.length() else { return (None, None) };
        let per_epoch = self.records.per_epoch.map(|steps| steps.round().max(1.0) as u64);
        let batch = recipe.batch().map_or(1, |batch| batch as u64);
        let steps = match (length, per_epoch) {
            (Length::Epochs(_), None) => None,
            (length, per_epoch) => length.steps(per_epoch.unwrap_or(1), batch),
        };
        let epochs = match length {
            Length::Epochs(n) => Some(n.ceil() as u64),
            _ => steps.zip(per_epoch).map(|(steps, per_epoch)| steps.div_ceil(per_epoch)),
        };
        (epochs, steps)
    }

    /// While it trains, as seen from here.
    pub fn images_per_second(&self) -> Option<f64> {
        let is_training = self.standing == Standing::Training;
        let batch = self.recipe.as_ref().filter(|_| is_training)?.batch()?;
        Some(self.pace.per_second()? * batch)
    }

    /// While it trains: by the time that its steps took until the last checkpoint, evaluations too; before the first one by what
    /// is seen from here.
    pub fn left(&self) -> Option<Duration> {
        let total = self.length().1.filter(|_| self.standing == Standing::Training)?;
        let done = self.position.as_ref().map(|position| position.step).filter(|step| *step > 0);
        let kept = self.seconds.zip(done).map(|(seconds, steps)| seconds / steps as f64);
        let each = kept.or_else(|| Some(1.0 / self.pace.per_second()?))?;
        Duration::try_from_secs_f64(each * total.saturating_sub(self.records.step) as f64).ok()
    }
}

fn small(path: &Path) -> Option<String> {
    fs::metadata(path).ok().filter(|data| data.len() <= SMALL)?;
    fs::read_to_string(path).ok()
}

/// By the name of its first event file, which has the second.
fn begun(folder: &Path) -> Option<SystemTime> {
    let second = |entry: fs::DirEntry| -> Option<u64> {
        let name = entry.file_name();
        name.to_str()?.strip_prefix("events.out.tfevents.")?.split('.').next()?.parse().ok()
    };
    let first = fs::read_dir(folder).ok()?.flatten().filter_map(second).min()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(first))
}
