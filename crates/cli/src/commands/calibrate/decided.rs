//! Images by what was decided of them.

use super::goals::{Rate, called_json, rates};
use serde_json::{Value, json};
use tallow_data::counted;
use tallow_metrics::{Called, Predictions};
use tallow_train::Calibration;

pub struct Decided {
    images: u64,
    right: u64,
    left_open: u64,
    /// The mean over decided images, where costs were given.
    cost: Option<f64>,
    /// Of each class that a threshold or costs are about, how often the decision is that class.
    called: Vec<(String, Called)>,
    /// Whether thresholds compete: a decision is of one class alone.
    compete: bool,
}

impl Decided {
    /// What a calibration decides of images whose truth is known, by their calibrated probabilities; `None` where it decides nothing
    /// but by the largest probability.
    pub fn of(calibration: &Calibration, predictions: &Predictions) -> Option<Decided> {
        if !calibration.decides() {
            return None;
        }
        let is_about = |class: &String| {
            calibration.costs.is_some() || calibration.thresholds.iter().any(|of| of.class == *class)
        };
        let classes: Vec<usize> =
            (0..predictions.classes.len()).filter(|&class| is_about(&predictions.classes[class])).collect();
        let mut called = vec![Called::default(); classes.len()];
        let mut found = Decided {
            images: 0,
            right: 0,
            left_open: 0,
            cost: None,
            called: Vec::new(),
            compete: calibration.costs.is_none() && classes.len() > 1,
        };
        let mut cost = 0.0;
        for (row, &label) in predictions.rows().zip(&predictions.labels) {
            let label = label as usize;
            let Some(decision) = calibration.decide(row) else {
                found.left_open += 1;
                continue;
            };
            found.images += 1;
            found.right += u64::from(decision == label);
            cost += calibration.costs.as_ref().map_or(0.0, |costs| costs.of(label, decision));
            for (&class, called) in classes.iter().zip(&mut called) {
                *match (label == class, decision == class) {
                    (true, true) => &mut called.hits,
                    (true, false) => &mut called.misses,
                    (false, true) => &mut called.false_alarms,
                    (false, false) => &mut called.rest,
                } += 1;
            }
        }
        found.cost =
            calibration.costs.as_ref().filter(|_| found.images > 0).map(|_| cost / found.images as f64);
        let names = classes.into_iter().map(|class| predictions.classes[class].clone());
        found.called = names.zip(called).collect();
        Some(found)
    }

    pub fn as_json(&self) -> Value {
        let class = |(class, called): &(String, Called)| called_json(class, called);
        json!({
            "images": self.images,
            "right": self.right,
            "left_open": self.left_open,
            "mean_cost": self.cost,
            "classes": self.called.iter().map(class).collect::<Vec<_>>(),
        })
    }

    /// For a terminal, a sentence each; a row is an `image`, or a `group`.
    pub fn lines(&self, row: &str) -> Vec<String> {
        let cost = self.cost.map_or(String::new(), |cost| format!(", at a mean cost of {cost:.4}"));
        let open = match self.left_open {
            0 => String::new(),
            open => format!(", {open} left to a person"),
        };
        let mut lines = vec![format!(
            "decided: {} of {} right{cost}{open}",
            self.right,
            counted(self.images as usize, row)
        )];
        for (class, called) in &self.called {
            let shown = |rate: &Rate| {
                format!("{} {:.3} ({:.3} to {:.3})", rate.name, rate.value, rate.low, rate.high)
            };
            let rates: Vec<String> = rates(called).iter().take(2).map(shown).collect();
            lines.push(format!("decided to be {class}: {}", rates.join(", ")));
        }
        if self.compete {
            lines.push(
                "several thresholds compete: an image is decided to be what exceeds its threshold most, so that what is found of a \
                 class is not what its threshold calls"
                    .to_owned(),
            );
        }
        lines
    }
}
