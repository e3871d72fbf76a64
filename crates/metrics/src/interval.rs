//! How sure a number is: bootstrap intervals, and the comparison of two runs on the same images.

use std::collections::HashMap;

use serde::Serialize;
use tallow_seed::Seed;

use crate::{Error, Metric, Predictions, Result};

/// Percentile bootstrap interval (low, high) of `metric`: the (1 ∓ level) / 2 quantiles over `resamples` draws of the
/// images with replacement.
///
/// `by_group` draws whole groups (lesions, patients) instead, an image without a group being one of its own: images of one lesion are
/// not independent, and an interval that forgets it is too narrow. Resamples where the metric is undefined are left
/// out; (NaN, NaN) if there are no others. Quantiles interpolate linearly, as numpy's. The same seed gives the same interval.
///
/// # Errors
/// [`Error::Argument`] for a level outside of (0, 1) or no resamples; what [`Predictions::validate`] finds.
pub fn interval(
    predictions: &Predictions,
    metric: &Metric,
    resamples: u32,
    level: f64,
    by_group: bool,
    seed: Seed,
) -> Result<(f64, f64)> {
    check(resamples, level)?;
    predictions.validate()?;
    let clusters = clusters(predictions, by_group);
    let values =
        (0..resamples).map(|index| (metric.of)(&predictions.resampled(&draw(&clusters, seed, index))));
    Ok(percentiles(values.collect(), level))
}

/// Run `a` against run `b` on the same images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The metric of each run.
    pub a: f64,
    pub b: f64,
    /// b − a.
    pub difference: f64,
    /// Percentile bootstrap interval of the difference; both runs see the same resamples.
    pub low: f64,
    pub high: f64,
    /// Images that only run `a`, only run `b` predicts right.
    pub only_a: u64,
    pub only_b: u64,
    /// McNemar's exact test of "both are right equally often": the two-sided p-value of `only_a` against `only_b`.
    /// It is about accuracy, whatever the metric, and counts images as independent.
    pub mcnemar: f64,
}

/// Compares two runs by `metric`; arguments as [`interval`]'s.
///
/// # Errors
/// As [`interval`], and [`Error::Shape`] unless both have the same classes and the same images, in the same order, with the
/// same labels.
pub fn compare(
    a: &Predictions,
    b: &Predictions,
    metric: &Metric,
    resamples: u32,
    level: f64,
    by_group: bool,
    seed: Seed,
) -> Result<Comparison> {
    check(resamples, level)?;
    a.validate()?;
    b.validate()?;
    same_images(a, b)?;
    let clusters = clusters(a, by_group);
    let differences = (0..resamples).map(|index| {
        let indices = draw(&clusters, seed, index);
        (metric.of)(&b.resampled(&indices)) - (metric.of)(&a.resampled(&indices))
    });
    let (low, high) = percentiles(differences.collect(), level);
    let (mut only_a, mut only_b) = (0, 0);
    for (index, &label) in a.labels.iter().enumerate() {
        let (right_a, right_b) = (a.predicted(index) == label, b.predicted(index) == label);
        only_a += u64::from(right_a && !right_b);
        only_b += u64::from(right_b && !right_a);
    }
    let (value_a, value_b) = ((metric.of)(a), (metric.of)(b));
    let difference = value_b - value_a;
    Ok(Comparison {
        a: value_a,
        b: value_b,
        difference,
        low,
        high,
        only_a,
        only_b,
        mcnemar: mcnemar(only_a, only_b),
    })
}

fn check(resamples: u32, level: f64) -> Result<()> {
    if resamples == 0 {
        return Err(Error::Argument("resamples: expected at least 1, got 0; 2000 is usual".to_owned()));
    }
    if !(level > 0.0 && level < 1.0) {
        return Err(Error::Argument(format!(
            "level: expected a number between 0 and 1, got {level}; 0.95 is usual"
        )));
    }
    Ok(())
}

fn same_images(a: &Predictions, b: &Predictions) -> Result<()> {
    let shape = |problem: String| Err(Error::Shape(problem));
    if a.classes != b.classes {
        return shape(format!(
            "the runs differ in classes: {} and {}",
            a.classes.join(", "),
            b.classes.join(", ")
        ));
    }
    if a.len() != b.len() {
        return shape(format!(
            "the runs differ in images: {} and {}; evaluate both on one split",
            a.len(),
            b.len()
        ));
    }
    for index in 0..a.len() {
        if a.ids[index] != b.ids[index] {
            let (ours, theirs) = (&a.ids[index], &b.ids[index]);
            return shape(format!(
                "image {index} is `{ours}` in one run and `{theirs}` in the other; evaluate both on one split"
            ));
        }
        if a.labels[index] != b.labels[index] {
            return shape(format!("the runs differ in the label of `{}`", a.ids[index]));
        }
    }
    Ok(())
}

/// The images that are drawn together, in order of first appearance.
fn clusters(predictions: &Predictions, by_group: bool) -> Vec<Vec<u32>> {
    let mut clusters: Vec<Vec<u32>> = Vec::new();
    let mut of_group: HashMap<&str, usize> = HashMap::new();
    for (index, group) in predictions.groups.iter().enumerate() {
        let place = match group.as_deref().filter(|_| by_group) {
            Some(group) => *of_group.entry(group).or_insert(clusters.len()),
            None => clusters.len(),
        };
        if place == clusters.len() {
            clusters.push(Vec::new());
        }
        clusters[place].push(index as u32);
    }
    clusters
}

/// As many clusters as there are, with replacement.
fn draw(clusters: &[Vec<u32>], seed: Seed, index: u32) -> Vec<u32> {
    let mut rng = seed.fold("bootstrap", u64::from(index)).rng();
    let drawn = clusters.iter().map(|_| &clusters[rng.below(clusters.len() as u32) as usize]);
    drawn.flatten().copied().collect()
}

fn percentiles(mut values: Vec<f64>, level: f64) -> (f64, f64) {
    values.retain(|value| !value.is_nan());
    values.sort_by(f64::total_cmp);
    (quantile(&values, (1.0 - level) / 2.0), quantile(&values, (1.0 + level) / 2.0))
}

/// Linear interpolation between the order statistics at q (n − 1).
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = q * last as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[(at.floor() as usize + 1).min(last)]);
    low + (high - low) * at.fract()
}

/// min(1, 2 P(X ≤ min(b, c))), X binomial(b + c, ½).
fn mcnemar(only_a: u64, only_b: u64) -> f64 {
    let n = (only_a + only_b) as f64;
    // Terms relative to the largest, the last: from it downwards C(n, k−1) / C(n, k) = k / (n − k + 1).
    let (mut term, mut sum, mut log) = (1.0, 1.0, -n * 2f64.ln());
    for k in 1..=only_a.min(only_b) {
        let k = k as f64;
        log += ((n - k + 1.0) / k).ln();
    }
    for k in (1..=only_a.min(only_b)).rev() {
        let k = k as f64;
        term *= k / (n - k + 1.0);
        sum += term;
    }
    (2.0 * sum * log.exp()).min(1.0)
}

#[cfg(test)]
mod tests {
    use tallow_seed::Seed;

    use super::{clusters, compare, interval, mcnemar, quantile};
    use crate::{Predictions, find};

    /// `images` of two classes, right with probability `p`; `size` images share a group and its luck.
    fn run(images: u32, p: f64, size: u32, seed: u64) -> Predictions {
        let mut predictions = Predictions::new(&["a", "b"].map(str::to_owned));
        let mut rng = Seed::new(seed).fold("run", 0).rng();
        let mut right = false;
        for index in 0..images {
            if index % size == 0 {
                right = rng.bernoulli(p);
            }
            let label = index % 2;
            let row = if right == (label == 0) { [0.8, 0.2] } else { [0.2, 0.8] };
            predictions.push(&index.to_string(), Some(&format!("g{}", index / size)), label, &row).unwrap();
        }
        predictions
    }

    #[test]
    fn interval_of_accuracy_is_the_binomial_one() {
        let p = run(1000, 0.8, 1, 1);
        let accuracy = find("accuracy").unwrap();
        let (low, high) = interval(&p, accuracy, 2000, 0.95, false, Seed::new(1)).unwrap();
        let estimate = (accuracy.of)(&p);
        let half = 1.96 * (estimate * (1.0 - estimate) / 1000.0).sqrt(); // 0.0248
        assert!(
            (estimate - half - low).abs() < 0.003 && (estimate + half - high).abs() < 0.003,
            "{low} {high} {half}"
        );
        assert_eq!(interval(&p, accuracy, 2000, 0.95, false, Seed::new(1)).unwrap(), (low, high));
    }

    #[test]
    fn groups_of_four_double_the_width() {
        let p = run(1000, 0.8, 4, 2);
        let accuracy = find("accuracy").unwrap();
        let width = |by_group| {
            let (low, high) = interval(&p, accuracy, 1000, 0.9, by_group, Seed::new(1)).unwrap();
            high - low
        };
        let ratio = width(true) / width(false); // √4
        assert!((1.8..2.2).contains(&ratio), "{ratio}");
    }

    #[test]
    fn images_without_group_stand_alone() {
        let mut p = run(6, 0.5, 2, 1);
        p.groups[2] = None;
        p.groups[3] = None;
        assert_eq!(clusters(&p, true), [vec![0, 1], vec![2], vec![3], vec![4, 5]]);
        assert_eq!(clusters(&p, false).len(), 6);
    }

    #[test]
    fn undefined_resamples_are_left_out() {
        let auroc = find("auroc").unwrap();
        let mut p = run(3, 1.0, 1, 1);
        let (low, high) = interval(&p, auroc, 200, 0.9, true, Seed::new(1)).unwrap();
        assert_eq!((low, high), (1.0, 1.0)); // always right where both classes were drawn
        p.labels = vec![0; 3];
        assert!(interval(&p, auroc, 20, 0.9, true, Seed::new(1)).unwrap().0.is_nan());
    }

    #[test]
    fn quantiles_as_numpy() {
        // numpy.quantile([1, 2, 4, 8], [0, .25, .5, .9, 1])
        let got = [0.0, 0.25, 0.5, 0.9, 1.0].map(|q| quantile(&[1.0, 2.0, 4.0, 8.0], q));
        let expected = [1.0, 1.75, 3.0, 6.8, 8.0];
        assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{got:?}");
    }

    #[test]
    fn mcnemar_is_the_binomial_test() {
        // scipy.stats.binomtest(k, n, 0.5).pvalue
        for (a, b, expected) in [
            (0, 0, 1.0),
            (0, 5, 0.0625),
            (3, 3, 1.0),
            (10, 25, 0.016_673_847_800_120_715),
            (400, 520, 8.549_170_923_883_781e-5),
            (60_000, 61_000, 0.004_079_637_581_188_41), // 2⁻¹²¹⁰⁰⁰ is no number
        ] {
            let (got, turned) = (mcnemar(a, b), mcnemar(b, a));
            assert!((got / expected - 1.0f64).abs() < 1e-8 && got == turned, "{a} {b}: {got}");
        }
    }

    #[test]
    fn a_run_is_compared_on_the_same_images() {
        let (a, b) = (run(400, 0.6, 1, 3), run(400, 0.8, 1, 4));
        let accuracy = find("accuracy").unwrap();
        let c = compare(&a, &b, accuracy, 500, 0.95, false, Seed::new(1)).unwrap();
        assert!(c.low > 0.0 && c.low < c.difference && c.difference < c.high && c.mcnemar < 1e-3, "{c:?}");
        assert!((c.difference - (c.only_b as f64 - c.only_a as f64) / 400.0).abs() < 1e-12);
        let same = compare(&a, &a, accuracy, 50, 0.95, true, Seed::new(1)).unwrap();
        assert_eq!((same.difference, same.low, same.high, same.mcnemar), (0.0, 0.0, 0.0, 1.0));
        let error = |change: fn(&mut Predictions)| {
            let mut b = b.clone();
            change(&mut b);
            compare(&a, &b, accuracy, 10, 0.95, false, Seed::new(1)).unwrap_err().to_string()
        };
        assert!(error(|b| b.ids[7] = "x".into()).contains("image 7 is `7` in one run and `x` in the other"));
        assert!(error(|b| b.labels[7] = 0).contains("differ in the label of `7`"));
        assert!(error(|b| b.classes[0] = "z".into()).contains("differ in classes: a, b and z, b"));
        let level = interval(&a, accuracy, 10, 95.0, false, Seed::new(1)).unwrap_err().to_string();
        assert_eq!(level, "level: expected a number between 0 and 1, got 95; 0.95 is usual");
        assert!(
            interval(&a, accuracy, 0, 0.95, false, Seed::new(1))
                .unwrap_err()
                .to_string()
                .starts_with("resamples: ")
        );
    }
}
