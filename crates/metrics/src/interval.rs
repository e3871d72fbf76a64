//! How sure a number is: percentile bootstrap intervals.

use std::collections::HashSet;

use crate::{Metric, Predictions, Resampling, Result, Score, intervals_of_scores};

/// Percentile bootstrap interval (low, high) of `metric`: the (1 ∓ level) / 2 quantiles over resamples of the images, or of
/// whole groups, with replacement.
///
/// Resamples where the metric is undefined are left out; (NaN, NaN) if there are no others. Quantiles interpolate linearly, as
/// numpy's. The same seed gives the same interval, on any number of threads.
///
/// # Errors
/// [`crate::Error::Argument`] for a level outside of (0, 1) or no resamples; what [`Predictions::validate`] finds.
pub fn interval(predictions: &Predictions, metric: &Metric, how: &Resampling) -> Result<(f64, f64)> {
    Ok(intervals(predictions, &[metric], how)?[0])
}

/// [`interval`] of several metrics, over the same resamples: drawn once.
///
/// # Errors
/// As [`interval`].
pub fn intervals(
    predictions: &Predictions,
    metrics: &[&Metric],
    how: &Resampling,
) -> Result<Vec<(f64, f64)>> {
    let scores: Vec<Score> = metrics.iter().map(|&metric| metric.into()).collect();
    intervals_of_scores(predictions, &scores, how)
}

/// Whether percentiles of resamples are an interval of a metric or score of this name. Of the calibration errors they are not:
/// resampling alone raises them.
pub fn has_interval(name: &str) -> bool {
    !name.ends_with("ece")
}

/// Fewer groups, or images, of a class are easily missing in a resample: four in about one of 55, one in one of three.
const FEW: usize = 5;

/// What is to be said where classes have few groups (images, where `by_group` is false): a resample loses such a class now and then, a
/// mean over classes is then of those that are left, and its interval not quite one of the metric.
pub fn thin_classes(predictions: &Predictions, by_group: bool) -> Option<String> {
    let named = thin(predictions, by_group).into_iter().map(|(class, units)| format!("{class} ({units})"));
    let (named, units) = (named.collect::<Vec<_>>().join(", "), if by_group { "groups" } else { "images" });
    (!named.is_empty()).then(|| {
        format!("few {units} of {named}: resamples lose them now and then, and intervals of means over classes are rough")
    })
}

/// Classes with few groups or images, and how many.
fn thin(predictions: &Predictions, by_group: bool) -> Vec<(String, usize)> {
    let mut units: Vec<HashSet<std::result::Result<&str, usize>>> =
        vec![HashSet::new(); predictions.classes.len()];
    for (index, &label) in predictions.labels.iter().enumerate() {
        let group = predictions.group(index).filter(|_| by_group);
        let of = &mut units[label as usize];
        if of.len() < FEW {
            // The name of a group, or the number of an image.
            of.insert(group.ok_or(index));
        }
    }
    let named = predictions.classes.iter().cloned().zip(units.iter().map(HashSet::len));
    named.filter(|(_, count)| (1..FEW).contains(count)).collect()
}

#[cfg(test)]
mod tests {
    use tallow_seed::Seed;

    use super::{interval, intervals, thin, thin_classes};
    use crate::{METRICS, Predictions, Resampling, find};

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

    fn how(resamples: u32, level: f64, by_group: bool) -> Resampling {
        Resampling { resamples, level, by_group, seed: Seed::new(1) }
    }

    #[test]
    fn classes_of_few_groups_are_named() {
        // Four images of each class, in four groups of an image of each.
        let all = run(8, 0.5, 2, 1);
        assert_eq!(thin(&all, true), [("a".to_owned(), 4), ("b".to_owned(), 4)]);
        assert_eq!(thin(&all, false), [("a".to_owned(), 4), ("b".to_owned(), 4)]);
        assert_eq!(thin(&run(10, 0.5, 1, 1), false), []);
        assert_eq!(thin(&run(10, 0.5, 5, 1), true), [("a".to_owned(), 2), ("b".to_owned(), 2)]);
        let said = thin_classes(&run(10, 0.5, 5, 1), true).unwrap();
        assert!(said.starts_with("few groups of a (2), b (2): resamples lose them"), "{said}");
        // A class without images is in no resample, and in no mean.
        let mut one = Predictions::new(&["a", "b"].map(str::to_owned));
        (0..9).for_each(|index| one.push(&index.to_string(), None, 0, &[0.9, 0.1]).unwrap());
        assert_eq!(thin(&one, true), []);
    }

    #[test]
    fn interval_of_accuracy_is_the_binomial_one() {
        let p = run(1000, 0.8, 1, 1);
        let accuracy = find("accuracy").unwrap();
        let (low, high) = interval(&p, accuracy, &how(2000, 0.95, false)).unwrap();
        let estimate = (accuracy.of)(&p);
        let half = 1.96 * (estimate * (1.0 - estimate) / 1000.0).sqrt(); // 0.0248
        assert!(
            (estimate - half - low).abs() < 0.003 && (estimate + half - high).abs() < 0.003,
            "{low} {high} {half}"
        );
        assert_eq!((low, high), (0.772, 0.822)); // of these draws
    }

    #[test]
    fn groups_of_four_double_the_width() {
        let p = run(1000, 0.8, 4, 2);
        let accuracy = find("accuracy").unwrap();
        let width = |by_group| {
            let (low, high) = interval(&p, accuracy, &how(1000, 0.9, by_group)).unwrap();
            high - low
        };
        let ratio = width(true) / width(false); // √4
        assert!((1.8..2.2).contains(&ratio), "{ratio}");
    }

    #[test]
    fn undefined_resamples_are_left_out() {
        let auroc = find("auroc").unwrap();
        let mut p = run(3, 1.0, 1, 1);
        let (low, high) = interval(&p, auroc, &how(200, 0.9, true)).unwrap();
        assert_eq!((low, high), (1.0, 1.0)); // always right where both classes were drawn
        p.labels = vec![0; 3];
        assert!(interval(&p, auroc, &how(20, 0.9, true)).unwrap().0.is_nan());
    }

    #[test]
    fn many_at_once_on_any_number_of_threads_are_the_same() {
        let p = run(200, 0.7, 2, 5);
        let metrics: Vec<_> = METRICS.iter().collect();
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| intervals(&p, &metrics, &how(150, 0.9, true)).unwrap())
        };
        let (one, three) = (on(1), on(3));
        for ((metric, one), three) in metrics.iter().zip(one).zip(three) {
            assert_eq!(one, three, "{}", metric.name);
            assert_eq!(one, interval(&p, metric, &how(150, 0.9, true)).unwrap(), "{}", metric.name);
        }
    }

    #[test]
    fn arguments_out_of_range() {
        let p = run(10, 0.7, 1, 5);
        let error = |resamples, level| {
            interval(&p, find("accuracy").unwrap(), &how(resamples, level, false)).unwrap_err().to_string()
        };
        assert_eq!(error(10, 95.0), "level: expected a number between 0 and 1, got 95; 0.95 is usual");
        assert!(error(0, 0.95).starts_with("resamples: "));
    }
}
