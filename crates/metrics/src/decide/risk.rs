//! Selective prediction: how often the network errs where it is surest, the rest being left to a person.

use crate::Predictions;
use crate::probability::gap;
use serde::Serialize;

/// The images whose largest probability is at least `at`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Risk {
    pub at: f64,
    /// Their share of all images.
    pub coverage: f64,
    /// How many they are, and how many of them are predicted wrong.
    pub images: u64,
    pub wrong: u64,
}

/// One [`Risk`] for each different largest probability, from the surest on. Images that are equally sure stay together.
fn risks(predictions: &Predictions) -> Vec<Risk> {
    let mut images: Vec<(f64, bool)> = (0..predictions.len())
        .map(|index| {
            let (confidence, gap) = gap(predictions, index);
            (confidence, gap + confidence < 0.5)
        })
        .collect();
    images.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let (mut taken, mut wrong) = (0, 0);
    let tied = images.chunk_by(|a, b| a.0 == b.0);
    tied.map(|tied| {
        taken += tied.len() as u64;
        wrong += tied.iter().filter(|image| image.1).count() as u64;
        Risk { at: tied[0].0, coverage: taken as f64 / images.len() as f64, images: taken, wrong }
    })
    .collect()
}

/// The surest images, at least `coverage` of all. `None` without images.
pub fn risk_at(predictions: &Predictions, coverage: f64) -> Option<Risk> {
    risks(predictions).into_iter().find(|risk| risk.coverage >= coverage - 1e-12)
}

/// The most images of which at most a share `most` is predicted wrong. `None` where the surest are wrong too often already.
pub fn coverage_at(predictions: &Predictions, most: f64) -> Option<Risk> {
    risks(predictions).into_iter().rev().find(|risk| risk.wrong as f64 <= most * risk.images as f64)
}

/// The mean over images, from the surest on, of the share of wrong ones so far; of equally sure images each has the share at the
/// end of their tie. Lower is better; NaN without images. Source: Geifman et al. 2019, <https://arxiv.org/abs/1805.08206>.
pub fn area_under_risk(predictions: &Predictions) -> f64 {
    let mut before = 0;
    let mut sum = 0.0;
    for risk in risks(predictions) {
        sum += (risk.images - before) as f64 * risk.wrong as f64 / risk.images as f64;
        before = risk.images;
    }
    sum / predictions.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let mut predictions = Predictions::new(&["a", "b"].map(str::to_owned));
        assert!(area_under_risk(&predictions).is_nan() && risk_at(&predictions, 0.5).is_none());
        for (index, (p, label)) in [(0.9, 0), (0.8, 1), (0.8, 0), (0.6, 1)].into_iter().enumerate() {
            predictions.push(&index.to_string(), None, label, &[p, 1.0 - p]).unwrap();
        }
        let risk = |coverage| risk_at(&predictions, coverage).map(|risk| (risk.at, risk.images, risk.wrong));
        assert_eq!(
            [0.25, 0.5, 0.75, 1.0].map(risk),
            [(0.9, 1, 0), (0.8, 3, 1), (0.8, 3, 1), (0.6, 4, 2)].map(Some)
        );
        assert!((area_under_risk(&predictions) - (2.0 / 3.0 + 0.5) / 4.0).abs() < 1e-15);
        let most = |share| coverage_at(&predictions, share).map(|risk| risk.at);
        assert_eq!([0.0, 0.34, 0.5].map(most), [0.9, 0.8, 0.6].map(Some));
        predictions.labels[0] = 1;
        assert_eq!(coverage_at(&predictions, 0.2), None);
    }
}
