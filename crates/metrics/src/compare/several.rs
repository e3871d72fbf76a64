//! How sure the mean over several runs (seeds) of one model is.

use serde::Serialize;

use super::align::aligned;
use super::runs::{Runs, drawn, mean_of};
use crate::resample::{Clusters, Scorers, defined, percentiles};
use crate::{Error, Metric, Predictions, Resampling, Result, Score};

/// A metric of several runs. An undefined number is NaN here and `null` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RunsInterval {
    /// Over the runs.
    pub mean: f64,
    /// The standard deviation over the runs (n − 1); NaN of one run.
    pub sd: f64,
    /// The ends of the interval of the mean.
    pub low: f64,
    pub high: f64,
}

/// Each metric of several runs of one model on the same images, with the percentile bootstrap interval of its mean.
///
/// A resample draws images, or groups, the same for all runs and metrics, and of k > 1 runs k − 1 with replacement, as
/// [`super::compare_runs`] does: both sources of chance are in the interval. Of one run it is [`crate::intervals`], to the bit.
///
/// # Errors
/// [`Error::Argument`] for a level outside of (0, 1), no resamples, or no runs; what [`Predictions::validate`] finds;
/// [`Error::Shape`] unless the runs have the same classes and the same images with the same labels, in any order.
pub fn intervals_of_runs(
    runs: &[&Predictions],
    metrics: &[&Metric],
    how: &Resampling,
) -> Result<Vec<RunsInterval>> {
    how.check()?;
    if runs.is_empty() {
        return Err(Error::Argument("runs: expected at least one, got none".to_owned()));
    }
    let aligned = aligned(runs)?;
    let clusters = Clusters::of(&aligned[0], how.by_group);
    let metrics: Vec<Score> = metrics.iter().map(|&metric| metric.into()).collect();
    let scored: Vec<Runs> = metrics.iter().map(|metric| Runs::new(metric, &aligned)).collect();
    let scorers: Vec<Scorers> =
        aligned.iter().map(|run| Scorers::of_draws(&metrics, run, &clusters)).collect();
    let values = how.bootstrap(&clusters, &scorers, |seed, scores, lane| {
        // How often each run is drawn is one draw, whatever the metric.
        let times = drawn(runs.len(), &mut seed.fold("runs", 0).rng());
        (0..metrics.len()).map(|metric| mean_of(&times, scores, metric, lane)).collect::<Vec<f64>>()
    });
    let of = |(at, runs): (usize, &Runs)| {
        let resampled = defined(values.iter().map(|values| values[at]).collect());
        let (low, high) = percentiles(&resampled, how.level);
        RunsInterval { mean: runs.mean(), sd: runs.deviation(), low, high }
    };
    Ok(scored.iter().enumerate().map(of).collect())
}

#[cfg(test)]
mod tests {
    use tallow_seed::Seed;

    use super::intervals_of_runs;
    use crate::random::random;
    use crate::{METRICS, Metric, Predictions, Resampling, find, intervals};

    fn how(by_group: bool) -> Resampling {
        Resampling { resamples: 300, level: 0.9, by_group, seed: Seed::new(1) }
    }

    #[test]
    fn of_one_run_it_is_the_interval() {
        let run = random(60, 3, true, 4);
        let metrics: Vec<&Metric> = METRICS.iter().collect();
        let several = intervals_of_runs(&[&run], &metrics, &how(true)).unwrap();
        let single = intervals(&run, &metrics, &how(true)).unwrap();
        for ((metric, several), single) in metrics.iter().zip(several).zip(single) {
            let bits = |ends: (f64, f64)| (ends.0.to_bits(), ends.1.to_bits());
            assert_eq!(bits((several.low, several.high)), bits(single), "{}", metric.name);
            assert_eq!(several.mean.to_bits(), (metric.of)(&run).to_bits(), "{}", metric.name);
            assert!(several.sd.is_nan());
        }
    }

    /// Runs that differ make the interval wider than their images alone do, and a run in another order is the same run.
    #[test]
    fn the_runs_are_in_it() {
        let accuracy = find("accuracy").unwrap();
        let good = random(60, 3, false, 4);
        let mut bad = good.clone();
        // Wrong about nearly everything.
        bad.probabilities.chunks_mut(3).zip(&good.labels).for_each(|(row, &label)| {
            row.fill(0.0);
            row[(label as usize + 1) % 3] = 1.0;
        });
        let of = |runs: &[&Predictions]| intervals_of_runs(runs, &[accuracy], &how(false)).unwrap()[0];
        let (same, differing) = (of(&[&good, &good]), of(&[&good, &bad]));
        let (a, b) = ((accuracy.of)(&good), (accuracy.of)(&bad));
        assert_eq!((differing.mean, b), (a / 2.0, 0.0));
        assert!((differing.sd - a / 2f64.sqrt()).abs() < 1e-15 && same.sd == 0.0);
        assert_eq!((same.low, same.high), (of(&[&good]).low, of(&[&good]).high));
        assert!(differing.low == 0.0 && differing.high > same.mean, "{differing:?} {same:?}");
        assert!(
            intervals_of_runs(&[], &[accuracy], &how(false))
                .unwrap_err()
                .to_string()
                .contains("at least one")
        );
    }
}
