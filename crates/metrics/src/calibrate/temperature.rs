//! One number for all logits.

use super::{logarithms, softmax};
use crate::{Error, Predictions, Result};

/// Where the inverse temperature is looked for. Beyond it, probabilities are all alike, or 0 and 1.
const RANGE: (f64, f64) = (1e-4, 1e4);
/// Halvings of the range's logarithm: more change no bit.
const HALVINGS: u32 = 80;

/// The temperature of the smallest log loss. In β = 1 / T the loss Σ ln Σ_c exp(β x_c) − β x_y, x = ln p, is convex: the root of its
/// slope Σ (Σ_c q_c x_c − x_y), q = softmax(β x), is the only minimum, and is found by bisection.
pub fn fit(predictions: &Predictions) -> Result<f64> {
    let rows: Vec<Vec<f64>> = predictions.rows().map(|row| logarithms(row).collect()).collect();
    let slope = |inverse: f64| -> f64 {
        let of = |(row, &label): (&Vec<f64>, &u32)| {
            let q = softmax(row.iter().map(|x| inverse * x));
            q.iter().zip(row).map(|(q, x)| q * x).sum::<f64>() - row[label as usize]
        };
        rows.iter().zip(&predictions.labels).map(of).sum()
    };
    let (mut low, mut high) = (RANGE.0.ln(), RANGE.1.ln());
    if slope(RANGE.0) >= 0.0 {
        return Err(Error::Argument(
            "no temperature is best: the label is no more probable than the other classes, so that ever flatter is ever better; \
             the network has learned nothing of these images"
                .to_owned(),
        ));
    }
    if slope(RANGE.1) <= 0.0 {
        return Err(Error::Argument(format!(
            "no temperature is best: all {} images are predicted right, so that ever surer is ever better; more images are needed",
            predictions.len()
        )));
    }
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if slope(middle.exp()) < 0.0 { low = middle } else { high = middle }
    }
    Ok((-0.5 * (low + high)).exp())
}
