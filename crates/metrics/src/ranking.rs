//! Metrics of the order of the probabilities: AUROC, average precision, top-k accuracy.

use crate::{Confusion, Predictions};

/// Area under the ROC curve of `class` against the rest, ties counting a half:
/// (Σ over positives of (negatives scored lower + ½ negatives scored the same)) / (positives · negatives).
/// NaN without positives or without negatives. O(n log n).
pub fn auroc_of_class(predictions: &Predictions, class: usize) -> f64 {
    Area::Roc.of_class(predictions, class)
}

/// Mean of [`auroc_of_class`] over the classes where it is defined; of two classes, that of class 1. NaN if nowhere.
pub fn auroc(predictions: &Predictions) -> f64 {
    Area::Roc.mean(predictions, false)
}

/// Mean of [`auroc_of_class`], weighted by support, over the classes where it is defined; of two classes, that of class 1.
pub fn auroc_weighted(predictions: &Predictions) -> f64 {
    Area::Roc.mean(predictions, true)
}

/// Average precision of `class` against the rest, Σ (R_k − R_{k−1}) P_k over descending thresholds (no
/// interpolation). 0 if the class is absent; NaN without images.
pub fn average_precision_of_class(predictions: &Predictions, class: usize) -> f64 {
    Area::Precision.of_class(predictions, class)
}

/// Mean of [`average_precision_of_class`] over all classes, absent ones with 0; of two classes, that of class 1.
pub fn average_precision(predictions: &Predictions) -> f64 {
    Area::Precision.mean(predictions, false)
}

/// Mean of [`average_precision_of_class`], weighted by support; of two classes, that of class 1.
pub fn average_precision_weighted(predictions: &Predictions) -> f64 {
    Area::Precision.mean(predictions, true)
}

/// An area under a curve of a class against the rest, which the order of the scores gives.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Area {
    Roc,
    Precision,
    /// Of the ROC curve up to a false positive rate, standardised.
    Partial(f64),
    /// No area: the height of the ROC curve where the specificity is still as large.
    SensitivityAt(f64),
}

impl Area {
    /// The area from (positives, negatives) of each different score, in descending order, and their sums.
    #[inline]
    pub(crate) fn of(
        self,
        thresholds: impl Iterator<Item = (u32, u32)>,
        positives: u64,
        negatives: u64,
    ) -> f64 {
        match self {
            Area::Roc => roc(thresholds, positives, negatives),
            Area::Precision => precision(thresholds, positives, negatives),
            Area::Partial(end) => partial(thresholds, positives, negatives, end),
            Area::SensitivityAt(least) => sensitivity_at(thresholds, positives, negatives, least),
        }
    }

    pub(crate) fn of_class(self, predictions: &Predictions, class: usize) -> f64 {
        let (positives, negatives) = sides(predictions, class);
        self.of(thresholds(&ascending(predictions, class)), positives, negatives)
    }

    pub(crate) fn mean(self, predictions: &Predictions, weighted: bool) -> f64 {
        mean(predictions.classes.len(), weighted, |class| {
            (self.of_class(predictions, class), sides(predictions, class).0)
        })
    }
}

/// The areas of one class, its scores being sorted once.
pub(crate) struct ClassAreas {
    pub roc: f64,
    pub precision: f64,
    /// Images of the class.
    pub positives: u64,
}

impl ClassAreas {
    pub(crate) fn of(predictions: &Predictions, class: usize) -> ClassAreas {
        let scores = ascending(predictions, class);
        let (positives, negatives) = sides(predictions, class);
        let of = |area: Area| area.of(thresholds(&scores), positives, negatives);
        ClassAreas { roc: of(Area::Roc), precision: of(Area::Precision), positives }
    }
}

fn roc(thresholds: impl Iterator<Item = (u32, u32)>, positives: u64, negatives: u64) -> f64 {
    if positives == 0 || negatives == 0 {
        return f64::NAN;
    }
    // Whole numbers: twice the trapezoids between neighbouring thresholds. At most 2 n²: 64 bits hold it to n = 2³¹.
    let (mut twice_area, mut above) = (0, 0);
    for (hits, misses) in thresholds {
        let (hits, misses) = (u64::from(hits), u64::from(misses));
        twice_area += misses * (2 * above + hits);
        above += hits;
    }
    twice_area as f64 / (2 * positives * negatives) as f64
}

fn precision(thresholds: impl Iterator<Item = (u32, u32)>, positives: u64, negatives: u64) -> f64 {
    if positives == 0 {
        return if negatives == 0 { f64::NAN } else { 0.0 };
    }
    let (mut sum, mut hits_above, mut above) = (0.0, 0, 0);
    for (hits, misses) in thresholds {
        hits_above += hits;
        above += hits + misses;
        if hits > 0 {
            sum += f64::from(hits) * (f64::from(hits_above) / f64::from(above));
        }
    }
    sum / positives as f64
}

/// McClish's standard form of the area up to a false positive rate of `end`: ½ (1 + (area − ½ end²) / (end − ½ end²)), 1 of a
/// perfect order, ½ of none. NaN where [`roc`] is.
fn partial(thresholds: impl Iterator<Item = (u32, u32)>, positives: u64, negatives: u64, end: f64) -> f64 {
    if positives == 0 || negatives == 0 {
        return f64::NAN;
    }
    let last = end * negatives as f64;
    let (mut twice_area, mut above, mut passed) = (0.0, 0.0, 0.0);
    for (hits, misses) in thresholds {
        let (hits, misses) = (f64::from(hits), f64::from(misses));
        if passed + misses > last {
            // Straight to the next threshold, as far as the end.
            let wide = last - passed;
            twice_area += wide * (2.0 * above + hits * wide / misses);
            break;
        }
        twice_area += misses * (2.0 * above + hits);
        above += hits;
        passed += misses;
    }
    let area = twice_area / 2.0 / (positives as f64 * negatives as f64);
    let by_chance = end * end / 2.0;
    0.5 * (1.0 + (area - by_chance) / (end - by_chance))
}

/// The largest sensitivity of a threshold whose specificity is at least `least`. NaN where [`roc`] is.
fn sensitivity_at(
    thresholds: impl Iterator<Item = (u32, u32)>,
    positives: u64,
    negatives: u64,
    least: f64,
) -> f64 {
    if positives == 0 || negatives == 0 {
        return f64::NAN;
    }
    // A share such as 0.9 of 30 is 27, though 0.9 · 30 may be a little more.
    let spared = (least * negatives as f64 - 1e-9).ceil() as u64;
    let (mut called, mut hits) = (0, 0);
    for (more, misses) in thresholds {
        called += u64::from(misses);
        if called + spared > negatives {
            break;
        }
        hits += u64::from(more);
    }
    hits as f64 / positives as f64
}

/// Share of the images whose label is among the `k` most probable classes; 1 if `k` is at least the number of classes.
///
/// As scikit-learn, equal probabilities rank the higher class first, so that on ties k = 1 is not the accuracy; with
/// two classes it is. NaN without images.
pub fn top_k_accuracy(predictions: &Predictions, k: usize) -> f64 {
    if predictions.classes.len() <= 2 && k == 1 {
        return Confusion::of(predictions).accuracy();
    }
    let hits = predictions.rows().zip(&predictions.labels);
    let hits = hits.filter(|(row, label)| among_top(row, **label as usize, k));
    hits.count() as f64 / predictions.len() as f64
}

/// Whether `label` is among the `k` most probable classes.
pub(crate) fn among_top(row: &[f64], label: usize, k: usize) -> bool {
    let before = |(class, &p): (usize, &f64)| p > row[label] || (p == row[label] && class > label);
    row.iter().enumerate().filter(|&entry| before(entry)).count() < k
}

/// Images of `class` and images of the rest.
fn sides(predictions: &Predictions, class: usize) -> (u64, u64) {
    let positives = predictions.labels.iter().filter(|&&label| label as usize == class).count();
    (positives as u64, (predictions.len() - positives) as u64)
}

/// The probabilities of `class` in ascending order, each as its bits, and below them whether the image is of the class: the bits of
/// numbers from 0 to 1 are in the order of the numbers, and nothing is sorted as fast as whole numbers.
fn ascending(predictions: &Predictions, class: usize) -> Vec<u64> {
    let images = predictions.rows().zip(&predictions.labels);
    // The sign is shifted out: −0 is 0.
    let key = |(row, &label): (&[f64], &u32)| row[class].to_bits() << 1 | u64::from(label as usize == class);
    let mut keys: Vec<u64> = images.map(key).collect();
    keys.sort_unstable();
    keys
}

/// For each different score, in descending order: its key, how many of its images are of the class, how many are not.
fn scored(ascending: &[u64]) -> impl Iterator<Item = (u64, u32, u32)> {
    ascending.chunk_by(|a, b| a >> 1 == b >> 1).rev().map(|tied| {
        let hits = tied.iter().map(|key| key & 1).sum::<u64>() as u32;
        (tied[0], hits, tied.len() as u32 - hits)
    })
}

fn thresholds(ascending: &[u64]) -> impl Iterator<Item = (u32, u32)> {
    scored(ascending).map(|(_, hits, misses)| (hits, misses))
}

/// For each different score of `class`, in descending order: the score, how many of its images are of the class, how many are not.
pub(crate) fn scored_thresholds(predictions: &Predictions, class: usize) -> Vec<(f64, u32, u32)> {
    let score = |(key, hits, misses): (u64, u32, u32)| (f64::from_bits(key >> 1), hits, misses);
    scored(&ascending(predictions, class)).map(score).collect()
}

/// Mean over the classes where the value of `of` (value, support) is a number, by support if `weighted`; of two classes, that of
/// class 1. NaN if nowhere.
pub(crate) fn mean(classes: usize, weighted: bool, of: impl Fn(usize) -> (f64, u64)) -> f64 {
    if classes == 2 {
        return of(1).0;
    }
    let (mut sum, mut weights) = (0.0, 0.0);
    for class in 0..classes {
        let (value, support) = of(class);
        if !value.is_nan() {
            let weight = if weighted { support as f64 } else { 1.0 };
            sum += weight * value;
            weights += weight;
        }
    }
    sum / weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::binary;

    #[test]
    fn auroc_by_counting_pairs() {
        // Positives .8 .5, negatives .5 .3 .6: of 6 pairs .8 wins 3; .5 wins 1, ties 1.
        let p = binary(&[1, 1, 0, 0, 0], &[0.8, 0.5, 0.5, 0.3, 0.6]);
        assert_eq!(auroc(&p), 4.5 / 6.0);
        // A score and its complement rank images in opposite orders.
        assert_eq!(auroc_of_class(&p, 0), 4.5 / 6.0);
    }

    #[test]
    fn average_precision_by_hand() {
        // Descending: .8 (yes): P = 1; .6 (no); .5 (yes, no): P = 2/4 at R = 1.
        let p = binary(&[1, 1, 0, 0, 0], &[0.8, 0.5, 0.5, 0.3, 0.6]);
        assert_eq!(average_precision(&p), 0.5 * 1.0 + 0.5 * 0.5);
    }

    #[test]
    fn partial_area_by_hand() {
        // Of ten negatives one is above both positives, two are between them: from a rate of 0.1 to 0.3 the curve is at 0.5.
        let scores = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.85, 0.65];
        let labels: Vec<u32> = (0..12).map(|at| u32::from(at >= 10)).collect();
        let p = binary(&labels, &scores);
        let standard = |area: f64, end: f64| 0.5 * (1.0 + (area - end * end / 2.0) / (end - end * end / 2.0));
        let got = |end| Area::Partial(end).of_class(&p, 1);
        assert!((got(0.1) - standard(0.0, 0.1)).abs() < 1e-15);
        assert!((got(0.15) - standard(0.05 * 0.5, 0.15)).abs() < 1e-15);
        assert!((got(1.0) - auroc(&p)).abs() < 1e-15);
        // A tie: half of the way to (0.1, 0.5).
        let p = binary(&labels, &[0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.9, 0.65]);
        assert!((Area::Partial(0.05).of_class(&p, 1) - standard(0.05 * 0.125, 0.05)).abs() < 1e-15);
    }

    #[test]
    fn sensitivity_by_hand() {
        // Descending: yes, no, yes, yes and no, no, no … : of ten negatives one may be called, then two.
        let scores = [0.9, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1, 0.1, 0.05, 1.0, 0.8, 0.7];
        let labels: Vec<u32> = (0..13).map(|at| u32::from(at >= 10)).collect();
        let p = binary(&labels, &scores);
        let at = |least| Area::SensitivityAt(least).of_class(&p, 1);
        assert_eq!([1.0, 0.9, 0.85, 0.8, 0.0].map(at), [1.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0, 1.0, 1.0]);
    }

    #[test]
    fn one_class_has_no_auroc() {
        let p = binary(&[1, 1], &[0.8, 0.5]);
        assert!(auroc(&p).is_nan() && auroc_weighted(&p).is_nan());
        assert_eq!((average_precision(&p), average_precision_of_class(&p, 0)), (1.0, 0.0));
        let empty = binary(&[], &[]);
        assert!(
            auroc(&empty).is_nan()
                && average_precision(&empty).is_nan()
                && top_k_accuracy(&empty, 2).is_nan()
        );
    }

    #[test]
    fn top_k_ranks_the_higher_class_first_on_ties() {
        let mut p = Predictions::new(&["a", "b", "c"].map(str::to_owned));
        p.push("i", None, 0, &[0.4, 0.4, 0.2]).unwrap();
        assert_eq!([1, 2, 3].map(|k| top_k_accuracy(&p, k)), [0.0, 1.0, 1.0]);
    }
}
