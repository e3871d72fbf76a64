//! Several runs (seeds) of one model.

use std::borrow::Cow;

use tallow_seed::Rng;

use crate::resample::Scores;
use crate::{Predictions, Score};

/// The runs of a model by one metric.
pub struct Runs {
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
    pub fn new(metric: &Score, runs: &[Cow<Predictions>]) -> Runs {
        Runs { values: runs.iter().map(|run| metric.of(run)).collect() }
    }

    /// The mean of the metric over runs.
    pub fn mean(&self) -> f64 {
        mean(&self.values)
    }

    /// The standard deviation of the metric over runs, n − 1 below the sum; NaN of one run.
    pub fn deviation(&self) -> f64 {
        standard_deviation(&self.values)
    }
}

/// How often each of `k` runs is drawn: of one run once, of k runs k − 1 in all.
pub fn drawn(k: usize, rng: &mut Rng) -> Vec<u32> {
    let mut times = vec![0; k];
    match k {
        1 => times[0] = 1,
        _ => (1..k).for_each(|_| times[rng.below(k as u32) as usize] += 1),
    }
    times
}

/// The mean over drawn runs of what the metric at a place says of a draw.
pub fn mean_of(times: &[u32], runs: &[Scores], metric: usize, lane: usize) -> f64 {
    let drawn = runs.iter().zip(times).filter(|(_, times)| **times > 0);
    let sum: f64 = drawn.map(|(scores, &times)| f64::from(times) * scores.values[metric][lane]).sum();
    sum / f64::from(times.iter().sum::<u32>())
}
