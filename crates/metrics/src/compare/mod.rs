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

use align::aligned;
pub use delong::{DeLong, delong};
pub use holm::holm;
use mcnemar::mcnemar;
use permutation::permutation;
use runs::Runs;
pub use runs::{mean, standard_deviation};
use serde::Serialize;
pub use several::{RunsInterval, intervals_of_runs};

use crate::metric::{Better, Form};
use crate::ranking::Area;
use crate::resample::{Clusters, defined, percentiles};
use crate::{Error, Metric, Predictions, Resampling, Result};

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
    let (runs_a, runs_b) = (Runs::new(metric, a), Runs::new(metric, b));
    let difference = runs_b.mean() - runs_a.mean();

    let resampled = how.each("bootstrap", |seed, draw| {
        clusters.draw(&mut seed.rng(), draw);
        let mut rng = seed.fold("runs", 0).rng();
        let times_a = runs_a.draw(&mut rng);
        let times_b = if paired { times_a.clone() } else { runs_b.draw(&mut rng) };
        runs_b.mean_of(&times_b, draw) - runs_a.mean_of(&times_a, draw)
    });
    let resampled = defined(resampled);
    let (low, high) = percentiles(&resampled, how.level);
    let single = (a.len(), b.len()) == (1, 1);
    let only = single.then(|| mcnemar::only(&a[0], &b[0]));
    let is_auroc = matches!(metric.form, Form::Areas(Area::Roc, false));
    Ok(Comparison {
        a: runs_a.mean(),
        b: runs_b.mean(),
        difference,
        low,
        high,
        p_permutation: permutation(a, b, metric, difference, &clusters, how)?,
        p_mcnemar: only.map(|(a, b)| mcnemar(a, b)),
        only_a: only.map(|only| only.0),
        only_b: only.map(|only| only.1),
        p_delong: is_auroc.then(|| delong::of_runs(a, b, &clusters).p),
        images: a[0].len(),
        units: clusters.len(),
        sd_a: runs_a.deviation(),
        sd_b: runs_b.deviation(),
        runs_a: runs_a.values,
        runs_b: runs_b.values,
        resampled,
    })
}

#[cfg(test)]
mod tests;
