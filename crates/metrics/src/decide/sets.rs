//! Sets of classes that hold the truth with a stated probability: split conformal prediction.

use crate::{Error, Predictions, Result};
use serde::{Deserialize, Serialize};

/// How strange a class is for an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetScore {
    /// 1 − p_c: the smallest sets on average; an image unlike any class has an empty one. Source: Sadinle et al. 2019,
    /// <https://arxiv.org/abs/1609.00451>.
    Lac,
    /// Σ of the probabilities of at least p_c: larger sets, more even over easy and hard images. Source: Romano et al. 2020,
    /// <https://arxiv.org/abs/2006.02544>, without randomisation.
    Aps,
}

/// The classes whose score is at most a quantile of the scores that true classes had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassSets {
    pub score: SetScore,
    /// 1 − α: the share of new images whose set holds the truth, on average over draws of the images fitted to.
    pub coverage: f64,
    /// The quantile for each class: all the same, unless coverage is asked of each class. `null` where there are too few images
    /// for any: the class is in every set.
    pub quantiles: Vec<Option<f64>>,
}

impl ClassSets {
    /// Fits to images that were not learned from: the ⌈(n + 1) · coverage⌉-th smallest score of the true class. New images like
    /// these are covered whatever the network; images of one lesion in both parts, or of another clinic, are not like these.
    ///
    /// # Errors
    /// [`Error::Argument`] for no images, or a coverage outside of (0, 1).
    pub fn fit(
        predictions: &Predictions,
        score: SetScore,
        coverage: f64,
        per_class: bool,
    ) -> Result<ClassSets> {
        if !(coverage > 0.0 && coverage < 1.0) {
            return Err(Error::Argument(format!(
                "coverage: expected a share between 0 and 1, got {coverage}; 0.9 is usual"
            )));
        }
        if predictions.is_empty() {
            return Err(Error::Argument("coverage: expected images to choose sets by, got none".to_owned()));
        }
        let classes = predictions.classes.len();
        let mut scores = vec![Vec::new(); if per_class { classes } else { 1 }];
        for (row, &label) in predictions.rows().zip(&predictions.labels) {
            scores[if per_class { label as usize } else { 0 }].push(score.of(row, label as usize));
        }
        let found: Vec<Option<f64>> = scores.into_iter().map(|scores| quantile(scores, coverage)).collect();
        let quantiles = (0..classes).map(|class| found[if per_class { class } else { 0 }]).collect();
        Ok(ClassSets { score, coverage, quantiles })
    }

    /// The classes that an image may be of, ascending.
    pub fn of(&self, row: &[f64]) -> Vec<usize> {
        let is_in =
            |&class: &usize| self.quantiles[class].is_none_or(|most| self.score.of(row, class) <= most);
        (0..row.len()).filter(is_in).collect()
    }

    /// Checks what was read from a file.
    ///
    /// # Errors
    /// [`Error::Argument`] unless there is a quantile for each class.
    pub fn check(&self, classes: usize) -> Result<()> {
        if self.quantiles.len() == classes {
            return Ok(());
        }
        let got = self.quantiles.len();
        Err(Error::Argument(format!("sets: expected {classes} quantiles, one per class, got {got}")))
    }
}

impl SetScore {
    fn of(self, row: &[f64], class: usize) -> f64 {
        match self {
            SetScore::Lac => 1.0 - row[class],
            SetScore::Aps => row.iter().filter(|&&p| p >= row[class]).sum(),
        }
    }
}

/// The ⌈(n + 1) · coverage⌉-th smallest; `None` where that is beyond n.
fn quantile(mut scores: Vec<f64>, coverage: f64) -> Option<f64> {
    scores.sort_unstable_by(f64::total_cmp);
    let rank = ((scores.len() + 1) as f64 * coverage - 1e-9).ceil() as usize;
    scores.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallow_seed::Seed;

    /// `images` of three classes, of probabilities that are true.
    fn honest(images: u32, seed: u64) -> Predictions {
        let mut predictions = Predictions::new(&["a", "b", "c"].map(str::to_owned));
        let mut rng = Seed::new(seed).fold("honest", 0).rng();
        for index in 0..images {
            let row = rng.dirichlet(&[0.5, 1.0, 2.0]);
            let label = rng.weighted(&row) as u32;
            predictions.push(&index.to_string(), None, label, &row).unwrap();
        }
        predictions
    }

    fn covered(sets: &ClassSets, predictions: &Predictions, of: impl Fn(u32) -> bool) -> f64 {
        let rows = predictions.rows().zip(&predictions.labels).filter(|(_, label)| of(**label));
        let hits: Vec<bool> = rows.map(|(row, label)| sets.of(row).contains(&(*label as usize))).collect();
        hits.iter().filter(|hit| **hit).count() as f64 / hits.len() as f64
    }

    #[test]
    fn new_images_are_covered_as_often_as_stated() {
        let (fitted, new) = (honest(20_000, 1), honest(20_000, 2));
        // The rarest class has less than its share of that, unless it is asked for.
        let sets = ClassSets::fit(&fitted, SetScore::Lac, 0.9, false).unwrap();
        assert!(covered(&sets, &new, |label| label == 0) < 0.85);
        for score in [SetScore::Lac, SetScore::Aps] {
            let sets = ClassSets::fit(&fitted, score, 0.9, false).unwrap();
            let share = covered(&sets, &new, |_| true);
            assert!((share - 0.9).abs() < 0.01, "{score:?}: {share}");
            let each = ClassSets::fit(&fitted, score, 0.9, true).unwrap();
            for class in 0..3 {
                let share = covered(&each, &new, |label| label == class);
                // The least probable class completes the sum: many of its scores are 1, and more than asked are covered.
                let most = if score == SetScore::Aps { 1.0 } else { 0.915 };
                assert!((0.885..most).contains(&share), "{score:?} class {class}: {share}");
            }
        }
    }

    #[test]
    fn few_images_make_no_promise() {
        let few = honest(8, 3);
        let sets = ClassSets::fit(&few, SetScore::Lac, 0.9, false).unwrap();
        assert_eq!((&sets.quantiles[..], sets.of(&[1.0, 0.0, 0.0])), (&[None; 3][..], vec![0, 1, 2]));
        // Of nine, the largest: ⌈10 · 0.9⌉ = 9.
        let nine = honest(9, 3);
        let sets = ClassSets::fit(&nine, SetScore::Lac, 0.9, false).unwrap();
        assert_eq!(covered(&sets, &nine, |_| true), 1.0);
        assert!(sets.quantiles[0].is_some());
        assert!(ClassSets::fit(&nine, SetScore::Lac, 90.0, false).is_err());
        assert!(sets.check(4).is_err());
    }
}
