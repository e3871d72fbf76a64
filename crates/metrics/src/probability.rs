//! Metrics of the probabilities themselves: proper scoring rules and calibration.

use crate::Predictions;

/// −mean ln p_label, with p clipped to [ε, 1 − ε], ε = 2⁻⁵² as scikit-learn's for doubles. In nats; lower is better.
/// NaN without images.
pub fn log_loss(predictions: &Predictions) -> f64 {
    mean(predictions, surprise)
}

/// mean Σ_c (p_c − y_c)², halved for fewer than three classes (then it is Brier's (p_1 − y_1)²). Lower is better.
/// NaN without images.
pub fn brier(predictions: &Predictions) -> f64 {
    mean(predictions, square)
}

/// One image's part of [`log_loss`].
pub(crate) fn surprise(row: &[f64], label: usize) -> f64 {
    -row[label].clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
}

/// One image's part of [`brier`].
pub(crate) fn square(row: &[f64], label: usize) -> f64 {
    let scale = if row.len() < 3 { 0.5 } else { 1.0 };
    let of = |(class, p): (usize, &f64)| (p - f64::from(u8::from(class == label))).powi(2);
    scale * row.iter().enumerate().map(of).sum::<f64>()
}

/// Bins of [`ece`], as Guo et al.
pub(crate) const BINS: usize = 15;

/// Expected calibration error, Σ_b (n_b / n) |accuracy_b − confidence_b|: an image's confidence is its largest probability,
/// bin b of 15 holds the images with confidence in (b/15, (b + 1)/15], accuracy_b is the share of them predicted right,
/// confidence_b their mean confidence. From 0 to 1; lower is better; NaN without images. A few images in a bin make it too large:
/// it falls with n at equal calibration. Source: Guo et al. 2017, <https://arxiv.org/abs/1706.04599>, equation 3.
pub fn ece(predictions: &Predictions) -> f64 {
    // Σ (right − confidence) of each bin: its size times accuracy − confidence.
    let mut gaps = [0.0; BINS];
    for index in 0..predictions.len() {
        let (confidence, gap) = gap(predictions, index);
        gaps[bin(confidence)] += gap;
    }
    gaps.iter().map(|gap| gap.abs()).sum::<f64>() / predictions.len() as f64
}

/// Mean over classes of the calibration error of each class's probability: Σ_b (n_b / n) |share of the class in b − mean
/// probability of the class in b| over 15 bins of equal width. NaN without images. Source: Kull et al. 2019,
/// <https://arxiv.org/abs/1910.12656>; Nixon et al. 2019, <https://arxiv.org/abs/1904.01685> (static calibration error).
pub fn classwise_ece(predictions: &Predictions) -> f64 {
    let classes = predictions.classes.len();
    let of = |class| {
        let mut gaps = [0.0; BINS];
        for index in 0..predictions.len() {
            let (p, gap) = class_gap(predictions, index, class);
            gaps[bin(p)] += gap;
        }
        gaps.iter().map(|gap| gap.abs()).sum::<f64>() / predictions.len() as f64
    };
    (0..classes).map(of).sum::<f64>() / classes as f64
}

/// [`ece`] in 15 bins of equal mass: the images by confidence, bin b holding those whose place, the middle one of images of the same
/// confidence, is in [b n/15, (b + 1) n/15). NaN without images. Source: Nguyen & O'Connor 2015,
/// <https://arxiv.org/abs/1508.05154> (adaptive binning); ties are never parted.
pub fn equal_mass_ece(predictions: &Predictions) -> f64 {
    let mut images: Vec<(f64, f64)> = (0..predictions.len()).map(|index| gap(predictions, index)).collect();
    images.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut masses = EqualMasses::of(images.len() as u64);
    for tied in images.chunk_by(|a, b| a.0 == b.0) {
        masses.add(tied.len() as u64, tied.iter().map(|image| image.1).sum());
    }
    masses.error()
}

/// The calibration error in bins of equal mass, from the images of each confidence in ascending order.
pub(crate) struct EqualMasses {
    gaps: [f64; BINS],
    below: u64,
    images: u64,
}

impl EqualMasses {
    /// Of so many images in all.
    pub(crate) fn of(images: u64) -> EqualMasses {
        EqualMasses { gaps: [0.0; BINS], below: 0, images }
    }

    /// Adds `count` images of one confidence and their Σ right − confidence.
    pub(crate) fn add(&mut self, count: u64, gap: f64) {
        if count > 0 {
            self.gaps[(BINS as u64 * (2 * self.below + count) / (2 * self.images)) as usize] += gap;
            self.below += count;
        }
    }

    /// NaN without images.
    pub(crate) fn error(&self) -> f64 {
        self.gaps.iter().map(|gap| gap.abs()).sum::<f64>() / self.images as f64
    }
}

/// The probability of a class for image `index`, and how much less that is than the truth.
pub(crate) fn class_gap(predictions: &Predictions, index: usize, class: usize) -> (f64, f64) {
    let p = predictions.row(index)[class];
    (p, f64::from(u8::from(predictions.labels[index] as usize == class)) - p)
}

/// The largest probability of image `index`, and how much less that is than being right: right − confidence.
pub(crate) fn gap(predictions: &Predictions, index: usize) -> (f64, f64) {
    let predicted = predictions.predicted(index);
    let confidence = predictions.row(index)[predicted as usize];
    (confidence, f64::from(u8::from(predicted == predictions.labels[index])) - confidence)
}

/// The bin of equal width that holds a probability: (b/15, (b + 1)/15], the first with 0.
pub(crate) fn bin(p: f64) -> usize {
    (1..BINS).take_while(|&edge| p > edge as f64 / BINS as f64).count()
}

/// Mean over images of a number of row and label. NaN without images.
pub(crate) fn mean(predictions: &Predictions, of: fn(&[f64], usize) -> f64) -> f64 {
    let sum: f64 =
        predictions.rows().zip(&predictions.labels).map(|(row, &label)| of(row, label as usize)).sum();
    sum / predictions.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let mut p = Predictions::new(&["a", "b", "c"].map(str::to_owned));
        p.push("1", None, 0, &[0.5, 0.25, 0.25]).unwrap();
        p.push("2", None, 2, &[0.0, 0.75, 0.25]).unwrap();
        assert_eq!(log_loss(&p), (2f64.ln() + 4f64.ln()) / 2.0);
        assert_eq!(brier(&p), (0.25 + 2.0 * 0.0625 + 2.0 * 0.5625) / 2.0);
        p.push("3", None, 0, &[0.0, 1.0, 0.0]).unwrap();
        assert!((log_loss(&p) - (8f64.ln() + 52.0 * 2f64.ln()) / 3.0).abs() < 1e-14); // −ln ε = 52 ln 2
        let mut binary = Predictions::new(&["a", "b"].map(str::to_owned));
        binary.push("1", None, 0, &[0.75, 0.25]).unwrap();
        assert_eq!(brier(&binary), 0.0625);
    }

    #[test]
    fn calibration_by_hand() {
        let mut p = Predictions::new(&["a", "b"].map(str::to_owned));
        assert!(ece(&p).is_nan());
        // 3/5 is the upper edge of bin 8, (8/15, 9/15]: two right of three. 0.75 lies in (11/15, 12/15]: wrong.
        for (id, label) in [("1", 0), ("2", 0), ("3", 1)] {
            p.push(id, None, label, &[0.6, 0.4]).unwrap();
        }
        p.push("4", None, 1, &[0.75, 0.25]).unwrap();
        assert!((ece(&p) - (3.0 * (2.0 / 3.0 - 0.6) + 0.75) / 4.0).abs() < 1e-15);
        assert!((classwise_ece(&p) - ece(&p)).abs() < 1e-15); // of two classes both have the same gaps
        // (9/15, 10/15] is not the bin of 3/5.
        p.push("5", None, 0, &[0.65, 0.35]).unwrap();
        assert!((ece(&p) - (0.2 + 0.75 + 0.35) / 5.0).abs() < 1e-15);
        // By mass, all 0.6 are in bin ⌊15 · 1.5 / 5⌋ = 4, then 0.65 in 10 and 0.75 in 13.
        assert!((equal_mass_ece(&p) - (0.2 + 0.35 + 0.75) / 5.0).abs() < 1e-15);
        assert!(equal_mass_ece(&Predictions::new(&p.classes)).is_nan());
    }
}
