//! Two models on the same images: how much better one is, how sure that is, and whether chance would do.
//!
//! A model may be several runs (seeds) of one recipe. Runs are aligned by the ids of their images.

mod align;
mod delong;
mod holm;
mod mcnemar;
mod permutation;
mod runs;
mod several;

use std::borrow::Cow;

use align::aligned;
pub use delong::{DeLong, delong};
pub use holm::holm;
use mcnemar::mcnemar;
use permutation::permutation;
use runs::{Runs, drawn, mean_of};
pub use runs::{mean, standard_deviation};
use serde::Serialize;
pub use several::{RunsInterval, intervals_of_runs};

use crate::metric::Better;
use crate::resample::{Clusters, Scorers, defined, percentiles};
use crate::{Error, Metric, Predictions, Resampling, Result, Score};

/// Model `b` against model `a`. An undefined number is NaN here and `null` in JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The metric of each model: the mean over its runs.
    pub a: f64,
    pub b: f64,
    /// b − a.
    pub difference: f64,
    /// Percentile bootstrap interval of the difference: of one run each over images, of several over runs and images.
    pub low: f64,
    pub high: f64,
    /// Two-sided p-value of the paired permutation test: for each group of images a coin decides which model said which. Of the
    /// images alone, given the runs. NaN where one model has more runs than the other.
    pub p_permutation: f64,
    /// McNemar's exact test of "both are right equally often", the two-sided p-value of `only_a` against `only_b`.
    /// It is about accuracy, whatever the metric, and counts images as independent. `None` of several runs.
    pub p_mcnemar: Option<f64>,
    /// Images that only `a`, only `b` predicts right. `None` of several runs.
    pub only_a: Option<u64>,
    pub only_b: Option<u64>,
    /// DeLong's test, where the metric is `auroc`. Of the images alone, given the runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_delong: Option<f64>,
    pub images: usize,
    /// What was drawn and swapped: groups of images, or images.
    pub units: usize,
    /// The metric of each run, and the standard deviation over runs (n − 1); NaN of one run.
    pub runs_a: Vec<f64>,
    pub runs_b: Vec<f64>,
    pub sd_a: f64,
    pub sd_b: f64,
    /// The resampled differences that are defined, sorted.
    #[serde(skip)]
    pub resampled: Vec<f64>,
}

/// Whether `b` is worse than `a` by less than a margin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NonInferiority {
    /// What is allowed, in units of the metric.
    pub margin: f64,
    /// The end of the interval that may not be beyond the margin.
    pub bound: f64,
    /// One-sided: the share of the resampled differences at or beyond the margin, (1 + k) / (1 + n).
    pub p: f64,
    pub non_inferior: bool,
}

impl Comparison {
    /// Whether the models differ in no resample: nothing can be said of how they differ.
    pub fn is_alike(&self) -> bool {
        !self.resampled.is_empty() && self.resampled.iter().all(|difference| *difference == 0.0)
    }

    /// The same of a metric whose resamples are no interval ([`crate::has_interval`]): both ends are NaN.
    pub fn without_interval(self) -> Comparison {
        Comparison { low: f64::NAN, high: f64::NAN, resampled: Vec::new(), ..self }
    }

    /// Holds the worse end of the interval against `margin`: for a metric that is better higher, low > −margin; for one that is
    /// better lower, high < margin. With an interval of 95 % that is a one-sided test at 2.5 %.
    ///
    /// # Errors
    /// [`Error::Argument`] for a margin that is not positive and finite.
    pub fn non_inferiority(&self, margin: f64, better: Better) -> Result<NonInferiority> {
        if !(margin > 0.0 && margin.is_finite()) {
            return Err(Error::Argument(format!(
                "margin: expected a positive number in units of the metric, got {margin}; 0.02 is a loss of 0.02"
            )));
        }
        let (bound, non_inferior) = match better {
            Better::Higher => (self.low, self.low > -margin),
            Better::Lower => (self.high, self.high < margin),
        };
        let beyond = |&&difference: &&f64| match better {
            Better::Higher => difference <= -margin,
            Better::Lower => difference >= margin,
        };
        let beyond = self.resampled.iter().filter(beyond).count();
        let p = if self.resampled.is_empty() {
            f64::NAN
        } else {
            (1 + beyond) as f64 / (1 + self.resampled.len()) as f64
        };
        Ok(NonInferiority { margin, bound, p, non_inferior })
    }
}

/// Compares run `b` with run `a` by `metric`.
///
/// # Errors
/// [`Error::Argument`] for a level outside of (0, 1) or no resamples; what [`Predictions::validate`] finds; [`Error::Shape`]
/// unless both have the same classes and the same images with the same labels, in any order.
pub fn compare(a: &Predictions, b: &Predictions, metric: &Metric, how: &Resampling) -> Result<Comparison> {
    compare_runs(&[a], &[b], false, metric, how)
}

/// Compares the runs of one model with those of another. `paired`: run i of both has the same seed, and they are drawn
/// together.
///
/// The interval has both sources of chance in it: each resample draws the images (or groups), the same for all runs, and
/// of a model's k > 1 runs k − 1, with replacement, so that the variance of the drawn means is that of the mean of k runs
/// (McCarthy & Snowden 1985) and not (k − 1) / k of it.
///
/// # Errors
/// As [`compare`]; [`Error::Argument`] without runs, or where `paired` and one model has more runs.
pub fn compare_runs(
    a: &[&Predictions],
    b: &[&Predictions],
    paired: bool,
    metric: &Metric,
    how: &Resampling,
) -> Result<Comparison> {
    Ok(comparisons(a, b, paired, &[metric.into()], how)?.remove(0))
}

/// [`compare_runs`] by each of several scores, over the same resamples: drawn once.
///
/// # Errors
/// As [`compare_runs`].
pub fn comparisons(
    a: &[&Predictions],
    b: &[&Predictions],
    paired: bool,
    metrics: &[Score],
    how: &Resampling,
) -> Result<Vec<Comparison>> {
    how.check()?;
    if a.is_empty() || b.is_empty() || (paired && a.len() != b.len()) {
        return Err(Error::Argument(format!(
            "runs: expected at least one of each model, as many of both where they are paired, got {} and {}",
            a.len(),
            b.len()
        )));
    }
    let all: Vec<&Predictions> = a.iter().chain(b).copied().collect();
    let aligned = aligned(&all)?;
    let (a, b) = aligned.split_at(a.len());
    let clusters = Clusters::of(&a[0], how.by_group);
    let runs =
        |of: &[Cow<Predictions>]| metrics.iter().map(|metric| Runs::new(metric, of)).collect::<Vec<_>>();
    let (runs_a, runs_b) = (runs(a), runs(b));
    let differences: Vec<f64> = runs_a.iter().zip(&runs_b).map(|(a, b)| b.mean() - a.mean()).collect();

    let scorers: Vec<Scorers> =
        aligned.iter().map(|run| Scorers::of_draws(metrics, run, &clusters)).collect();
    let resampled = how.bootstrap(&clusters, &scorers, |seed, scores, lane| {
        let (scores_a, scores_b) = scores.split_at(a.len());
        let mut rng = seed.fold("runs", 0).rng();
        let times_a = drawn(a.len(), &mut rng);
        let times_b = if paired { times_a.clone() } else { drawn(b.len(), &mut rng) };
        let difference =
            |metric| mean_of(&times_b, scores_b, metric, lane) - mean_of(&times_a, scores_a, metric, lane);
        (0..metrics.len()).map(difference).collect::<Vec<f64>>()
    });
    let p_permutation = permutation(a, b, metrics, &differences, &clusters, how)?;
    let single = (a.len(), b.len()) == (1, 1);
    let only = single.then(|| mcnemar::only(&a[0], &b[0]));
    let of_metric = |((at, metric), (runs_a, runs_b)): ((usize, &Score), (Runs, Runs))| {
        let resampled = defined(resampled.iter().map(|differences| differences[at]).collect());
        let (low, high) = percentiles(&resampled, how.level);
        Comparison {
            a: runs_a.mean(),
            b: runs_b.mean(),
            difference: differences[at],
            low,
            high,
            p_permutation: p_permutation[at],
            p_mcnemar: only.map(|(a, b)| mcnemar(a, b)),
            only_a: only.map(|only| only.0),
            only_b: only.map(|only| only.1),
            p_delong: metric.is_auroc().then(|| delong::of_runs(a, b, &clusters).p),
            images: a[0].len(),
            units: clusters.len(),
            sd_a: runs_a.deviation(),
            sd_b: runs_b.deviation(),
            runs_a: runs_a.values,
            runs_b: runs_b.values,
            resampled,
        }
    };
    let runs = runs_a.into_iter().zip(runs_b);
    Ok(metrics.iter().enumerate().zip(runs).map(of_metric).collect())
}

#[cfg(test)]
mod tests;
