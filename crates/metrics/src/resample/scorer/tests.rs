//! Every metric of draws equals that of the drawn rows.

use tallow_seed::Seed;

use super::Scorer;
use crate::METRICS;
use crate::random::random;
use crate::resample::{Clusters, Draw};

#[test]
fn every_metric_equals_that_of_the_drawn_rows() {
    let mut undefined = 0;
    for (images, classes) in [(60, 2), (90, 3), (200, 7), (6, 4), (3, 2), (40, 1)] {
        for (eighths, by_group) in [(false, false), (true, true)] {
            let predictions = random(images, classes, eighths, 3);
            let clusters = Clusters::of(&predictions, by_group);
            for metric in METRICS {
                let scorer = Scorer::new(metric, &predictions);
                let mut draw = Draw::default();
                for index in 0..40 {
                    clusters.draw(&mut Seed::new(1).fold("draw", index).rng(), &mut draw);
                    let (got, expected) =
                        (scorer.of(&draw), (metric.of)(&predictions.resampled(&draw.images)));
                    let same = (got.is_nan() && expected.is_nan()) || (got - expected).abs() <= 1e-12;
                    assert!(same, "{} of {images} × {classes}: {got}, expected {expected}", metric.name);
                    undefined += u32::from(got.is_nan());
                }
            }
        }
    }
    assert!(undefined > 100, "{undefined} resamples without a value");
}

/// The report's intervals are of the sums of these: not a bit of them may move.
#[test]
fn sums_are_added_in_the_order_of_the_draw() {
    let predictions = random(500, 5, false, 4);
    let clusters = Clusters::of(&predictions, true);
    for name in ["macro_f1", "auroc", "average_precision", "log_loss", "brier", "ece", "mcc"] {
        let metric = crate::find(name).unwrap();
        let scorer = Scorer::new(metric, &predictions);
        let mut draw = Draw::default();
        for index in 0..20 {
            clusters.draw(&mut Seed::new(2).fold("draw", index).rng(), &mut draw);
            let expected = (metric.of)(&predictions.resampled(&draw.images));
            assert_eq!(scorer.of(&draw).to_bits(), expected.to_bits(), "{name}");
        }
    }
}
