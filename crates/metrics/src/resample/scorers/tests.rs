//! Every metric of draws equals that of the drawn rows.

use tallow_seed::Seed;

use super::Scorers;
use crate::random::random;
use crate::resample::Clusters;
use crate::{METRICS, Metric, Predictions, Resampling, Score};

fn how(resamples: u32, by_group: bool) -> Resampling {
    Resampling { resamples, level: 0.9, by_group, seed: Seed::new(1) }
}

/// The metrics of draws, and of the rows of these.
fn drawn(metrics: &[&Metric], predictions: &Predictions, how: &Resampling) -> Vec<[Vec<f64>; 2]> {
    let clusters = Clusters::of(predictions, how.by_group);
    let scores: Vec<Score> = metrics.iter().map(|&metric| metric.into()).collect();
    let scorers = [Scorers::of_draws(&scores, predictions, &clusters)];
    how.bootstrap(&clusters, &scorers, |seed, scores, lane| {
        let (mut drawn, mut images) = (Vec::new(), Vec::new());
        clusters.draw(&mut seed.rng(), &mut drawn);
        let rows = predictions.resampled(clusters.images_of(&drawn, &mut images));
        let got = scores[0].values.iter().map(|lanes| lanes[lane]).collect();
        [got, metrics.iter().map(|metric| (metric.of)(&rows)).collect()]
    })
}

fn are_the_same(got: f64, expected: f64) -> bool {
    (got.is_nan() && expected.is_nan()) || (got - expected).abs() <= 1e-12
}

/// More draws than a batch has, and no multiple of that.
#[test]
fn every_metric_equals_that_of_the_drawn_rows() {
    let metrics: Vec<&Metric> = METRICS.iter().collect();
    let mut undefined = 0;
    for (images, classes) in [(60, 2), (90, 3), (200, 7), (6, 4), (3, 2), (40, 1)] {
        for (eighths, by_group) in [(false, false), (true, true)] {
            let predictions = random(images, classes, eighths, 3);
            let draws = drawn(&metrics, &predictions, &how(40, by_group));
            assert_eq!(draws.len(), 40);
            for [got, expected] in draws {
                for ((metric, got), expected) in metrics.iter().zip(got).zip(expected) {
                    let name = metric.name;
                    assert!(
                        are_the_same(got, expected),
                        "{name} of {images} × {classes}: {got}, expected {expected}"
                    );
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
    let names = ["macro_f1", "auroc", "average_precision", "log_loss", "brier", "ece", "mcc"];
    let metrics = names.map(|name| crate::find(name).unwrap());
    for [got, expected] in drawn(&metrics, &random(500, 5, false, 4), &how(20, true)) {
        let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<_>>();
        assert_eq!(bits(got), bits(expected), "{names:?}");
    }
}

/// By the definition: the images of the models, changed.
#[test]
fn swaps_are_those_of_the_rows() {
    let metrics: Vec<Score> = METRICS.iter().map(Score::from).collect();
    for (images, classes) in [(60, 2), (150, 5)] {
        for by_group in [false, true] {
            let a = random(images, classes, true, 3);
            let b = Predictions { labels: a.labels.clone(), ..random(images, classes, true, 4) };
            let clusters = Clusters::of(&a, by_group);
            let mut both = a.clone();
            both.extend(&b).unwrap();
            let how = how(20, by_group);
            let found = how.swaps(&clusters, &[Scorers::of_swaps(&metrics, &both, &clusters)]);
            for (index, found) in found.iter().enumerate() {
                let mut rng = how.seed.fold("permutation", index as u64).rng();
                let coins: Vec<u64> = (0..clusters.len().div_ceil(64)).map(|_| rng.bits()).collect();
                let swapped = |image: u32| {
                    let cluster = clusters.rows()[image as usize] as usize;
                    coins[cluster / 64] >> (cluster % 64) & 1 == 1
                };
                let model = |second: bool| {
                    let of = |image| if swapped(image) == second { image } else { image + images };
                    both.resampled(&(0..images).map(of).collect::<Vec<u32>>())
                };
                for (metric, &found) in metrics.iter().zip(found) {
                    let expected = metric.of(&model(true)) - metric.of(&model(false));
                    assert!(are_the_same(found, expected), "{}: {found}, expected {expected}", metric.name);
                }
            }
        }
    }
}
