//! Points of curves: ROC and precision–recall of a class against the rest, and how often a confidence is right.

use crate::probability::{BINS, bin, gap};
use crate::ranking::scored_thresholds;
use crate::{ClassSummary, Predictions, Summary, classwise_ece, ece, equal_mass_ece};

/// What images are called by a threshold: those whose probability of the class is at least that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RocPoint {
    pub threshold: f64,
    /// FP / (FP + TN), 1 − specificity.
    pub false_positive_rate: f64,
    /// TP / (TP + FN), the recall.
    pub true_positive_rate: f64,
}

/// The same, for a curve of precision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrecisionRecallPoint {
    pub threshold: f64,
    /// TP / (TP + FN).
    pub recall: f64,
    /// TP / (TP + FP).
    pub precision: f64,
}

/// The images of a bin of confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReliabilityBin {
    pub images: u64,
    /// Of which so many were predicted right.
    pub right: u64,
    /// Mean of the largest probability; NaN without images.
    pub confidence: f64,
}

/// The ROC curve of `class` against the rest: (0, 0) at an infinite threshold, then a point for each different probability, in
/// descending order, but for those in the middle of a straight stretch, as scikit-learn's `roc_curve` leaves them out. Straight lines
/// between them have [`crate::auroc_of_class`] below. Empty without positives or without negatives.
pub fn roc_curve(predictions: &Predictions, class: usize) -> Vec<RocPoint> {
    let sums = sums(predictions, class);
    let (positives, negatives) = sums.last().map_or((0, 0), |&(_, hits, misses)| (hits, misses));
    if positives == 0 || negatives == 0 {
        return Vec::new();
    }
    let point = |(threshold, hits, misses): (f64, u64, u64)| RocPoint {
        threshold,
        false_positive_rate: misses as f64 / negatives as f64,
        true_positive_rate: hits as f64 / positives as f64,
    };
    let is_corner = |at: usize| {
        let (Some(before), Some(next)) = (at.checked_sub(1).map(|before| sums[before]), sums.get(at + 1))
        else {
            return true;
        };
        let bends = |before: u64, here: u64, next: u64| next - here != here - before;
        bends(before.1, sums[at].1, next.1) || bends(before.2, sums[at].2, next.2)
    };
    let corners = (0..sums.len()).filter(|&at| is_corner(at)).map(|at| point(sums[at]));
    [point((f64::INFINITY, 0, 0))].into_iter().chain(corners).collect()
}

/// The precision–recall curve of `class` against the rest: a point for each different probability, in descending order, so that recall
/// never falls. scikit-learn's `precision_recall_curve` has them in the other order, and at its end a point (recall 0, precision 1) that
/// is of no threshold. Steps, Σ (R_k − R_{k−1}) P_k, have [`crate::average_precision_of_class`] below; straight lines would have too much.
/// Empty without positives.
pub fn precision_recall_curve(predictions: &Predictions, class: usize) -> Vec<PrecisionRecallPoint> {
    let sums = sums(predictions, class);
    let positives = sums.last().map_or(0, |&(_, hits, _)| hits);
    let point = |&(threshold, hits, misses): &(f64, u64, u64)| PrecisionRecallPoint {
        threshold,
        recall: hits as f64 / positives as f64,
        precision: hits as f64 / (hits + misses) as f64,
    };
    if positives == 0 { Vec::new() } else { sums.iter().map(point).collect() }
}

/// Of each threshold, in descending order: positives and negatives at or above it.
fn sums(predictions: &Predictions, class: usize) -> Vec<(f64, u64, u64)> {
    let (mut hits, mut misses) = (0, 0);
    let add = |(score, more, others): (f64, u32, u32)| {
        hits += u64::from(more);
        misses += u64::from(others);
        (score, hits, misses)
    };
    scored_thresholds(predictions, class).into_iter().map(add).collect()
}

/// The 15 bins of [`ece`], bin b with the images whose largest probability is in (b/15, (b + 1)/15].
pub fn reliability(predictions: &Predictions) -> Vec<ReliabilityBin> {
    let mut sums = [(0, 0, 0.0); BINS];
    for index in 0..predictions.len() {
        let (confidence, _) = gap(predictions, index);
        let (images, right, sum) = &mut sums[bin(confidence)];
        *images += 1;
        *right += u64::from(predictions.predicted(index) == predictions.labels[index]);
        *sum += confidence;
    }
    let of = |(images, right, sum): (u64, u64, f64)| ReliabilityBin {
        images,
        right,
        confidence: sum / images as f64,
    };
    sums.map(of).to_vec()
}

impl ReliabilityBin {
    /// Right / images; NaN without images.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.images as f64
    }
}

/// All that is drawn of some predictions.
#[derive(Clone, Debug)]
pub struct Curves {
    pub per_class: Vec<ClassCurves>,
    pub reliability: Vec<ReliabilityBin>,
    pub accuracy: f64,
    pub ece: f64,
    pub classwise_ece: f64,
    pub equal_mass_ece: f64,
}

/// A class against the rest, at every threshold and at the decision for the most probable class.
#[derive(Clone, Debug)]
pub struct ClassCurves {
    pub summary: ClassSummary,
    pub roc: Vec<RocPoint>,
    pub precision_recall: Vec<PrecisionRecallPoint>,
}

impl Curves {
    /// Of `predictions`, which must be valid ([`Predictions::validate`]).
    pub fn of(predictions: &Predictions) -> Curves {
        let summary = Summary::of(predictions);
        let of_class = |(class, summary)| ClassCurves {
            summary,
            roc: roc_curve(predictions, class),
            precision_recall: precision_recall_curve(predictions, class),
        };
        Curves {
            per_class: summary.per_class.into_iter().enumerate().map(of_class).collect(),
            reliability: reliability(predictions),
            accuracy: summary.accuracy,
            ece: ece(predictions),
            classwise_ece: classwise_ece(predictions),
            equal_mass_ece: equal_mass_ece(predictions),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{binary, random};

    #[test]
    fn by_hand() {
        // Descending: .8 yes; .6 no; .5 yes and no; .3 no.
        let p = binary(&[1, 1, 0, 0, 0], &[0.8, 0.5, 0.5, 0.3, 0.6]);
        let roc: Vec<_> = roc_curve(&p, 1)
            .iter()
            .map(|point| (point.threshold, 3.0 * point.false_positive_rate, 2.0 * point.true_positive_rate))
            .collect();
        let expected =
            [(f64::INFINITY, 0.0, 0.0), (0.8, 0.0, 1.0), (0.6, 1.0, 1.0), (0.5, 2.0, 2.0), (0.3, 3.0, 2.0)];
        assert_eq!(roc, expected);
        let curve = precision_recall_curve(&p, 1);
        let pr: Vec<_> = curve.iter().map(|point| (point.threshold, point.recall, point.precision)).collect();
        assert_eq!(pr, [(0.8, 0.5, 1.0), (0.6, 0.5, 0.5), (0.5, 1.0, 0.5), (0.3, 1.0, 0.4)]);
        // Confidences .8 right, .5 (of class 0, as ties are) wrong and right, .7 right, .6 wrong.
        let bins = reliability(&p);
        let of = |at: usize| (bins[at].images, bins[at].right);
        assert_eq!((of(7), of(8), of(10), of(11)), ((2, 1), (1, 0), (1, 1), (1, 1)));
        assert_eq!((bins[7].confidence, bins[7].accuracy()), (0.5, 0.5));
        assert_eq!(bins.iter().map(|bin| bin.images).sum::<u64>(), 5);
        assert!(bins[0].confidence.is_nan() && bins[0].accuracy().is_nan());
    }

    #[test]
    fn straight_stretches_have_no_points_within() {
        let p = binary(&[1, 1, 1, 0, 0, 0], &[0.9, 0.8, 0.7, 0.3, 0.2, 0.1]);
        let at: Vec<f64> = roc_curve(&p, 1).iter().map(|point| point.threshold).collect();
        assert_eq!(at, [f64::INFINITY, 0.9, 0.7, 0.1]);
    }

    /// The figures in a legend are the areas of what is drawn.
    #[test]
    fn areas_below_are_the_metrics() {
        for (classes, eighths) in [(2, false), (3, true), (7, true)] {
            let p = random(300, classes, eighths, 8);
            for class in &Curves::of(&p).per_class {
                let trapezoid = |pair: &[RocPoint]| {
                    (pair[1].false_positive_rate - pair[0].false_positive_rate)
                        * (pair[0].true_positive_rate + pair[1].true_positive_rate)
                        / 2.0
                };
                let area: f64 = class.roc.windows(2).map(trapezoid).sum();
                assert!((area - class.summary.auroc).abs() < 1e-12, "{area}");
                let mut before = 0.0;
                let step = |point: &PrecisionRecallPoint| {
                    let wide = point.recall - before;
                    before = point.recall;
                    wide * point.precision
                };
                let area: f64 = class.precision_recall.iter().map(step).sum();
                assert!((area - class.summary.average_precision).abs() < 1e-12, "{area}");
            }
        }
    }

    #[test]
    fn the_gaps_of_the_bins_are_the_calibration_error() {
        let p = random(400, 4, false, 9);
        let curves = Curves::of(&p);
        let gap = |bin: &ReliabilityBin| {
            let gap = (bin.accuracy() - bin.confidence).abs() * bin.images as f64 / 400.0;
            if bin.images == 0 { 0.0 } else { gap }
        };
        assert!((curves.reliability.iter().map(gap).sum::<f64>() - curves.ece).abs() < 1e-12);
    }

    #[test]
    fn nothing_to_draw() {
        let p = binary(&[1, 1], &[0.8, 0.5]);
        assert!(roc_curve(&p, 1).is_empty() && roc_curve(&p, 0).is_empty());
        assert!(precision_recall_curve(&p, 0).is_empty() && precision_recall_curve(&p, 1).len() == 2);
        let empty = Curves::of(&binary(&[], &[]));
        assert!(empty.per_class[0].precision_recall.is_empty() && empty.reliability.len() == BINS);
    }
}
