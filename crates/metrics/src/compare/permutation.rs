//! The paired permutation test: were the models the same, it would not matter which of them said what of an image.

use std::borrow::Cow;

use crate::resample::{Clusters, Scorers};
use crate::{Predictions, Resampling, Result, Score};

/// Rounding: a permutation that gives the same difference is as extreme as it.
const SAME: f64 = 1e-12;

/// Of each metric p = (1 + #{|d*| ≥ |d|}) / (1 + n) over `n` random swaps of whole clusters, two-sided: d* is the difference where the
/// models have changed places for about half of the clusters. Of several pairs of runs d is the mean, and a cluster is swapped
/// in all pairs at once. An undefined d* counts as extreme. NaN where d is, and where the models have not the same number of runs.
pub fn permutation(
    a: &[Cow<Predictions>],
    b: &[Cow<Predictions>],
    metrics: &[Score],
    differences: &[f64],
    clusters: &Clusters,
    how: &Resampling,
) -> Result<Vec<f64>> {
    if a.len() != b.len() {
        return Ok(vec![f64::NAN; metrics.len()]);
    }
    let pair = |(a, b): (&Cow<Predictions>, &Cow<Predictions>)| {
        let mut both = a.clone().into_owned();
        both.extend(b)?;
        Ok(Scorers::of_swaps(metrics, &both, clusters))
    };
    let pairs: Vec<Scorers> = a.iter().zip(b).map(pair).collect::<Result<_>>()?;
    let swapped = how.swaps(clusters, &pairs);
    let p = |(at, difference): (usize, &f64)| {
        if difference.is_nan() {
            return f64::NAN;
        }
        let is_extreme = |drawn: f64| drawn.is_nan() || drawn.abs() >= difference.abs() - SAME;
        let extreme = swapped.iter().filter(|drawn| is_extreme(drawn[at])).count();
        (1 + extreme) as f64 / (1.0 + f64::from(how.resamples))
    };
    Ok(differences.iter().enumerate().map(p).collect())
}
