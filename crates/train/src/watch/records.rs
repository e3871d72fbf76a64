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
    pub fn line(&mut self, line: &[u8]) {
        if self.of_step(line).is_none() && self.of_epoch(line).is_none() {
            self.damaged += 1;
        }
    }

    /// As `Log::step` writes it: `{"epoch":1,"step":1,"loss":2.5,"lr":0.1`, then its branches. Most lines are steps, and a log may have
    /// millions: what is not wanted of them is not looked at.
    fn of_step(&mut self, line: &[u8]) -> Option<()> {
        let (epoch, rest) = number(line, b"{\"epoch\":")?;
        let (step, rest) = number(rest, b",\"step\":")?;
        let (loss, rest) = number(rest, b",\"loss\":")?;
        (self.epoch, self.step) = (epoch as u64, step as u64);
        self.loss.push(step, loss);
        if let Some((lr, _)) = number(rest, b",\"lr\":") {
            self.lr.push(step, lr);
        }
        Some(())
    }

    fn of_epoch(&mut self, line: &[u8]) -> Option<()> {
        let record: Map<String, Value> = serde_json::from_slice(line).ok()?;
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

/// The number behind a key that a line begins with, and what is behind that; `null` is none that is finite.
fn number<'a>(line: &'a [u8], key: &[u8]) -> Option<(f64, &'a [u8])> {
    let rest = line.strip_prefix(key)?;
    let end = rest.iter().take(LONGEST).position(|byte| matches!(byte, b',' | b'}'))?;
    let (text, rest) = rest.split_at(end);
    let value = if text == b"null" { f64::NAN } else { std::str::from_utf8(text).ok()?.parse().ok()? };
    Some((value, rest))
}

/// No number is longer.
const LONGEST: usize = 64;
