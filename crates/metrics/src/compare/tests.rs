//! Comparisons of runs that are better by a known amount, or not at all.

use tallow_seed::Seed;

use super::{compare, compare_runs};
use crate::metric::Better;
use crate::random::random;
use crate::{METRICS, Predictions, Resampling, find};

fn how(resamples: u32, by_group: bool) -> Resampling {
    Resampling { resamples, level: 0.95, by_group, seed: Seed::new(1) }
}

/// `images` of two classes, right with probability `p`.
fn run(images: u32, p: f64, seed: u64) -> Predictions {
    let mut predictions = Predictions::new(&["a", "b"].map(str::to_owned));
    let mut rng = Seed::new(seed).fold("run", 0).rng();
    for index in 0..images {
        let label = index % 2;
        let row = if rng.bernoulli(p) == (label == 0) { [0.8, 0.2] } else { [0.2, 0.8] };
        predictions.push(&index.to_string(), Some(&format!("g{}", index / 4)), label, &row).unwrap();
    }
    predictions
}

#[test]
fn a_better_run_is_better() {
    let (a, b) = (run(400, 0.6, 3), run(400, 0.8, 4));
    let c = compare(&a, &b, find("accuracy").unwrap(), &how(500, false)).unwrap();
    assert!(c.low > 0.0 && c.low < c.difference && c.difference < c.high, "{c:?}");
    assert!(c.p_mcnemar.unwrap() < 1e-3 && c.p_permutation == 1.0 / 501.0 && c.p_delong.is_none());
    let (only_a, only_b) = (c.only_a.unwrap() as f64, c.only_b.unwrap() as f64);
    assert!((c.difference - (only_b - only_a) / 400.0).abs() < 1e-12);
    assert_eq!((c.images, c.units), (400, 400));
    let same = compare(&a, &a, find("accuracy").unwrap(), &how(50, true)).unwrap();
    assert_eq!((same.difference, same.low, same.high, same.p_permutation), (0.0, 0.0, 0.0, 1.0));
    assert_eq!((same.p_mcnemar, same.units), (Some(1.0), 100));
}

/// Of accuracy, the permutation test is McNemar's: d* is a sum of coins over the images where one run is right.
#[test]
fn the_permutation_test_of_accuracy_is_mcnemars() {
    let (a, b) = (run(120, 0.6, 3), run(120, 0.7, 5));
    let c = compare(&a, &b, find("accuracy").unwrap(), &how(20_000, false)).unwrap();
    let exact = c.p_mcnemar.unwrap();
    assert!((0.02..0.6).contains(&exact), "{exact}");
    assert!((c.p_permutation - exact).abs() < 0.012, "{} {exact}", c.p_permutation); // 3.4 √(p (1 − p) / n)
}

#[test]
fn by_every_metric_from_both_sides() {
    let (a, b) = (random(80, 3, true, 1), random(80, 3, true, 2));
    let b = Predictions { labels: a.labels.clone(), ..b };
    for metric in METRICS {
        let (there, back) = (
            compare(&a, &b, metric, &how(60, true)).unwrap(),
            compare(&b, &a, metric, &how(60, true)).unwrap(),
        );
        assert_eq!((there.a, there.b), ((metric.of)(&a), (metric.of)(&b)), "{}", metric.name);
        assert!((there.low + back.high).abs() < 1e-12 && there.low <= there.high, "{}", metric.name);
        assert_eq!(there.p_permutation, back.p_permutation, "{}", metric.name);
        assert_eq!(there.p_delong.is_some(), metric.name == "auroc");
        assert_eq!(there.p_mcnemar, back.p_mcnemar);
    }
}

#[test]
fn threads_move_no_bit() {
    let (a, b) = (random(120, 4, false, 1), random(120, 4, false, 2));
    let b = Predictions { labels: a.labels.clone(), ..b };
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            compare_runs(&[&a, &b], &[&b, &b], false, find("brier").unwrap(), &how(200, true)).unwrap()
        })
    };
    let (one, three) = (on(1), on(3));
    assert_eq!((one.low, one.high, one.p_permutation), (three.low, three.high, three.p_permutation));
    assert_eq!(one.resampled, three.resampled);
}

#[test]
fn several_runs_widen_the_interval_by_what_they_differ() {
    let accuracy = find("accuracy").unwrap();
    let a = [0.55, 0.65, 0.75].map(|p| run(2000, p, 7));
    let b = [0.65, 0.75, 0.85].map(|p| run(2000, p, 8));
    let (a, b): (Vec<&Predictions>, Vec<&Predictions>) = (a.iter().collect(), b.iter().collect());
    let c = compare_runs(&a, &b, false, accuracy, &how(2000, false)).unwrap();
    let mean = c.runs_a.iter().sum::<f64>() / 3.0;
    assert_eq!(c.a, mean);
    assert!((c.sd_a - 0.1).abs() < 0.02 && (c.sd_b - 0.1).abs() < 0.02, "{c:?}");
    assert_eq!((c.p_mcnemar, c.only_a, c.only_b), (None, None, None));
    // Two means of three runs, of which two are drawn: √(2 · 0.1² / 3) = 0.082, that of the images below 0.01.
    let mean = c.resampled.iter().sum::<f64>() / 2000.0;
    let deviation = (c.resampled.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / 2000.0).sqrt();
    assert!((0.07..0.095).contains(&deviation), "{deviation}");
    // By seeds the differences are all about 0.1.
    let paired = compare_runs(&a, &b, true, accuracy, &how(2000, false)).unwrap();
    assert!(paired.low > 0.05 && paired.high < 0.15 && c.low < 0.0, "{paired:?}");
    assert_eq!(paired.p_permutation, c.p_permutation);
    assert!(compare_runs(&a, &b[..2], false, accuracy, &how(10, false)).unwrap().p_permutation.is_nan());
    let error = compare_runs(&a, &b[..2], true, accuracy, &how(10, false)).unwrap_err().to_string();
    assert!(error.starts_with("runs: expected at least one of each model") && error.ends_with("got 3 and 2"));
}

#[test]
fn non_inferiority_holds_the_worse_end_against_the_margin() {
    let (a, b) = (run(1000, 0.8, 3), run(1000, 0.8, 4));
    let c = compare(&a, &b, find("accuracy").unwrap(), &how(2000, false)).unwrap();
    let within = c.non_inferiority(0.1, Better::Higher).unwrap();
    assert!(within.non_inferior && within.bound == c.low && within.p < 0.025, "{within:?}");
    let beyond = c.non_inferiority(0.01, Better::Higher).unwrap();
    assert!(!beyond.non_inferior && beyond.p > 0.025, "{beyond:?}");
    // At the end of the interval the test is at its level.
    let at = c.non_inferiority(-c.low, Better::Higher).unwrap();
    assert!((at.p - 0.025).abs() < 0.005, "{at:?}");
    let lower = c.non_inferiority(0.1, Better::Lower).unwrap();
    assert!(lower.bound == c.high && lower.non_inferior == (c.high < 0.1));
    for margin in [0.0, -0.1, f64::NAN] {
        let error = c.non_inferiority(margin, Better::Higher).unwrap_err().to_string();
        assert!(error.starts_with("margin: expected a positive number"), "{error}");
    }
}

#[test]
fn an_undefined_difference_has_no_p() {
    let mut a = run(20, 0.8, 3);
    a.labels.fill(0);
    let c = compare(&a, &a, find("auroc").unwrap(), &how(20, false)).unwrap();
    assert!(c.difference.is_nan() && c.p_permutation.is_nan() && c.low.is_nan());
    assert!(c.p_delong.unwrap().is_nan() && c.non_inferiority(0.1, Better::Higher).unwrap().p.is_nan());
}
