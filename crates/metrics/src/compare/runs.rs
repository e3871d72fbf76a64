//! Several runs (seeds) of one model.

use std::borrow::Cow;

use tallow_seed::Rng;

use crate::resample::{Draw, Scorer};
use crate::{Metric, Predictions};

/// The runs of a model and their metric.
pub struct Runs {
    scorers: Vec<Scorer>,
    pub values: Vec<f64>,
}

/// Σ x / n; NaN of no number.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// √(Σ (x − mean)² / (n − 1)); NaN of one number or none.
pub fn standard_deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() as f64 - 1.0)).sqrt()
}

impl Runs {
    pub fn new(metric: &Metric, runs: &[Cow<Predictions>]) -> Runs {
        Runs {
            scorers: runs.iter().map(|run| Scorer::new(metric, run)).collect(),
            values: runs.iter().map(|run| (metric.of)(run)).collect(),
        }
    }

    /// The mean of the metric over runs.
    pub fn mean(&self) -> f64 {
        mean(&self.values)
    }

    /// The standard deviation of the metric over runs, n − 1 below the sum; NaN of one run.
    pub fn deviation(&self) -> f64 {
        standard_deviation(&self.values)
    }

    /// How often each run is drawn: of one run once, of k runs k − 1 in all.
    pub fn draw(&self, rng: &mut Rng) -> Vec<u32> {
        let k = self.scorers.len();
        let mut times = vec![0; k];
        match k {
            1 => times[0] = 1,
            _ => (1..k).for_each(|_| times[rng.below(k as u32) as usize] += 1),
        }
        times
    }

    /// The mean over drawn runs of the metric of drawn images.
    pub fn mean_of(&self, times: &[u32], draw: &Draw) -> f64 {
        let drawn = self.scorers.iter().zip(times).filter(|(_, times)| **times > 0);
        let sum: f64 = drawn.map(|(scorer, &times)| f64::from(times) * scorer.of(draw)).sum();
        sum / f64::from(times.iter().sum::<u32>())
    }
}
