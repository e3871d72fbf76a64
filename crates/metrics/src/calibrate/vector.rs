//! A weight and a bias for each class.

use super::{Calibrator, logarithms, softmax};
use crate::Predictions;

/// Newton's steps at most: the loss is convex, and a dozen do.
const STEPS: u32 = 100;
/// The largest slope, per image, that counts as none.
const FLAT: f64 = 1e-12;

/// The least Σ −ln softmax(w ∘ x + b)_y + ½ ‖w − 1‖² + ½ ‖b‖², x = ln p, by Newton's method with step halving. The prior keeps it
/// finite where classes can be told apart without error, and weighs as much as one image.
pub fn fit(predictions: &Predictions) -> Calibrator {
    let classes = predictions.classes.len();
    let rows: Vec<Vec<f64>> = predictions.rows().map(|row| logarithms(row).collect()).collect();
    let problem = Problem { rows, labels: &predictions.labels, classes };
    let mut at = [vec![1.0; classes], vec![0.0; classes]].concat();
    let mut loss = problem.loss(&at);
    for _ in 0..STEPS {
        let (slope, curvature) = problem.derivatives(&at);
        if slope.iter().all(|slope| slope.abs() <= FLAT * predictions.len() as f64) {
            break;
        }
        let step = solve(curvature, slope);
        let moved =
            |length: f64| -> Vec<f64> { at.iter().zip(&step).map(|(at, step)| at - length * step).collect() };
        let lengths = (0..30).map(|halvings| 0.5f64.powi(halvings));
        let Some((next, lower)) = lengths
            .map(moved)
            .map(|next| (problem.loss(&next), next))
            .find(|(lower, _)| *lower < loss)
            .map(|(lower, next)| (next, lower))
        else {
            break; // Nothing is lower, to rounding.
        };
        (at, loss) = (next, lower);
    }
    let biases = at.split_off(classes);
    Calibrator::Vector { weights: at, biases }
}

struct Problem<'a> {
    rows: Vec<Vec<f64>>,
    labels: &'a [u32],
    classes: usize,
}

impl Problem<'_> {
    fn scores<'b>(&self, row: &'b [f64], at: &'b [f64]) -> impl Iterator<Item = f64> + 'b {
        let (weights, biases) = at.split_at(self.classes);
        row.iter().zip(weights).zip(biases).map(|((x, w), b)| w * x + b)
    }

    fn loss(&self, at: &[f64]) -> f64 {
        let of = |(row, &label): (&Vec<f64>, &u32)| {
            let scores: Vec<f64> = self.scores(row, at).collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            largest + scores.iter().map(|score| (score - largest).exp()).sum::<f64>().ln()
                - scores[label as usize]
        };
        let data: f64 = self.rows.iter().zip(self.labels).map(of).sum();
        data + 0.5 * self.away(at).map(|away| away * away).sum::<f64>()
    }

    /// How far each number is from its prior's middle: w from 1, b from 0.
    fn away<'b>(&self, at: &'b [f64]) -> impl Iterator<Item = f64> + 'b {
        let classes = self.classes;
        at.iter().enumerate().map(move |(index, value)| value - f64::from(u8::from(index < classes)))
    }

    /// The slope (2C) and the curvature (2C, 2C), its lower triangle.
    fn derivatives(&self, at: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
        let (classes, size) = (self.classes, 2 * self.classes);
        let mut slope: Vec<f64> = self.away(at).collect();
        let mut curvature = vec![vec![0.0; size]; size];
        (0..size).for_each(|index| curvature[index][index] = 1.0);
        for (row, &label) in self.rows.iter().zip(self.labels) {
            let q = softmax(self.scores(row, at));
            for a in 0..classes {
                let residual = q[a] - f64::from(u8::from(a == label as usize));
                slope[a] += residual * row[a];
                slope[classes + a] += residual;
                for b in 0..=a {
                    // d²/ds_a ds_b = q_a ([a = b] − q_b), and s_c = w_c x_c + b_c.
                    let second = q[a] * (f64::from(u8::from(a == b)) - q[b]);
                    curvature[a][b] += second * row[a] * row[b];
                    curvature[classes + a][classes + b] += second;
                    curvature[classes + a][b] += second * row[b];
                    if a != b {
                        curvature[classes + b][a] += second * row[a];
                    }
                }
            }
        }
        (slope, curvature)
    }
}

/// x of A x = y by Cholesky's decomposition, A positive definite and given by its lower triangle.
fn solve(mut a: Vec<Vec<f64>>, mut y: Vec<f64>) -> Vec<f64> {
    let size = y.len();
    for j in 0..size {
        for i in j..size {
            let known: f64 = (0..j).map(|k| a[i][k] * a[j][k]).sum();
            let rest = a[i][j] - known;
            a[i][j] = if i == j { rest.sqrt() } else { rest / a[j][j] };
        }
        let known: f64 = (0..j).map(|k| a[j][k] * y[k]).sum();
        y[j] = (y[j] - known) / a[j][j];
    }
    for j in (0..size).rev() {
        let known: f64 = (j + 1..size).map(|k| a[k][j] * y[k]).sum();
        y[j] = (y[j] - known) / a[j][j];
    }
    y
}
