//! Probabilities that mean what they say: fitted to the predictions of images that were not learned from.
//!
//! Everything reads ln p, so that predictions are enough: softmax(ln p / T) is softmax(logits / T).

mod isotonic;
mod temperature;
mod vector;

use crate::{Error, Predictions, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use tallow_seed::Seed;

/// How probabilities are made anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "method")]
pub enum Calibrator {
    /// softmax(ln p / T): one number, and no prediction changes. Source: Guo et al. 2017, <https://arxiv.org/abs/1706.04599>.
    Temperature { temperature: f64 },
    /// softmax(w ∘ ln p + b), two numbers per class, fitted with a Gaussian prior of unit variance around no change.
    /// Source: Guo et al. 2017, section 4.2; on ln p as Kull et al. 2019, <https://arxiv.org/abs/1910.12656>.
    Vector { weights: Vec<f64>, biases: Vec<f64> },
    /// A rising function of each class's probability, one class against the rest, then divided by their sum; no class left is
    /// no knowledge: all alike. Source: Zadrozny & Elkan 2002; as scikit-learn's `CalibratedClassifierCV`.
    Isotonic { functions: Vec<Rising> },
}

/// Linear between points, constant beyond them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rising {
    /// Ascending.
    pub from: Vec<f64>,
    /// As many, not falling.
    pub to: Vec<f64>,
}

/// The name of a way to calibrate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalibrationMethod {
    Temperature,
    Vector,
    Isotonic,
}

impl Calibrator {
    /// Fits to predictions of images that were not learned from, by the smallest log loss (isotonic: the smallest squared error).
    ///
    /// # Errors
    /// [`Error::Argument`] where there is no best one: no images, or all of them predicted right, so that ever surer is ever
    /// better; what [`Predictions::validate`] finds.
    pub fn fit(method: CalibrationMethod, predictions: &Predictions) -> Result<Calibrator> {
        predictions.validate()?;
        if predictions.is_empty() || predictions.classes.len() < 2 {
            let (images, classes) = (predictions.len(), predictions.classes.len());
            return Err(Error::Argument(format!(
                "expected images of at least two classes to calibrate by, got {images} of {classes}"
            )));
        }
        match method {
            CalibrationMethod::Temperature => {
                temperature::fit(predictions).map(|temperature| Calibrator::Temperature { temperature })
            }
            CalibrationMethod::Vector => Ok(vector::fit(predictions)),
            CalibrationMethod::Isotonic => Ok(isotonic::fit(predictions)),
        }
    }

    /// The probabilities of one image made anew; they sum to 1.
    pub fn apply(&self, row: &[f64]) -> Vec<f64> {
        match self {
            Calibrator::Temperature { temperature } => softmax(logarithms(row).map(|x| x / temperature)),
            Calibrator::Vector { weights, biases } => {
                softmax(logarithms(row).zip(weights).zip(biases).map(|((x, w), b)| w * x + b))
            }
            Calibrator::Isotonic { functions } => isotonic::apply(functions, row),
        }
    }

    /// The predictions made anew.
    pub fn predictions(&self, predictions: &Predictions) -> Predictions {
        let probabilities = predictions.rows().flat_map(|row| self.apply(row)).collect();
        Predictions { probabilities, ..predictions.clone() }
    }

    /// Checks what was read from a file: finite numbers in their ranges, as many as there are classes.
    ///
    /// # Errors
    /// [`Error::Argument`] with the number at fault.
    pub fn check(&self, classes: usize) -> Result<()> {
        let wrong = |problem: String| Err(Error::Argument(format!("calibration: {problem}")));
        let count =
            |what: &str, got: usize| wrong(format!("expected {classes} {what}, one per class, got {got}"));
        match self {
            Calibrator::Temperature { temperature } if !(temperature.is_finite() && *temperature > 0.0) => {
                wrong(format!("expected a temperature above 0, got {temperature}"))
            }
            Calibrator::Temperature { .. } => Ok(()),
            Calibrator::Vector { weights, .. } if weights.len() != classes => count("weights", weights.len()),
            Calibrator::Vector { biases, .. } if biases.len() != classes => count("biases", biases.len()),
            Calibrator::Vector { weights, biases } => {
                match weights.iter().chain(biases).find(|number| !number.is_finite()) {
                    Some(number) => wrong(format!("expected finite weights and biases, got {number}")),
                    None => Ok(()),
                }
            }
            Calibrator::Isotonic { functions } if functions.len() != classes => {
                count("functions", functions.len())
            }
            Calibrator::Isotonic { functions } => {
                match functions.iter().position(|function| !function.is_whole()) {
                    Some(class) => {
                        wrong(format!("the function of class {class} is not one that rises from 0 to 1"))
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

impl Rising {
    fn is_whole(&self) -> bool {
        let rises = |numbers: &[f64]| {
            numbers.iter().all(|number| (0.0..=1.0).contains(number)) && numbers.is_sorted()
        };
        !self.from.is_empty() && self.from.len() == self.to.len() && rises(&self.from) && rises(&self.to)
    }
}

/// Predictions that are calibrated without having been fitted to: the images are dealt into `folds` by group, and each fold is
/// calibrated by the others. What is said of them holds for new images; what is said of the images fitted to is too good.
///
/// # Errors
/// As [`Calibrator::fit`], of any of the folds; fewer groups than folds.
pub fn cross_fitted(
    method: CalibrationMethod,
    predictions: &Predictions,
    folds: u32,
    seed: Seed,
) -> Result<Predictions> {
    let folds_of = deal(predictions, folds, seed)?;
    let mut found = predictions.clone();
    let classes = predictions.classes.len();
    for fold in 0..folds {
        let mut others = Predictions::new(&predictions.classes);
        for index in (0..predictions.len()).filter(|&index| folds_of[index] != fold) {
            let (id, group) = (predictions.id(index), predictions.group(index));
            others.push(id, group, predictions.labels[index], predictions.row(index))?;
        }
        let calibrator = Calibrator::fit(method, &others)?;
        for index in (0..predictions.len()).filter(|&index| folds_of[index] == fold) {
            let row = calibrator.apply(predictions.row(index));
            found.probabilities[index * classes..][..classes].copy_from_slice(&row);
        }
    }
    Ok(found)
}

/// The fold of each image: groups in random order, dealt in turn; an image without a group is one of its own.
fn deal(predictions: &Predictions, folds: u32, seed: Seed) -> Result<Vec<u32>> {
    let mut known: HashMap<&str, usize> = HashMap::new();
    let mut groups = 0;
    let mut fresh = || {
        groups += 1;
        groups - 1
    };
    let of: Vec<usize> = (0..predictions.len())
        .map(|index| match predictions.group(index) {
            Some(group) => *known.entry(group).or_insert_with(&mut fresh),
            None => fresh(),
        })
        .collect();
    if folds < 2 || (groups as u64) < u64::from(folds) {
        return Err(Error::Argument(format!(
            "expected from 2 to {groups} folds, the number of groups, got {folds}"
        )));
    }
    let mut fold = vec![0; groups];
    for (turn, group) in seed.fold("folds", 0).rng().permutation(groups as u32).into_iter().enumerate() {
        fold[group as usize] = turn as u32 % folds;
    }
    Ok(of.into_iter().map(|group| fold[group]).collect())
}

/// ln p; where p is 0, of the smallest normal number.
fn logarithms(row: &[f64]) -> impl Iterator<Item = f64> + '_ {
    row.iter().map(|p| p.max(f64::MIN_POSITIVE).ln())
}

fn softmax(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    values.iter_mut().for_each(|value| *value = (*value - largest).exp());
    let sum: f64 = values.iter().sum();
    values.iter_mut().for_each(|value| *value /= sum);
    values
}

#[cfg(test)]
mod tests;
