//! What a run writes down as it goes: `metrics.jsonl`, `summary.csv` and an event file, in step with each other.

use crate::{BranchMetrics, Error, Events, Result, events};
use serde_json::{Map, Value};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// One finished epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Epoch {
    /// From 1.
    pub epoch: u64,
    /// Optimizer steps done by its end.
    pub step: u64,
    /// Mean over the epoch's images, of the loss that was minimised (mixed targets, class weights and all).
    pub train_loss: f64,
    /// Mean over the validation images, where there are any.
    pub val_loss: Option<f64>,
    /// Of the validation images, by name, in the order of the columns of `summary.csv`.
    pub metrics: Vec<(String, f64)>,
    /// Learning rate of the epoch's last step.
    pub lr: f64,
}

/// The three logs of a run folder. Every record is one write; a killed run leaves whole lines behind, or one torn line that
/// the next [`Log::open`] drops.
///
/// - `metrics.jsonl`: one object per line. A step: `epoch`, `step`, the values by name and, of each branch that ran,
///   [`BranchMetrics::record`] in `branches`. An epoch: `epoch`, `step`,
///   `train_loss`, `val_loss`, the metrics by name, `lr`. A value that is not finite is `null`. No wall-clock times: the same
///   seed gives the same bytes.
/// - `summary.csv`: one row per epoch, columns `epoch,train_loss,val_loss,<metrics>,lr`, header once.
/// - `events.out.tfevents.*`: `train/<name>` per step, and where there are several branches `branch<i>/<name>`;
///   `epoch/train_loss`, `val/loss`, `val/<metric>` per epoch; all over steps.
pub struct Log {
    lines: Appending,
    summary: Appending,
    /// The header of `summary.csv`, once it is there.
    columns: Option<String>,
    events: Events,
    /// Steps of the run so far that have no record.
    missing: u64,
}

impl Log {
    /// Opens the logs of a run in `dir`, which exists.
    ///
    /// `None` starts anew: earlier logs in `dir` are removed. `Some((step, epochs))` goes on after that step and so many finished epochs:
    /// records of later ones are dropped, and so are the rows of `summary.csv` of epochs that are not in `metrics.jsonl` any more.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Log`] where an earlier log cannot be read.
    pub fn open(dir: &Path, resume_from: Option<(u64, u64)>) -> Result<Log> {
        let (lines, summary) = (dir.join("metrics.jsonl"), dir.join("summary.csv"));
        let mut missing = 0;
        match resume_from {
            None => {
                for path in events::existing(dir)? {
                    fs::remove_file(&path).map_err(Error::io(&path))?;
                }
                for path in [&lines, &summary] {
                    fs::write(path, "").map_err(Error::io(path))?;
                }
            }
            Some((step, epochs)) => {
                let kept = truncate_lines(&lines, step, epochs)?;
                truncate_summary(&summary, kept.epoch)?;
                missing = step.saturating_sub(kept.steps);
            }
        }
        let header =
            fs::read_to_string(&summary).map_err(Error::io(&summary))?.lines().next().map(str::to_string);
        let events = Events::create(dir, resume_from.map(|(step, _)| step))?;
        Ok(Log {
            lines: Appending::open(lines)?,
            summary: Appending::open(summary)?,
            columns: header,
            events,
            missing,
        })
    }

    /// What to say where the log that is gone on with lacks steps.
    pub fn gap(&self) -> Option<String> {
        (self.missing > 0).then(|| {
            let (path, missing) = (self.lines.path.display(), self.missing);
            format!("{path}: lacks {missing} of the steps so far, as the file was cut; the weights do not, and go on")
        })
    }

    /// One optimizer step: values such as `loss`, `lr`, `images_per_second`, and what each branch gave to it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn step(
        &mut self,
        epoch: u64,
        step: u64,
        values: &[(&str, f64)],
        branches: &[BranchMetrics],
    ) -> Result<()> {
        let mut record = Map::new();
        record.insert("epoch".into(), epoch.into());
        record.insert("step".into(), step.into());
        for (name, value) in values {
            record.insert((*name).into(), Value::from(*value)); // not finite: null
        }
        if !branches.is_empty() {
            record.insert("branches".into(), branches.iter().map(BranchMetrics::record).collect());
        }
        self.lines.line(&Value::Object(record).to_string())?;
        let mut tagged: Vec<_> =
            values.iter().map(|(name, value)| (format!("train/{name}"), *value)).collect();
        if branches.len() > 1 {
            tagged.extend(branches.iter().flat_map(BranchMetrics::scalars));
        }
        self.events.scalars(step, &tagged)
    }

    /// A finished epoch.
    ///
    /// # Errors
    /// Other metrics than before; [`Error::Io`].
    pub fn epoch(&mut self, epoch: &Epoch) -> Result<()> {
        let names = epoch.metrics.iter().map(|(name, _)| field(name));
        let columns: Vec<_> = ["epoch", "train_loss", "val_loss"]
            .map(String::from)
            .into_iter()
            .chain(names)
            .chain(["lr".into()])
            .collect();
        let columns = columns.join(",");
        match &self.columns {
            None => self.summary.line(&columns)?,
            Some(there) if *there == columns => {}
            Some(there) => {
                let problem =
                    format!("expected the columns `{columns}`, found `{there}`; use a new run folder");
                return Err(Error::Log { path: self.summary.path.clone(), problem });
            }
        }
        self.columns = Some(columns);
        let mut row =
            vec![epoch.epoch.to_string(), cell(epoch.train_loss), epoch.val_loss.map_or("".into(), cell)];
        row.extend(epoch.metrics.iter().map(|(_, value)| cell(*value)));
        row.push(cell(epoch.lr));

        let mut record = Map::new();
        record.insert("epoch".into(), epoch.epoch.into());
        record.insert("step".into(), epoch.step.into());
        record.insert("train_loss".into(), epoch.train_loss.into());
        record.insert("val_loss".into(), epoch.val_loss.into());
        record.extend(epoch.metrics.iter().map(|(name, value)| (name.clone(), Value::from(*value))));
        record.insert("lr".into(), epoch.lr.into());

        let mut tagged = vec![("epoch/train_loss".to_string(), epoch.train_loss)];
        tagged.extend(epoch.val_loss.map(|loss| ("val/loss".to_string(), loss)));
        tagged.extend(epoch.metrics.iter().map(|(name, value)| (format!("val/{name}"), *value)));

        self.lines.line(&Value::Object(record).to_string())?;
        self.summary.line(&row.join(","))?;
        self.events.scalars(epoch.step, &tagged)
    }
}

/// The epochs in a run folder's `metrics.jsonl`, in order; empty if there is no such file. `null` is read as NaN.
///
/// # Errors
/// [`Error::Io`]; a line that is no record of an epoch or a step.
pub fn history(dir: &Path) -> Result<Vec<Epoch>> {
    let path = dir.join("metrics.jsonl");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
    let records = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    records
        .enumerate()
        .filter_map(|(at, line)| parse(&path, at, line).map(|record| as_epoch(&record)).transpose())
        .collect()
}

fn as_epoch(record: &Map<String, Value>) -> Option<Epoch> {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let mut epoch = Epoch { train_loss: number(record.get("train_loss")?), ..Epoch::default() };
    for (key, value) in record {
        match key.as_str() {
            "epoch" => epoch.epoch = value.as_u64()?,
            "step" => epoch.step = value.as_u64()?,
            "train_loss" => {}
            "val_loss" => epoch.val_loss = value.as_f64(),
            "lr" => epoch.lr = number(value),
            name => epoch.metrics.push((name.into(), number(value))),
        }
    }
    Some(epoch)
}

fn parse(path: &Path, at: usize, line: &str) -> Result<Map<String, Value>> {
    serde_json::from_str(line).map_err(|error| {
        let problem = format!("line {}: expected a JSON object, got {error}; remove that line", at + 1);
        Error::Log { path: path.into(), problem }
    })
}

/// What of a log is kept.
#[derive(Default)]
struct Kept {
    /// The last epoch that was finished.
    epoch: Option<u64>,
    /// Records of steps.
    steps: u64,
}

/// Keeps the whole lines of steps up to `step`, and of finished epochs up to `epochs`.
fn truncate_lines(path: &Path, step: u64, epochs: u64) -> Result<Kept> {
    if !path.exists() {
        fs::write(path, "").map_err(Error::io(path))?;
    }
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    let (mut text_kept, mut kept) = (String::new(), Kept::default());
    for (at, line) in text.split_inclusive('\n').enumerate() {
        if !line.ends_with('\n') {
            break; // torn by a kill
        }
        let record = parse(path, at, line)?;
        let finished = as_epoch(&record);
        // The steps of an epoch may all be done, and it not evaluated: the run was killed there, and evaluates again.
        let is_finished = finished.as_ref().is_none_or(|finished| finished.epoch <= epochs);
        if is_finished && record.get("step").and_then(Value::as_u64).is_some_and(|at| at <= step) {
            text_kept.push_str(line);
            match finished {
                Some(epoch) => kept.epoch = kept.epoch.max(Some(epoch.epoch)),
                None => kept.steps += 1,
            }
        }
    }
    replace(path, &text_kept)?;
    Ok(kept)
}

fn truncate_summary(path: &Path, last: Option<u64>) -> Result<()> {
    if !path.exists() {
        return fs::write(path, "").map_err(Error::io(path));
    }
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let mut kept = String::new();
    for (at, line) in whole.enumerate() {
        let epoch: Option<u64> = line.split(',').next().and_then(|field| field.parse().ok());
        if at == 0 || epoch.is_some_and(|epoch| Some(epoch) <= last) {
            kept.push_str(line);
        }
    }
    replace(path, &kept)
}

/// Under another name first: a kill at any moment leaves the old or the new content.
fn replace(path: &Path, content: &str) -> Result<()> {
    let beside = path.with_extension("tmp");
    fs::write(&beside, content).map_err(Error::io(&beside))?;
    fs::rename(&beside, path).map_err(Error::io(path))
}

struct Appending {
    path: PathBuf,
    file: File,
}

impl Appending {
    fn open(path: PathBuf) -> Result<Appending> {
        let file = OpenOptions::new().append(true).open(&path).map_err(Error::io(&path))?;
        Ok(Appending { path, file })
    }

    fn line(&mut self, line: &str) -> Result<()> {
        self.file.write_all(format!("{line}\n").as_bytes()).map_err(Error::io(&self.path))
    }
}

fn cell(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { value.to_string().to_lowercase() }
}

/// A CSV field, quoted where it must be (RFC 4180).
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests;
