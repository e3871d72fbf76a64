//! Counts of (truth, prediction), and the numbers read from them.

use crate::Predictions;

/// How the classes' numbers become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// From the sums of the counts over all classes; for single-label images this is the accuracy.
    Micro,
    /// Mean over all classes of the list, absent ones included with 0.
    Macro,
    /// Mean over the classes, weighted by support.
    Weighted,
}

/// Counts (classes, classes): row = truth, column = prediction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u64>,
}

impl Confusion {
    /// All counts 0.
    pub fn new(classes: usize) -> Confusion {
        Confusion { classes, counts: vec![0; classes * classes] }
    }

    /// The counts of the predictions, each image by the argmax of its probabilities.
    pub fn of(predictions: &Predictions) -> Confusion {
        let mut confusion = Confusion::new(predictions.classes.len());
        for (index, &truth) in predictions.labels.iter().enumerate() {
            confusion.add(truth, predictions.predicted(index));
        }
        confusion
    }

    /// The counts, row-major.
    pub(crate) fn from_counts(classes: usize, counts: Vec<u64>) -> Confusion {
        assert_eq!(counts.len(), classes * classes, "confusion of {classes} classes");
        Confusion { classes, counts }
    }

    /// Counts one image. Panics if truth or prediction is not below the number of classes.
    pub fn add(&mut self, truth: u32, predicted: u32) {
        let (truth, predicted) = (truth as usize, predicted as usize);
        assert!(
            truth < self.classes && predicted < self.classes,
            "confusion: ({truth}, {predicted}) of {}",
            self.classes
        );
        self.counts[truth * self.classes + predicted] += 1;
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth * self.classes + predicted]
    }

    /// The counts as rows: what `confusion` is in JSON.
    pub fn rows(&self) -> Vec<Vec<u64>> {
        self.counts.chunks(self.classes.max(1)).map(<[u64]>::to_vec).collect()
    }

    /// Number of images.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// TP + FN: images whose truth is `class`.
    pub fn support(&self, class: usize) -> u64 {
        (0..self.classes).map(|other| self.count(class, other)).sum()
    }

    /// TP + FP: images predicted as `class`.
    pub fn predicted(&self, class: usize) -> u64 {
        (0..self.classes).map(|other| self.count(other, class)).sum()
    }

    /// Images predicted right.
    pub fn correct(&self) -> u64 {
        (0..self.classes).map(|class| self.count(class, class)).sum()
    }

    /// TP / (TP + FP); 0 if the class was never predicted.
    pub fn precision(&self, class: usize) -> f64 {
        ratio(self.count(class, class), self.predicted(class))
    }

    /// TP / (TP + FN), the sensitivity; 0 if the class is absent.
    pub fn recall(&self, class: usize) -> f64 {
        ratio(self.count(class, class), self.support(class))
    }

    /// TN / (TN + FP); 0 if every image is of the class.
    pub fn specificity(&self, class: usize) -> f64 {
        let negatives = self.total() - self.support(class);
        let false_positives = self.predicted(class) - self.count(class, class);
        ratio(negatives - false_positives, negatives)
    }

    /// 2 TP / (2 TP + FP + FN); 0 if the class is absent and was never predicted.
    pub fn f1(&self, class: usize) -> f64 {
        ratio(2 * self.count(class, class), self.support(class) + self.predicted(class))
    }

    /// (1 + β²) TP / ((1 + β²) TP + β² FN + FP); 0 if the class is absent and was never predicted.
    pub fn f_beta(&self, class: usize, beta: f64) -> f64 {
        let square = beta * beta;
        let hits = (1.0 + square) * self.count(class, class) as f64;
        let all = square * self.support(class) as f64 + self.predicted(class) as f64;
        if all == 0.0 { 0.0 } else { hits / all }
    }

    /// TN / (TN + FN), the negative predictive value; 0 if every image was predicted as the class.
    pub fn negative_predictive_value(&self, class: usize) -> f64 {
        let called_negative = self.total() - self.predicted(class);
        let false_negatives = self.support(class) - self.count(class, class);
        ratio(called_negative - false_negatives, called_negative)
    }

    /// Correct / images. NaN without images.
    pub fn accuracy(&self) -> f64 {
        self.correct() as f64 / self.total() as f64
    }

    /// [`Confusion::precision`] of all classes. NaN without images.
    pub fn mean_precision(&self, average: Average) -> f64 {
        self.mean(average, |class| self.precision(class))
    }

    /// [`Confusion::recall`] of all classes. NaN without images.
    pub fn mean_recall(&self, average: Average) -> f64 {
        self.mean(average, |class| self.recall(class))
    }

    /// [`Confusion::f1`] of all classes. NaN without images.
    pub fn mean_f1(&self, average: Average) -> f64 {
        self.mean(average, |class| self.f1(class))
    }

    /// [`Confusion::f_beta`] of all classes. NaN without images. Macro and weighted; micro is the accuracy.
    pub fn mean_f_beta(&self, average: Average, beta: f64) -> f64 {
        self.mean(average, |class| self.f_beta(class, beta))
    }

    /// Mean of [`Confusion::negative_predictive_value`] over all classes. NaN without images.
    pub fn macro_negative_predictive_value(&self) -> f64 {
        self.mean(Average::Macro, |class| self.negative_predictive_value(class))
    }

    /// Mean of [`Confusion::specificity`] over all classes. NaN without images.
    pub fn macro_specificity(&self) -> f64 {
        self.mean(Average::Macro, |class| self.specificity(class))
    }

    /// Mean recall over the classes that are present: unlike macro recall, absent classes do not count.
    /// NaN without images.
    pub fn balanced_accuracy(&self) -> f64 {
        let present = (0..self.classes).filter(|&class| self.support(class) > 0);
        let (sum, count) =
            present.fold((0.0, 0.0), |(sum, count), class| (sum + self.recall(class), count + 1.0));
        sum / count
    }

    /// Matthews' correlation for many classes (Gorodkin's R_K):
    /// (c n − Σ t_k p_k) / √((n² − Σ p_k²)(n² − Σ t_k²)), c correct, n images, t_k support, p_k predicted.
    /// 0 if all truths or all predictions are of one class; NaN without images.
    pub fn mcc(&self) -> f64 {
        let (n, agreement, truths, predictions) = self.moments();
        if n == 0 {
            return f64::NAN;
        }
        let covariance = self.correct() as f64 * n as f64 - agreement as f64;
        let (n, truths, predictions) = (u128::from(n), truths, predictions);
        let (varied_truth, varied_prediction) = ((n * n - truths) as f64, (n * n - predictions) as f64);
        if varied_truth == 0.0 || varied_prediction == 0.0 {
            return 0.0;
        }
        covariance / (varied_truth.sqrt() * varied_prediction.sqrt())
    }

    /// Cohen's kappa, 1 − (1 − c / n) / (1 − Σ t_k p_k / n²).
    /// NaN if all truths and all predictions are of one and the same class, and without images.
    pub fn kappa(&self) -> f64 {
        let (n, agreement, ..) = self.moments();
        let by_chance = u128::from(n) * u128::from(n) - agreement;
        let observed = u128::from(n) * u128::from(n - self.correct());
        if by_chance == 0 { f64::NAN } else { 1.0 - observed as f64 / by_chance as f64 }
    }

    /// Cohen's kappa with quadratic weights, 1 − Σ (i − j)² n_ij / Σ (i − j)² t_i p_j / n: for classes that have an order, such as
    /// grades. NaN if all truths and all predictions are of one and the same class, and without images.
    pub fn quadratic_kappa(&self) -> f64 {
        let (mut observed, mut by_chance) = (0u128, 0u128);
        let sums =
            |of: fn(&Confusion, usize) -> u64| (0..self.classes).map(|class| of(self, class)).collect();
        let (truths, predictions): (Vec<u64>, Vec<u64>) =
            (sums(Confusion::support), sums(Confusion::predicted));
        for (i, &truth) in truths.iter().enumerate() {
            for (j, &predicted) in predictions.iter().enumerate() {
                let weight = (i.abs_diff(j) as u128).pow(2);
                observed += weight * u128::from(self.count(i, j));
                by_chance += weight * u128::from(truth) * u128::from(predicted);
            }
        }
        let observed = observed * u128::from(self.total());
        if by_chance == 0 { f64::NAN } else { 1.0 - observed as f64 / by_chance as f64 }
    }

    /// n, Σ t_k p_k, Σ t_k², Σ p_k²: whole numbers, so that nothing cancels.
    fn moments(&self) -> (u64, u128, u128, u128) {
        let mut sums = (0, 0, 0);
        for class in 0..self.classes {
            let (truth, predicted) = (u128::from(self.support(class)), u128::from(self.predicted(class)));
            sums.0 += truth * predicted;
            sums.1 += truth * truth;
            sums.2 += predicted * predicted;
        }
        (self.total(), sums.0, sums.1, sums.2)
    }

    fn mean(&self, average: Average, of: impl Fn(usize) -> f64) -> f64 {
        let total = self.total() as f64;
        if total == 0.0 {
            return f64::NAN;
        }
        let classes = 0..self.classes;
        match average {
            // With the whole list of classes Σ FP = Σ FN, and precision, recall and F1 are all c / n. Specificity is
            // only averaged over classes.
            Average::Micro => self.accuracy(),
            Average::Macro => classes.map(of).sum::<f64>() / self.classes as f64,
            Average::Weighted => {
                classes.map(|class| self.support(class) as f64 * of(class)).sum::<f64>() / total
            }
        }
    }
}

/// `zero_division` is 0.
fn ratio(numerator: u64, denominator: u64) -> f64 {
    if denominator == 0 { 0.0 } else { numerator as f64 / denominator as f64 }
}

#[cfg(test)]
mod tests {
    use super::{Average, Confusion};

    fn confusion(rows: &[&[u64]]) -> Confusion {
        let mut confusion = Confusion::new(rows.len());
        for (truth, row) in rows.iter().enumerate() {
            for (predicted, &count) in row.iter().enumerate() {
                (0..count).for_each(|_| confusion.add(truth as u32, predicted as u32));
            }
        }
        confusion
    }

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-15, "got {got}, expected {expected}");
    }

    #[test]
    fn by_hand() {
        let c = confusion(&[&[2, 1, 0], &[0, 3, 1], &[1, 0, 2]]); // 10 images, 7 right
        assert_eq!((c.total(), c.correct(), c.classes()), (10, 7, 3));
        assert_eq!(c.rows(), [[2, 1, 0], [0, 3, 1], [1, 0, 2]]);
        close(c.precision(0), 2.0 / 3.0);
        close(c.recall(1), 3.0 / 4.0);
        close(c.f1(1), 6.0 / 8.0); // 2·3 / (4 + 4)
        close(c.specificity(0), 6.0 / 7.0); // 7 negatives, one called positive
        close(c.accuracy(), 0.7);
        close(c.mean_f1(Average::Macro), (2.0 / 3.0 + 0.75 + 2.0 / 3.0) / 3.0);
        close(c.mean_f1(Average::Weighted), (3.0 * 2.0 / 3.0 + 4.0 * 0.75 + 3.0 * 2.0 / 3.0) / 10.0);
        close(c.mean_f1(Average::Micro), 0.7);
        // Σ t p = 3·3 + 4·4 + 3·3 = 34 = Σ t² = Σ p²; (7·10 − 34) / (100 − 34).
        close(c.mcc(), 36.0 / 66.0);
        close(c.kappa(), 1.0 - 30.0 / 66.0);
        close(c.f_beta(0, 2.0), 10.0 / (4.0 * 3.0 + 3.0)); // 5 · 2 / (4 · 3 + 3)
        close(c.f_beta(1, 1.0), c.f1(1));
        close(c.negative_predictive_value(1), 5.0 / 6.0); // 6 called negative, one of class 1
        // Weights 1 beside the diagonal, 4 in the corners: 1 + 1 + 4 observed; by chance four times 3 · 4, twice 4 · 3 · 3.
        let by_chance = (3.0 * 4.0 * 4.0 + 2.0 * 4.0 * 3.0 * 3.0) / 10.0;
        close(c.quadratic_kappa(), 1.0 - 6.0 / by_chance);
    }

    #[test]
    fn degenerate_counts() {
        let absent = confusion(&[&[1, 0, 1], &[0, 2, 0], &[0, 0, 0]]); // nothing is of class 2
        close(absent.balanced_accuracy(), (0.5 + 1.0) / 2.0);
        close(absent.mean_recall(Average::Macro), (0.5 + 1.0 + 0.0) / 3.0);
        let one = confusion(&[&[3, 0], &[0, 0]]);
        assert!(one.kappa().is_nan() && one.quadratic_kappa().is_nan());
        assert_eq!((one.negative_predictive_value(0), one.f_beta(1, 2.0)), (0.0, 0.0));
        assert_eq!((one.mcc(), one.specificity(0), one.f1(1), one.accuracy()), (0.0, 0.0, 0.0, 1.0));
        let none = confusion(&[&[0, 0], &[0, 0]]);
        let numbers = [
            none.accuracy(),
            none.mean_f1(Average::Macro),
            none.balanced_accuracy(),
            none.mcc(),
            none.kappa(),
        ];
        assert!(numbers.iter().all(|x| x.is_nan()), "{numbers:?}");
    }
}
