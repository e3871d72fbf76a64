//! How sure the numbers of each class are.

use serde::Serialize;

use crate::resample::{ClassNumbers, Clusters, Scorers, defined, percentiles};
use crate::{Confusion, Metric, Predictions, Resampling, Result, Score, wilson};

/// Intervals (low, high) of the numbers of [`crate::ClassSummary`]. `None` where there is nothing to draw, or where all resamples agree
/// and no formula helps.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ClassIntervals {
    pub precision: Option<(f64, f64)>,
    pub recall: Option<(f64, f64)>,
    pub specificity: Option<(f64, f64)>,
    pub f1: Option<(f64, f64)>,
    pub auroc: Option<(f64, f64)>,
    /// Those that are Wilson's: of a class without an error (or without a hit) resamples have none either, and their percentiles say
    /// nothing. What is counted are the units that are drawn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wilson: Vec<&'static str>,
}

/// Low and high.
type Ends = (f64, f64);
/// Of one resample: the metrics, and the numbers of each class.
type Drawn = (Vec<f64>, Vec<ClassNumbers>);

/// [`crate::intervals`] of `metrics`, and those of every class, over the same resamples. Resamples where a number is undefined, such as a
/// recall without images of the class, are left out of its interval.
///
/// # Errors
/// As [`crate::interval`].
pub fn intervals_by_class(
    predictions: &Predictions,
    metrics: &[&Metric],
    how: &Resampling,
) -> Result<(Vec<Ends>, Vec<ClassIntervals>)> {
    how.check()?;
    predictions.validate()?;
    let clusters = Clusters::of(predictions, how.by_group);
    let scores: Vec<Score> = metrics.iter().map(|&metric| metric.into()).collect();
    let scorers = [Scorers::by_class(&scores, predictions, &clusters)];
    let draws: Vec<Drawn> = how.bootstrap(&clusters, &scorers, |_, scores, lane| {
        let values = scores[0].values.iter().map(|lanes| lanes[lane]).collect();
        (values, scores[0].classes.iter().map(|lanes| lanes[lane]).collect())
    });
    let ends = |of: &dyn Fn(&Drawn) -> f64| percentiles(&defined(draws.iter().map(of).collect()), how.level);
    let overall = (0..metrics.len()).map(|at| ends(&|draw| draw.0[at]));
    let overall = overall.collect();
    let confusion = Confusion::of(predictions);
    let of_class = |class: usize| -> Result<ClassIntervals> {
        let mut found = ClassIntervals::default();
        let of = |of: fn(&ClassNumbers) -> f64| ends(&|draw| of(&draw.1[class]));
        let units = |counts: &dyn Fn(bool, bool) -> bool| {
            let is_of = |&image: &u32| {
                let truth = predictions.labels[image as usize] as usize == class;
                counts(truth, predictions.predicted(image as usize) as usize == class)
            };
            clusters.iter().filter(|images| images.iter().any(is_of)).count() as u64
        };
        let mut sure = |name, value: f64, ends: (f64, f64), counts: &dyn Fn(bool, bool) -> bool| {
            if ends.0 < ends.1 {
                return Ok(Some(ends));
            }
            if !(value == 0.0 || value == 1.0) || ends.0.is_nan() {
                return Ok(None);
            }
            found.wilson.push(name);
            let units = units(counts);
            let (low, high) = wilson(if value == 1.0 { units } else { 0 }, units, how.level)?;
            // TP / (TP + FP + FN) is a proportion, J; F1 is 2 J / (1 + J).
            let scaled = |j: f64| if name == "f1" { 2.0 * j / (1.0 + j) } else { j };
            Ok(Some((scaled(low), scaled(high))))
        };
        let precision =
            sure("precision", confusion.precision(class), of(|n| n.precision), &|_, called| called)?;
        let recall = sure("recall", confusion.recall(class), of(|n| n.recall), &|truth, _| truth)?;
        let specificity =
            sure("specificity", confusion.specificity(class), of(|n| n.specificity), &|truth, _| !truth)?;
        let f1 = sure("f1", confusion.f1(class), of(|n| n.f1), &|truth, called| truth || called)?;
        let auroc = Some(of(|n| n.auroc)).filter(|(low, high)| low < high);
        Ok(ClassIntervals { precision, recall, specificity, f1, auroc, ..found })
    };
    let classes = (0..predictions.classes.len()).map(of_class).collect::<Result<_>>()?;
    Ok((overall, classes))
}

#[cfg(test)]
mod tests {
    use tallow_seed::Seed;

    use super::*;
    use crate::random::random;
    use crate::{METRICS, intervals};

    fn how(by_group: bool) -> Resampling {
        Resampling { resamples: 300, level: 0.9, by_group, seed: Seed::new(1) }
    }

    /// Not a bit of what is drawn at the top of a report moves.
    #[test]
    fn metrics_have_the_intervals_that_they_have_alone() {
        for classes in [1, 2, 5] {
            let p = random(120, classes, true, 3);
            let metrics: Vec<_> = METRICS.iter().collect();
            let (with, _) = intervals_by_class(&p, &metrics, &how(true)).unwrap();
            for ((metric, with), alone) in
                metrics.iter().zip(with).zip(intervals(&p, &metrics, &how(true)).unwrap())
            {
                let bits = |ends: (f64, f64)| (ends.0.to_bits(), ends.1.to_bits());
                assert_eq!(bits(with), bits(alone), "{} of {classes}", metric.name);
            }
        }
    }

    /// By the definition: the class's numbers of the drawn images, drawn again here.
    #[test]
    fn a_class_has_the_percentiles_of_its_numbers() {
        let p = random(150, 3, false, 4);
        let (_, classes) = intervals_by_class(&p, &[], &how(true)).unwrap();
        let clusters = Clusters::of(&p, true);
        let draws = how(true).bootstrap(&clusters, &[], |seed, _, _| {
            let (mut drawn, mut images) = (Vec::new(), Vec::new());
            clusters.draw(&mut seed.rng(), &mut drawn);
            let summary = crate::Summary::of(&p.resampled(clusters.images_of(&drawn, &mut images)));
            let numbers = summary.per_class.into_iter().map(|class| [class.recall, class.f1, class.auroc]);
            numbers.collect::<Vec<_>>()
        });
        for (class, found) in classes.iter().enumerate() {
            let ends = |at: usize| {
                Some(percentiles(&defined(draws.iter().map(|draw| draw[class][at]).collect()), 0.9))
            };
            assert_eq!([found.recall, found.f1, found.auroc], [ends(0), ends(1), ends(2)]);
            let (low, high) = found.precision.unwrap();
            assert!(low < Confusion::of(&p).precision(class) && Confusion::of(&p).precision(class) < high);
            assert!(found.specificity.is_some() && found.wilson.is_empty());
        }
    }

    /// Of one image of a rare class, resamples without it say nothing of its recall.
    #[test]
    fn resamples_without_the_class_are_left_out() {
        let mut p = random(60, 2, false, 5);
        p.classes.push("rare".to_owned());
        p.classes.push("absent".to_owned());
        p.probabilities = p.probabilities.chunks(2).flat_map(|row| [row[0], row[1], 0.0, 0.0]).collect();
        for (id, label) in [("r", 2), ("s", 2), ("t", 0)] {
            p.push(id, None, label, &[0.25, 0.0, 0.75, 0.0]).unwrap();
        }
        let (_, classes) = intervals_by_class(&p, &[], &how(false)).unwrap();
        let rare = &classes[2];
        // Both found: Wilson's of 2 of 2, 2 / (2 + 1.644854²) = 0.425031.
        assert_eq!(rare.wilson, ["recall"]);
        let (low, high) = rare.recall.unwrap();
        assert!((low - 0.425031).abs() < 1e-6 && high == 1.0, "{low} {high}");
        // 2 of 3 calls are right; of draws, from none to all.
        assert_eq!(rare.precision, Some((0.0, 1.0)));
        assert_eq!(
            classes[3],
            ClassIntervals {
                specificity: classes[3].specificity,
                wilson: vec!["specificity"],
                ..ClassIntervals::default()
            }
        );
        let json = serde_json::to_value(&classes[3]).unwrap();
        assert!(json["recall"].is_null() && json["specificity"][1] == 1.0, "{json}");
    }

    /// Eight images of two patients without an error are two, not eight.
    #[test]
    fn no_error_is_no_certainty() {
        let mut p = Predictions::new(&["a", "b"].map(str::to_owned));
        for index in 0..16 {
            let label = index / 8;
            let of_b = f64::from(label);
            p.push(&index.to_string(), Some(&format!("g{}", index / 4)), label, &[1.0 - of_b, of_b]).unwrap();
        }
        let (_, classes) = intervals_by_class(&p, &[], &how(true)).unwrap();
        let low = 2.0 / (2.0 + 1.6448536269514722f64.powi(2));
        let close = |ends: Option<(f64, f64)>, low: f64| (ends.unwrap().0 - low).abs() < 1e-9;
        for class in &classes {
            assert_eq!(class.wilson, ["precision", "recall", "specificity", "f1"]);
            assert!(close(class.precision, low) && close(class.recall, low) && close(class.specificity, low));
            assert!(close(class.f1, 2.0 * low / (1.0 + low)));
            assert_eq!(class.auroc, None);
        }
    }
}
