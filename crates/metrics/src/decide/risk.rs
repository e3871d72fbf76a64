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

/// The images from the surest on, sorted once.
pub struct Risks {
    /// The largest probability of each image in ascending order, as its bits, and below them whether the image is predicted wrong.
    ascending: Vec<u64>,
}

impl Risks {
    pub fn of(predictions: &Predictions) -> Risks {
        let key = |index| {
            let (confidence, gap) = gap(predictions, index);
            confidence.to_bits() << 1 | u64::from(gap + confidence < 0.5)
        };
        let mut ascending: Vec<u64> = (0..predictions.len()).map(key).collect();
        ascending.sort_unstable();
        Risks { ascending }
    }

    /// One for each different largest probability. Images that are equally sure stay together.
    fn each(&self) -> impl Iterator<Item = Risk> {
        let (mut taken, mut wrong) = (0, 0);
        self.ascending.chunk_by(|a, b| a >> 1 == b >> 1).rev().map(move |tied| {
            taken += tied.len() as u64;
            wrong += tied.iter().map(|key| key & 1).sum::<u64>();
            let coverage = taken as f64 / self.ascending.len() as f64;
            Risk { at: f64::from_bits(tied[0] >> 1), coverage, images: taken, wrong }
        })
    }

    /// The surest images, at least `coverage` of all. `None` without images.
    pub fn at(&self, coverage: f64) -> Option<Risk> {
        self.each().find(|risk| risk.coverage >= coverage - 1e-12)
    }

    /// The most images of which at most a share `most` is predicted wrong. `None` where the surest are wrong too often already.
    pub fn coverage_at(&self, most: f64) -> Option<Risk> {
        self.each().filter(|risk| risk.wrong as f64 <= most * risk.images as f64).last()
    }

    /// The mean over images, from the surest on, of the share of wrong ones so far; of equally sure images each has the share at the
    /// end of their tie. Lower is better; NaN without images. Source: Geifman et al. 2019, <https://arxiv.org/abs/1805.08206>.
    pub fn area(&self) -> f64 {
        let (mut before, mut sum) = (0, 0.0);
        for risk in self.each() {
            sum += (risk.images - before) as f64 * risk.wrong as f64 / risk.images as f64;
            before = risk.images;
        }
        sum / self.ascending.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let mut predictions = Predictions::new(&["a", "b"].map(str::to_owned));
        assert!(Risks::of(&predictions).area().is_nan() && Risks::of(&predictions).at(0.5).is_none());
        for (index, (p, label)) in [(0.9, 0), (0.8, 1), (0.8, 0), (0.6, 1)].into_iter().enumerate() {
            predictions.push(&index.to_string(), None, label, &[p, 1.0 - p]).unwrap();
        }
        let risks = Risks::of(&predictions);
        let risk = |coverage| risks.at(coverage).map(|risk| (risk.at, risk.images, risk.wrong));
        assert_eq!(
            [0.25, 0.5, 0.75, 1.0].map(risk),
            [(0.9, 1, 0), (0.8, 3, 1), (0.8, 3, 1), (0.6, 4, 2)].map(Some)
        );
        assert!((risks.area() - (2.0 / 3.0 + 0.5) / 4.0).abs() < 1e-15);
        let most = |share| risks.coverage_at(share).map(|risk| risk.at);
        assert_eq!([0.0, 0.34, 0.5].map(most), [0.9, 0.8, 0.6].map(Some));
        predictions.labels[0] = 1;
        assert_eq!(Risks::of(&predictions).coverage_at(0.2), None);
    }
}
