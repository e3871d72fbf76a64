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
/// - `events.out.tfevents.*`: `train/<name>` per step, and where there are several branches `branch<i>/<name>`; `epoch/train_loss`, `val/loss`, `val/<metric>` per epoch; all over steps.
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
mod tests {
    use super::*;

    fn epoch(epoch: u64) -> Epoch {
        let metrics = vec![("accuracy".into(), 0.5), ("macro_f1".into(), 0.25)];
        Epoch { epoch, step: 2 * epoch, train_loss: 1.5, val_loss: Some(2.), metrics, lr: 0.1 }
    }

    /// Two steps an epoch.
    fn run(log: &mut Log, epochs: impl Iterator<Item = u64>) {
        for at in epochs {
            for step in [2 * at - 1, 2 * at] {
                log.step(at, step, &[("loss", 1. / step as f64), ("lr", 0.1)], &[]).unwrap();
            }
            log.epoch(&epoch(at)).unwrap();
        }
    }

    fn texts(dir: &Path) -> [String; 2] {
        ["metrics.jsonl", "summary.csv"].map(|name| fs::read_to_string(dir.join(name)).unwrap())
    }

    #[test]
    fn one_epoch_as_text() {
        let dir = tempfile::tempdir().unwrap();
        run(&mut Log::open(dir.path(), None).unwrap(), 1..=1);
        let [lines, summary] = texts(dir.path());
        assert_eq!(
            lines,
            "{\"epoch\":1,\"step\":1,\"loss\":1.0,\"lr\":0.1}\n\
             {\"epoch\":1,\"step\":2,\"loss\":0.5,\"lr\":0.1}\n\
             {\"epoch\":1,\"step\":2,\"train_loss\":1.5,\"val_loss\":2.0,\"accuracy\":0.5,\"macro_f1\":0.25,\"lr\":0.1}\n"
        );
        assert_eq!(summary, "epoch,train_loss,val_loss,accuracy,macro_f1,lr\n1,1.5,2,0.5,0.25,0.1\n");
        assert_eq!(history(dir.path()).unwrap(), [epoch(1)]);
    }

    #[test]
    fn resumed_is_uninterrupted() {
        let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        run(&mut Log::open(whole.path(), None).unwrap(), 1..=4);
        run(&mut Log::open(cut.path(), None).unwrap(), 1..=3);
        // Killed in the middle of a line; the checkpoint is of step 4, the end of epoch 2.
        for name in ["metrics.jsonl", "summary.csv"] {
            let mut file = OpenOptions::new().append(true).open(cut.path().join(name)).unwrap();
            file.write_all(b"{\"epoch\":4,\"st").unwrap();
        }
        run(&mut Log::open(cut.path(), Some((4, 2))).unwrap(), 3..=4);
        assert_eq!(texts(cut.path()), texts(whole.path()));
        assert_eq!(events::existing(cut.path()).unwrap().len(), 2);
        assert_eq!(history(cut.path()).unwrap().len(), 4);
    }

    #[test]
    fn an_epoch_that_is_evaluated_again_is_logged_once() {
        let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        run(&mut Log::open(whole.path(), None).unwrap(), 1..=2);
        run(&mut Log::open(cut.path(), None).unwrap(), 1..=2);
        // The checkpoint is of step 4, whose epoch was not evaluated then.
        let mut log = Log::open(cut.path(), Some((4, 1))).unwrap();
        assert_eq!(log.gap(), None);
        log.epoch(&epoch(2)).unwrap();
        assert_eq!(texts(cut.path()), texts(whole.path()));
    }

    #[test]
    fn resumed_within_the_first_epoch() {
        let dir = tempfile::tempdir().unwrap();
        run(&mut Log::open(dir.path(), None).unwrap(), 1..=2);
        drop(Log::open(dir.path(), Some((1, 0))).unwrap());
        let [lines, summary] = texts(dir.path());
        assert_eq!(lines, "{\"epoch\":1,\"step\":1,\"loss\":1.0,\"lr\":0.1}\n");
        assert_eq!(summary, "epoch,train_loss,val_loss,accuracy,macro_f1,lr\n");
    }

    #[test]
    fn opening_anew_forgets() {
        let dir = tempfile::tempdir().unwrap();
        run(&mut Log::open(dir.path(), None).unwrap(), 1..=2);
        drop(Log::open(dir.path(), None).unwrap());
        assert_eq!(texts(dir.path()), ["", ""]);
        assert_eq!(events::existing(dir.path()).unwrap().len(), 1);
    }

    #[test]
    fn what_is_not_finite() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::open(dir.path(), None).unwrap();
        let odd = Epoch { train_loss: f64::NAN, val_loss: None, lr: f64::INFINITY, ..epoch(1) };
        log.epoch(&odd).unwrap();
        let [lines, summary] = texts(dir.path());
        assert!(lines.contains("\"train_loss\":null,\"val_loss\":null"), "{lines}");
        assert!(summary.ends_with("\n1,nan,,0.5,0.25,inf\n"), "{summary}");
        let read = &history(dir.path()).unwrap()[0];
        assert!(read.train_loss.is_nan() && read.val_loss.is_none());
    }

    #[test]
    fn other_columns_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::open(dir.path(), None).unwrap();
        log.epoch(&epoch(1)).unwrap();
        let other = Epoch { metrics: vec![("a,b".into(), 1.)], ..epoch(2) };
        let error = log.epoch(&other).unwrap_err().to_string();
        assert!(error.contains("expected the columns `epoch,train_loss,val_loss,\"a,b\",lr`"), "{error}");
        assert_eq!(history(dir.path()).unwrap().len(), 1);
    }

    #[test]
    fn a_damaged_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("metrics.jsonl"), "{\"step\":1}\nnonsense\n").unwrap();
        let error = Log::open(dir.path(), Some((9, 9))).err().unwrap().to_string();
        assert!(error.contains("metrics.jsonl: line 2: expected a JSON object"), "{error}");
    }
}
