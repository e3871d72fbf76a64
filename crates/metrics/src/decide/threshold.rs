//! A class is called from a probability on.

use crate::{Error, Predictions, Result};
use serde::{Deserialize, Serialize};

/// A class is called where its probability is at least `at`, whatever the others'.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    pub class: String,
    pub at: f64,
}

/// What a threshold is chosen for, among the probabilities that the images have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// At least this share of the class is called: the highest threshold that does it.
    Sensitivity(f64),
    /// At least this share of the other classes is not called: the lowest threshold that does it.
    Specificity(f64),
    /// The largest F1 of the class against the rest; of several, the highest threshold.
    F1,
}

impl Threshold {
    /// The threshold of a class that reaches a goal on these images. On others it reaches it roughly: the fewer images of
    /// the class, the more roughly.
    ///
    /// # Errors
    /// [`Error::Argument`] for a class that is unknown, or without images on either side, for a goal outside of 0 to 1, and for one
    /// that only a threshold of 0 reaches.
    pub fn choose(predictions: &Predictions, class: &str, goal: Goal) -> Result<Threshold> {
        let Some(index) = predictions.classes.iter().position(|name| name == class) else {
            let known = predictions.classes.join(", ");
            return Err(Error::Argument(format!("`{class}` is no class; expected one of {known}")));
        };
        if let Goal::Sensitivity(share) | Goal::Specificity(share) = goal
            && !(share > 0.0 && share <= 1.0)
        {
            return Err(Error::Argument(format!("expected a share above 0, up to 1, got {share}")));
        }
        let mut of_class = Vec::new();
        let mut others = Vec::new();
        for (row, &label) in predictions.rows().zip(&predictions.labels) {
            if label as usize == index { &mut of_class } else { &mut others }.push(row[index]);
        }
        if of_class.is_empty() || others.is_empty() {
            let (one, all) = (of_class.len(), predictions.len());
            return Err(Error::Argument(format!(
                "a threshold of `{class}` needs images of it and of other classes; {one} of {all} are of it"
            )));
        }
        of_class.sort_unstable_by(|a, b| b.total_cmp(a));
        others.sort_unstable_by(|a, b| b.total_cmp(a));
        let at = match goal {
            Goal::Sensitivity(share) => of_class[at_least(share, of_class.len()) - 1],
            Goal::Specificity(share) => {
                // The lowest probability above that of the first of the others who must not be called.
                let spared = others[others.len() - at_least(share, others.len())];
                let above = of_class.iter().chain(&others).copied().filter(|&p| p > spared);
                above.min_by(f64::total_cmp).unwrap_or(1.0f64.next_up())
            }
            Goal::F1 => best_f1(&of_class, &others),
        };
        if at <= 0.0 {
            return Err(Error::Argument(format!(
                "`{class}`: some of its images have a probability of 0, so that all images would be called; ask for less, or calibrate \
                 by temperature"
            )));
        }
        Ok(Threshold { class: class.to_owned(), at })
    }

    /// Called and of the class, called, of the class, all: what sensitivity, specificity and predictive values are made of.
    pub fn counts(&self, predictions: &Predictions) -> Option<Called> {
        let index = predictions.classes.iter().position(|name| *name == self.class)?;
        let mut counts = Called::default();
        for (row, &label) in predictions.rows().zip(&predictions.labels) {
            let slot = match (label as usize == index, row[index] >= self.at) {
                (true, true) => &mut counts.hits,
                (true, false) => &mut counts.misses,
                (false, true) => &mut counts.false_alarms,
                (false, false) => &mut counts.rest,
            };
            *slot += 1;
        }
        Some(counts)
    }
}

/// How many images are called rightly and wrongly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Called {
    /// Of the class and called.
    pub hits: u64,
    /// Of the class and not called.
    pub misses: u64,
    /// Of another class and called.
    pub false_alarms: u64,
    /// Of another class and not called.
    pub rest: u64,
}

/// The least number of `count` that is a share of at least `share`.
fn at_least(share: f64, count: usize) -> usize {
    // A share such as 0.95 of 20 is 19, though 0.95 · 20 may be a little more.
    ((share * count as f64 - 1e-9).ceil() as usize).clamp(1, count)
}

fn best_f1(of_class: &[f64], others: &[f64]) -> f64 {
    let mut best = (0.0, f64::INFINITY);
    let mut alarms = 0;
    for (index, &at) in of_class.iter().enumerate() {
        if of_class.get(index + 1) == Some(&at) {
            continue; // Called together with the next.
        }
        while alarms < others.len() && others[alarms] >= at {
            alarms += 1;
        }
        let hits = index + 1;
        let f1 = 2.0 * hits as f64 / (hits + alarms + of_class.len()) as f64;
        if f1 > best.0 {
            best = (f1, at);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions() -> Predictions {
        let mut predictions = Predictions::new(&["rest", "class"].map(str::to_owned));
        let of = [(1, 0.9), (1, 0.6), (1, 0.6), (1, 0.2), (0, 0.7), (0, 0.6), (0, 0.1), (0, 0.05), (0, 0.01)];
        for (index, (label, p)) in of.into_iter().enumerate() {
            predictions.push(&index.to_string(), None, label, &[1.0 - p, p]).unwrap();
        }
        predictions
    }

    fn at(goal: Goal) -> f64 {
        Threshold::choose(&predictions(), "class", goal).unwrap().at
    }

    #[test]
    fn by_hand() {
        assert_eq!(
            [0.25, 0.26, 0.75, 0.76, 1.0].map(|share| at(Goal::Sensitivity(share))),
            [0.9, 0.6, 0.6, 0.2, 0.2]
        );
        // Of five others: three are spared from 0.2 on, four from 0.7 on, all from 0.9 on.
        assert_eq!([0.6, 0.61, 0.8, 1.0].map(|share| at(Goal::Specificity(share))), [0.2, 0.7, 0.7, 0.9]);
        // At 0.6: 3 hits, 2 alarms, 6/9; at 0.2: 4 hits, 2 alarms, 8/10.
        assert_eq!(at(Goal::F1), 0.2);
        let called = Threshold { class: "class".into(), at: 0.6 }.counts(&predictions()).unwrap();
        assert_eq!(called, Called { hits: 3, misses: 1, false_alarms: 2, rest: 3 });
    }

    #[test]
    fn what_cannot_be_chosen_says_why() {
        let mut certain = predictions();
        certain.push("sure", None, 1, &[1.0, 0.0]).unwrap();
        let error = Threshold::choose(&certain, "class", Goal::Sensitivity(1.0)).unwrap_err().to_string();
        assert!(error.contains("have a probability of 0"), "{error}");
        let error = |class, goal| Threshold::choose(&predictions(), class, goal).unwrap_err().to_string();
        assert_eq!(error("mel", Goal::F1), "`mel` is no class; expected one of rest, class");
        assert_eq!(error("class", Goal::Sensitivity(95.0)), "expected a share above 0, up to 1, got 95");
        let mut one_sided = predictions();
        one_sided.labels.fill(1);
        let error = Threshold::choose(&one_sided, "class", Goal::F1).unwrap_err().to_string();
        assert!(error.ends_with("9 of 9 are of it"), "{error}");
    }

    #[test]
    fn no_threshold_may_spare_all() {
        let mut predictions = predictions();
        predictions.push("sure", None, 0, &[0.0, 1.0]).unwrap();
        let threshold = Threshold::choose(&predictions, "class", Goal::Specificity(1.0)).unwrap();
        let called = threshold.counts(&predictions).unwrap();
        assert_eq!((called.hits, called.false_alarms), (0, 0));
    }
}
