//! The paired permutation test: were the models the same, it would not matter which of them said what of an image.

use std::borrow::Cow;

use crate::resample::{Clusters, Draw, Scorer};
use crate::{Metric, Predictions, Resampling, Result};

/// Rounding: a permutation that gives the same difference is as extreme as it.
const SAME: f64 = 1e-12;

/// p = (1 + #{|d*| ≥ |d|}) / (1 + n) over `n` random swaps of whole clusters, two-sided: d* is the difference where the models
/// have changed places for about half of the clusters. Of several pairs of runs d is the mean, and a cluster is swapped
/// in all pairs at once. An undefined d* counts as extreme. NaN where d is, and where the models have not the same number of runs.
pub fn permutation(
    a: &[Cow<Predictions>],
    b: &[Cow<Predictions>],
    metric: &Metric,
    difference: f64,
    clusters: &Clusters,
    how: &Resampling,
) -> Result<f64> {
    if a.len() != b.len() || difference.is_nan() {
        return Ok(f64::NAN);
    }
    let both = a.iter().zip(b).map(|(a, b)| {
        let mut both = a.clone().into_owned();
        both.extend(b)?;
        Ok(Scorer::new(metric, &both))
    });
    let both: Vec<Scorer> = both.collect::<Result<_>>()?;
    let extreme = how.each("permutation", |seed, draw| {
        let mut others = Draw::default();
        clusters.swap(&mut seed.rng(), draw, &mut others);
        let sum: f64 = both.iter().map(|both| both.of(&others) - both.of(draw)).sum();
        let drawn = sum / both.len() as f64;
        drawn.is_nan() || drawn.abs() >= difference.abs() - SAME
    });
    let extreme = extreme.into_iter().filter(|&extreme| extreme).count();
    Ok((1 + extreme) as f64 / (1.0 + f64::from(how.resamples)))
}
