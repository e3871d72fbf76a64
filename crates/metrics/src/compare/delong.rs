//! DeLong's test: the areas under the ROC curves of two models on the same images.

use std::borrow::Cow;

use serde::Serialize;

use super::align::aligned;
use crate::normal::two_sided;
use crate::resample::Clusters;
use crate::{Predictions, Result, ranking};

/// Two areas, and their difference as a multiple of its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DeLong {
    /// The area of each model, as the metric `auroc`.
    pub a: f64,
    pub b: f64,
    /// b − a.
    pub difference: f64,
    pub variance_a: f64,
    pub variance_b: f64,
    pub covariance: f64,
    /// √(variance_a + variance_b − 2 covariance).
    pub standard_error: f64,
    /// Two-sided, of difference / standard_error as a normal number; 1 where the difference is 0, else NaN where the standard
    /// error is 0 or undefined.
    pub p: f64,
}

/// DeLong's test of two runs on the same images.
///
/// Each image's placement is the share of the other side (negatives for a positive, positives for a negative) that is on the
/// right side of it, ties counting a half. An area is the mean of the positives' placements and the mean of the negatives'; its
/// variance is S₁₀ / m + S₀₁ / n, of the variances of both. Of more than two classes the area is the mean of the
/// one-vs-rest areas that are defined, and an image's part of it is the mean of its parts in all of them, so that the variance
/// has the whole covariance over classes. `by_group` adds the parts of a group's images first (Obuchowski 1997): images of one lesion
/// are not independent. Undefined where a class has a single image, or the rest has. O(n log n) per class.
///
/// Sources: DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44, 837–845; Sun & Xu 2014, IEEE Signal Processing Letters 21,
/// 1389–1393; Obuchowski 1997, Biometrics 53, 567–578.
///
/// # Errors
/// As [`super::compare`] of the runs.
pub fn delong(a: &Predictions, b: &Predictions, by_group: bool) -> Result<DeLong> {
    let aligned = aligned(&[a, b])?;
    let (a, b) = aligned.split_at(1);
    Ok(of_runs(a, b, &Clusters::of(&a[0], by_group)))
}

/// Of aligned runs: the areas are means over a model's runs, taken as they are.
pub(super) fn of_runs(a: &[Cow<Predictions>], b: &[Cow<Predictions>], clusters: &Clusters) -> DeLong {
    let (parts_a, parts_b) = (mean_parts(a, clusters), mean_parts(b, clusters));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let area = |runs: &[Cow<Predictions>]| {
        runs.iter().map(|run| ranking::auroc(run)).sum::<f64>() / runs.len() as f64
    };
    let difference = area(b) - area(a);
    // Of the differences of the parts, not of three sums that nearly cancel.
    let parts: Vec<f64> = parts_a.iter().zip(&parts_b).map(|(a, b)| b - a).collect();
    let standard_error = product(&parts, &parts).sqrt();
    let p = if difference == 0.0 {
        1.0
    } else if standard_error > 0.0 {
        two_sided(difference / standard_error)
    } else {
        f64::NAN
    };
    DeLong {
        a: area(a),
        b: area(b),
        difference,
        variance_a: product(&parts_a, &parts_a),
        variance_b: product(&parts_b, &parts_b),
        covariance: product(&parts_a, &parts_b),
        standard_error,
        p,
    }
}

/// [`parts`], the mean over runs.
fn mean_parts(runs: &[Cow<Predictions>], clusters: &Clusters) -> Vec<f64> {
    let mut sum = vec![0.0; clusters.len()];
    for run in runs {
        sum.iter_mut().zip(parts(run, clusters)).for_each(|(sum, part)| *sum += part / runs.len() as f64);
    }
    sum
}

/// Each cluster's part of the deviation of the area from its mean: their squares sum to the variance.
fn parts(run: &Predictions, clusters: &Clusters) -> Vec<f64> {
    let classes = run.classes.len();
    let of = if classes == 2 { 1..2 } else { 0..classes };
    let (mut parts, mut defined) = (vec![0.0; clusters.len()], 0.0);
    for class in of {
        let positive = |image: u32| run.labels[image as usize] as usize == class;
        let positives = run.labels.iter().filter(|&&label| label as usize == class).count();
        if positives == 0 || positives == run.len() {
            continue;
        }
        defined += 1.0;
        // √(I / (I − 1)) / m, I the number of clusters that have such an image, m that of the images: S / m where all are alone.
        let scale = |side: bool, images: usize| {
            let holds = |cluster: &&[u32]| cluster.iter().any(|&image| positive(image) == side);
            let holding = clusters.iter().filter(holds).count() as f64;
            (holding / (holding - 1.0)).sqrt() / images as f64
        };
        let (of_positive, of_negative) = (scale(true, positives), scale(false, run.len() - positives));
        let area = ranking::auroc_of_class(run, class);
        let placements = placements(run, class);
        for (part, cluster) in parts.iter_mut().zip(clusters.iter()) {
            for &image in cluster {
                let scale = if positive(image) { of_positive } else { of_negative };
                *part += scale * (placements[image as usize] - area);
            }
        }
    }
    parts.iter_mut().for_each(|part| *part /= defined);
    parts
}

/// Of each positive the share of the negatives that are scored lower, of each negative the share of the positives that are
/// scored higher, ties counting a half.
fn placements(run: &Predictions, class: usize) -> Vec<f64> {
    let score = |image: usize| run.row(image)[class];
    let positive = |image: usize| run.labels[image] as usize == class;
    let mut order: Vec<usize> = (0..run.len()).collect();
    order.sort_unstable_by(|&a, &b| score(b).total_cmp(&score(a)));
    let positives = run.labels.iter().filter(|&&label| label as usize == class).count();
    let negatives = run.len() - positives;
    let mut placements = vec![0.0; run.len()];
    let (mut hits_above, mut misses_above) = (0, 0);
    for tied in order.chunk_by(|&a, &b| score(a) == score(b)) {
        let hits = tied.iter().filter(|&&image| positive(image)).count();
        let misses = tied.len() - hits;
        for &image in tied {
            placements[image] = if positive(image) {
                (2 * (negatives - misses_above) - misses) as f64 / (2 * negatives) as f64
            } else {
                (2 * hits_above + hits) as f64 / (2 * positives) as f64
            };
        }
        hits_above += hits;
        misses_above += misses;
    }
    placements
}

#[cfg(test)]
mod tests {
    use super::{delong, placements};
    use crate::Predictions;
    use crate::random::random;

    #[test]
    fn placements_by_hand() {
        let mut run = Predictions::new(&["no", "yes"].map(str::to_owned));
        for (id, (label, score)) in [(1, 0.8), (1, 0.5), (0, 0.5), (0, 0.3), (0, 0.6)].into_iter().enumerate()
        {
            run.push(&id.to_string(), None, label, &[1.0 - score, score]).unwrap();
        }
        let expected = [1.0, 1.5 / 3.0, 1.5 / 2.0, 1.0, 0.5];
        assert_eq!(placements(&run, 1), expected);
        assert_eq!(placements(&run, 0), expected); // the complement, both sides changed
    }

    #[test]
    fn two_classes_or_the_mean_of_both_are_the_same() {
        // With a third class that is never there, the mean is over two curves that are each other's mirror.
        let (a, b) = (random(60, 2, true, 1), random(60, 2, true, 2));
        let b = Predictions { labels: a.labels.clone(), ..b };
        let wide = |run: &Predictions| {
            let mut wide = Predictions::new(&["c0", "c1", "never"].map(str::to_owned));
            for at in 0..run.len() {
                let row = [run.row(at)[0], run.row(at)[1], 0.0];
                wide.push(&run.ids[at], run.groups[at].as_deref(), run.labels[at], &row).unwrap();
            }
            wide
        };
        for by_group in [false, true] {
            let (two, three) =
                (delong(&a, &b, by_group).unwrap(), delong(&wide(&a), &wide(&b), by_group).unwrap());
            assert!((two.p - three.p).abs() < 1e-12 && (two.variance_a - three.variance_a).abs() < 1e-14);
        }
    }

    #[test]
    fn the_same_curve_differs_by_nothing() {
        let a = random(60, 3, false, 1);
        let same = delong(&a, &a, false).unwrap();
        assert_eq!((same.difference, same.standard_error, same.p), (0.0, 0.0, 1.0));
    }

    #[test]
    fn copies_of_every_image_tell_nothing_where_they_are_groups() {
        let (a, b) = (random(80, 3, false, 1), random(80, 3, false, 2));
        let mut b = Predictions { labels: a.labels.clone(), ..b };
        let mut a = a;
        a.groups.iter_mut().zip(0..).for_each(|(group, at)| *group = Some(format!("{at}")));
        b.groups = a.groups.clone();
        let twice = |run: &Predictions| {
            let mut copies = run.clone();
            copies.ids.iter_mut().for_each(|id| id.push('+'));
            let mut twice = run.clone();
            twice.extend(&copies).unwrap();
            twice
        };
        let once = delong(&a, &b, true).unwrap();
        let (grouped, alone) =
            (delong(&twice(&a), &twice(&b), true).unwrap(), delong(&twice(&a), &twice(&b), false).unwrap());
        assert!((once.standard_error / grouped.standard_error - 1.0).abs() < 1e-12);
        let ratio = once.standard_error / alone.standard_error; // √2, but for n − 1
        assert!((1.39..1.44).contains(&ratio), "{ratio}");
    }
}
