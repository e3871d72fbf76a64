//! torch's `ReduceLROnPlateau`, `threshold_mode="rel"`: the learning rate falls where the metric stays.

use super::checkpoint::exact;
use super::schedule::{Schedule, Shape};
use serde::{Deserialize, Serialize};
use tallow_metrics::Better;

/// When it falls, and by how much.
#[derive(Clone, Debug, PartialEq)]
pub struct PlateauRule {
    pub factor: f64,
    /// Epochs without a better value that are borne.
    pub patience: u64,
    /// A value is better where it is beyond best · (1 ± threshold).
    pub threshold: f64,
    /// Epochs after a reduction that do not count.
    pub cooldown: u64,
    /// The least learning rate.
    pub floor: f64,
}

/// Where a run stands in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    #[serde(with = "exact")]
    pub lr: f64,
    #[serde(with = "exact")]
    best: f64,
    bad: u64,
    cooldown: u64,
}

impl Plateau {
    /// Before the first epoch, where the schedule is one.
    pub fn of(schedule: &Schedule, better: Better) -> Option<Plateau> {
        matches!(schedule.shape, Shape::Plateau(_)).then(|| Plateau::new(schedule.lr, better))
    }

    fn new(lr: f64, better: Better) -> Plateau {
        let best = if better == Better::Higher { f64::NEG_INFINITY } else { f64::INFINITY };
        Plateau { lr, best, bad: 0, cooldown: 0 }
    }

    /// Takes the value of an epoch; whether the learning rate fell. A value that is not a number is no better.
    pub fn observe(&mut self, value: f64, rule: &PlateauRule, better: Better) -> bool {
        let is_better = match better {
            Better::Higher => value > self.best * (1.0 + rule.threshold),
            Better::Lower => value < self.best * (1.0 - rule.threshold),
        };
        if is_better {
            (self.best, self.bad) = (value, 0);
        } else {
            self.bad += 1;
        }
        if self.cooldown > 0 {
            (self.cooldown, self.bad) = (self.cooldown - 1, 0);
        }
        if self.bad <= rule.patience {
            return false;
        }
        let before = self.lr;
        let lowered = (self.lr * rule.factor).max(rule.floor);
        // torch's eps: what differs by less stays.
        if before - lowered > 1e-8 {
            self.lr = lowered;
        }
        (self.bad, self.cooldown) = (0, rule.cooldown);
        self.lr < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: PlateauRule =
        PlateauRule { factor: 0.1, patience: 10, threshold: 1e-4, cooldown: 0, floor: 0.0 };

    fn lrs(values: &[f64], rule: &PlateauRule, better: Better) -> Vec<f64> {
        let mut plateau = Plateau::new(0.1, better);
        let lr = |value: &f64| {
            plateau.observe(*value, rule, better);
            plateau.lr
        };
        values.iter().map(lr).collect()
    }

    fn near(got: &[f64], expected: &[f64]) {
        assert_eq!(got.len(), expected.len());
        assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15), "{got:?}");
    }

    /// torch 2.15: `ReduceLROnPlateau(SGD(lr=0.1), mode, factor, patience, threshold, cooldown=…, min_lr=…)`, the learning rate
    /// after each `step(value)`.
    #[test]
    fn the_learning_rate_is_torchs() {
        let rule = PlateauRule { factor: 0.5, patience: 1, cooldown: 2, floor: 0.02, ..RULE };
        let values =
            [0.5, 0.6, 0.6, 0.60005, 0.59, 0.61, 0.61, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.7, 0.6, 0.6, 0.6];
        let expected = [
            0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.025, 0.02, 0.02, 0.02, 0.02, 0.02,
            0.02,
        ];
        near(&lrs(&values, &rule, Better::Higher), &expected);
        let rule = PlateauRule { patience: 2, ..RULE };
        let values = [1.0, 0.9, 0.9, 0.89995, 0.91, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8];
        let expected = [0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01, 0.001, 0.001, 0.001];
        near(&lrs(&values, &rule, Better::Lower), &expected);
        let rule = PlateauRule { patience: 1, ..RULE };
        let values = [f64::NAN, f64::NAN, 0.5, f64::NAN, f64::NAN, f64::NAN];
        near(&lrs(&values, &rule, Better::Higher), &[0.1, 0.01, 0.01, 0.01, 0.001, 0.001]);
    }
}
