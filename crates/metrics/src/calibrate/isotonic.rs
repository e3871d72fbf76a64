//! A rising function for each class.

use super::{Calibrator, Rising};
use crate::Predictions;

/// Of each class against the rest, the rising function of p of the smallest squared error.
pub fn fit(predictions: &Predictions) -> Calibrator {
    let of_class = |class: usize| {
        let pairs = predictions.rows().zip(&predictions.labels);
        rising(
            pairs.map(|(row, &label)| (row[class], f64::from(u8::from(label as usize == class)))).collect(),
        )
    };
    Calibrator::Isotonic { functions: (0..predictions.classes.len()).map(of_class).collect() }
}

/// Pool adjacent violators: neighbours that fall are replaced by their mean until none do. Points of the same x count as one.
fn rising(mut points: Vec<(f64, f64)>) -> Rising {
    points.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    // First and last x, Σ y, how many.
    let mut blocks: Vec<(f64, f64, f64, f64)> = Vec::new();
    for tied in points.chunk_by(|a, b| a.0 == b.0) {
        let x = tied[0].0;
        let mut block = (x, x, tied.iter().map(|point| point.1).sum(), tied.len() as f64);
        while let Some(&(first, _, sum, count)) = blocks.last()
            && sum * block.3 >= block.2 * count
        {
            blocks.pop();
            block = (first, block.1, sum + block.2, count + block.3);
        }
        blocks.push(block);
    }
    let mut function = Rising::default();
    for (first, last, sum, count) in blocks {
        let mean = sum / count;
        function.from.push(first);
        function.to.push(mean);
        if last > first {
            function.from.push(last);
            function.to.push(mean);
        }
    }
    function
}

/// Each class's function, divided by their sum.
pub fn apply(functions: &[Rising], row: &[f64]) -> Vec<f64> {
    let values: Vec<f64> = functions.iter().zip(row).map(|(function, &p)| function.at(p)).collect();
    let sum: f64 = values.iter().sum();
    if sum > 0.0 {
        values.into_iter().map(|value| value / sum).collect()
    } else {
        vec![1.0 / values.len() as f64; values.len()]
    }
}

impl Rising {
    /// The value at `x`.
    pub fn at(&self, x: f64) -> f64 {
        let (from, to) = (&self.from, &self.to);
        let right = from.partition_point(|&point| point < x);
        if right == 0 {
            return to[0];
        }
        if right == from.len() {
            return to[right - 1];
        }
        let (left, share) = (right - 1, (x - from[right - 1]) / (from[right] - from[right - 1]));
        to[left] + share * (to[right] - to[left])
    }
}
