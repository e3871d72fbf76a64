//! What `metrics.jsonl` says, in curves.

use super::curve::Curve;
use serde_json::{Map, Value};

/// The curve of one quantity over epochs.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// `train_loss`, `val_loss`, a metric, `lr`.
    pub name: String,
    pub curve: Curve,
}

/// What was read of a log so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Records {
    /// Of the last line.
    pub step: u64,
    pub epoch: u64,
    /// Epochs that ended.
    pub epochs: u64,
    /// Steps of an epoch, once one has ended.
    pub per_epoch: Option<f64>,
    /// Over steps.
    pub loss: Curve,
    pub lr: Curve,
    /// Over epochs, in the order of the log.
    pub series: Vec<Series>,
    /// Lines that are none of a log.
    pub damaged: u64,
}

/// Columns of a log: somebody's file may have any.
const SERIES: usize = 32;

impl Records {
    pub fn line(&mut self, line: &str) {
        let read = if line.contains("\"train_loss\":") { self.of_epoch(line) } else { self.of_step(line) };
        if read.is_none() {
            self.damaged += 1;
        }
    }

    /// As `Log::step` writes it: its own values stand before those of its branches. Most lines are steps; a parser of all of it
    /// would take most of the time.
    fn of_step(&mut self, line: &str) -> Option<()> {
        let (epoch, step) = (number(line, "\"epoch\":")?, number(line, "\"step\":")?);
        (self.epoch, self.step) = (epoch as u64, step as u64);
        if let Some(loss) = number(line, "\"loss\":") {
            self.loss.push(step, loss);
        }
        if let Some(lr) = number(line, "\"lr\":") {
            self.lr.push(step, lr);
        }
        Some(())
    }

    fn of_epoch(&mut self, line: &str) -> Option<()> {
        let record: Map<String, Value> = serde_json::from_str(line).ok()?;
        let whole = |name: &str| record.get(name)?.as_u64();
        let (epoch, step) = (whole("epoch")?, whole("step")?);
        (self.epoch, self.step, self.epochs) = (epoch, step, epoch);
        self.per_epoch = Some(step as f64 / epoch.max(1) as f64);
        for (name, value) in record {
            if name == "epoch" || name == "step" {
                continue;
            }
            let y = value.as_f64().unwrap_or(f64::NAN);
            let there = self.series.iter().position(|series| series.name == name);
            if there.is_none() && self.series.len() < SERIES {
                self.series.push(Series { name, curve: Curve::default() });
            } else if there.is_none() {
                continue;
            }
            let at = there.unwrap_or(self.series.len() - 1);
            self.series[at].curve.push(epoch as f64, y);
        }
        Some(())
    }

    /// Over epochs, by its name in the log; the log loss of the validation images is `val_loss` there.
    pub fn of(&self, name: &str) -> Option<&Curve> {
        let name = if name == "log_loss" { "val_loss" } else { name };
        self.series.iter().find(|series| series.name == name).map(|series| &series.curve)
    }
}

/// The number behind a key; `null` is none that is finite.
fn number(line: &str, key: &str) -> Option<f64> {
    let rest = &line[line.find(key)? + key.len()..];
    let text = rest.split([',', '}']).next()?.trim();
    if text == "null" { Some(f64::NAN) } else { text.parse().ok() }
}
