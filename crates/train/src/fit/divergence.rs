//! Divergence that stays finite: a loss far above that of guessing, and one class for every image. And what has learned nothing.

use super::guessing::Guessing;
use super::loss::Loss;
use crate::Result;
use crate::run::Run;
use candle_core::{DType, Device, Tensor};
use tallow_metrics::Predictions;

/// How often the loss of guessing a training loss must be to count as diverged: a network that learnt nothing but the classes'
/// frequencies is below it.
const FAR: f64 = 1.25;

/// What is looked at after each epoch.
pub struct Divergence {
    /// The training loss of a network that gives every class the same probability: ln C, where no weights or focus change it.
    even: f64,
    /// The epoch that was told of, in this part of the run or an earlier one.
    pub told: Option<u64>,
    /// The class of all images after the last epoch.
    only: Option<String>,
    /// The training loss of the last epoch, where it is above that of guessing.
    pub high: Option<f64>,
    /// Where the validation part is called no better than by guessing.
    guessing: Option<Guessing>,
}

impl Divergence {
    /// For a run's loss, weights of branches and classes; `told` and `high` are what an earlier part of it left.
    ///
    /// # Errors
    /// Those of the ops.
    pub fn of(run: &Run, told: Option<u64>, high: Option<f64>) -> Result<Divergence> {
        let train = &run.data.train;
        let labels = (0..train.len()).map(|index| train.label(index));
        let weight: f64 = run.plan().policy.running().map(|branch| branch.weight).sum();
        Ok(Divergence {
            even: weight * even(&run.loss, labels, train.classes().len())?,
            told,
            only: None,
            high,
            guessing: None,
        })
    }

    /// The warning after an epoch (from 1) that diverged; once a run.
    pub fn look(&mut self, epoch: u64, loss: f64, validation: &Predictions, advice: &str) -> Option<String> {
        self.see(validation);
        self.high = Some(loss).filter(|loss| *loss > FAR * self.even);
        let class = self.only.as_ref().filter(|_| self.high.is_some() && self.told.is_none())?;
        self.told = Some(epoch);
        Some(format!(
            "epoch {epoch} diverged: its training loss of {} is above the {:.4} of guessing, and all {} validation images are \
             called {class}; {advice}",
            super::step::shown(loss),
            self.even,
            validation.len()
        ))
    }

    /// What the validation part is called now.
    pub fn see(&mut self, validation: &Predictions) {
        self.only = only(validation);
        self.guessing = Guessing::of(validation);
    }

    /// What is left of it at the end of the run.
    pub fn at_end(&self, advice: &str) -> Option<String> {
        match (self.told, &self.only, self.high) {
            (Some(epoch), Some(class), _) => Some(format!(
                "this run diverged in epoch {epoch} and did not recover: all validation images are called {class}; {advice}"
            )),
            (_, _, Some(loss)) => Some(format!(
                "the training loss of the last epoch, {}, is above the {:.4} of guessing: this network knows less than nothing; {advice}",
                super::step::shown(loss),
                self.even
            )),
            (None, Some(class), None) => Some(format!(
                "all validation images are called {class} after the last epoch: this network tells no class from another; train longer, or \
                 {advice}"
            )),
            _ => self.guessing.as_ref().map(|guessing| format!("{guessing}; {advice}")),
        }
    }
}

/// The loss where every class has the same probability, for targets in the classes' frequencies.
fn even(loss: &Loss, labels: impl Iterator<Item = u32>, classes: usize) -> Result<f64> {
    let mut frequencies = vec![0.0; classes];
    labels.for_each(|label| frequencies[label as usize] += 1.0);
    let count: f64 = frequencies.iter().sum();
    frequencies.iter_mut().for_each(|n| *n /= count);
    let logits = Tensor::zeros((1, classes), DType::F64, &Device::Cpu)?;
    Ok(loss.of(&logits, &frequencies)?.to_scalar()?)
}

/// The class that all images are called, where there are images of several.
fn only(validation: &Predictions) -> Option<String> {
    let first = validation.predicted(0);
    let is_alone = (1..validation.len()).all(|index| validation.predicted(index) == first);
    let several = validation.labels.iter().any(|label| *label != validation.labels[0]);
    (is_alone && several).then(|| validation.classes[first as usize].clone())
}

#[cfg(test)]
mod tests {
    use super::super::LossKind;
    use super::*;

    fn predictions(rows: &[(u32, [f64; 2])]) -> Predictions {
        let mut all = Predictions::new(&["a".to_owned(), "b".to_owned()]);
        for (index, (label, row)) in rows.iter().enumerate() {
            all.push(&index.to_string(), None, *label, row).unwrap();
        }
        all
    }

    #[test]
    fn the_loss_of_guessing() {
        let of = |kind, smoothing, class_weights| {
            let loss = Loss { kind, smoothing, class_weights };
            even(&loss, [0, 0, 0, 1].into_iter(), 4).unwrap()
        };
        let ln4 = 4f64.ln();
        assert!((of(LossKind::CrossEntropy, 0.1, None) - ln4).abs() < 1e-12);
        // (1 − 1/4)² ln 4
        assert!((of(LossKind::Focal { gamma: 2.0 }, 0.0, None) - 0.5625 * ln4).abs() < 1e-12);
        // 3/4 · 1 + 1/4 · 5
        let weighted = of(LossKind::CrossEntropy, 0.0, Some(vec![1.0, 5.0, 9.0, 9.0]));
        assert!((weighted - 2.0 * ln4).abs() < 1e-12);
    }

    #[test]
    fn it_is_told_once_and_at_the_end() {
        let collapsed = predictions(&[(0, [0.9, 0.1]), (1, [0.9, 0.1])]);
        let apart = predictions(&[(0, [0.9, 0.1]), (1, [0.1, 0.9])]);
        let new = || Divergence { even: 0.7, told: None, only: None, high: None, guessing: None };
        let mut one = new();
        // Neither alone is a divergence: a high loss, one class. Both are told at the end.
        assert_eq!(one.look(1, 9.0, &apart, "x"), None);
        assert!(one.at_end("x").unwrap().contains("9.0000, is above the 0.7000 of guessing"));
        assert_eq!(one.look(2, 0.8, &collapsed, "x"), None);
        assert!(one.at_end("x").unwrap().contains("all validation images are called a after the last epoch"));
        assert_eq!(one.look(2, 0.8, &apart, "x"), None);
        assert_eq!(one.at_end("x"), None);
        let said = one.look(3, 9.0, &collapsed, "lower it").unwrap();
        assert_eq!(
            said,
            "epoch 3 diverged: its training loss of 9.0000 is above the 0.7000 of guessing, and all 2 validation images are \
             called a; lower it"
        );
        assert_eq!(one.look(4, 9.0, &collapsed, "x"), None);
        assert!(one.at_end("lower it").unwrap().contains("diverged in epoch 3 and did not recover"));
        one.look(5, 0.5, &apart, "x");
        assert_eq!(one.at_end("x"), None);
        // Where all images are of one class it is right to call them so.
        assert_eq!(new().look(1, 9.0, &predictions(&[(0, [0.9, 0.1]), (0, [0.9, 0.1])]), "x"), None);
    }
}
