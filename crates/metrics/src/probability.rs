//! Metrics of the probabilities themselves: proper scoring rules.

use crate::Predictions;

/// −mean ln p_label, with p clipped to [ε, 1 − ε], ε = 2⁻⁵² as scikit-learn's for doubles. In nats; lower is better.
/// NaN without images.
pub fn log_loss(predictions: &Predictions) -> f64 {
    let clipped = |p: f64| p.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
    mean(predictions, |row, label| -clipped(row[label]).ln())
}

/// mean Σ_c (p_c − y_c)², halved for fewer than three classes (then it is Brier's (p_1 − y_1)²). Lower is better.
/// NaN without images.
pub fn brier(predictions: &Predictions) -> f64 {
    let scale = if predictions.classes.len() < 3 { 0.5 } else { 1.0 };
    scale
        * mean(predictions, |row, label| {
            row.iter().enumerate().map(|(class, p)| (p - f64::from(u8::from(class == label))).powi(2)).sum()
        })
}

fn mean(predictions: &Predictions, of: impl Fn(&[f64], usize) -> f64) -> f64 {
    let sum: f64 =
        predictions.rows().zip(&predictions.labels).map(|(row, &label)| of(row, label as usize)).sum();
    sum / predictions.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let mut p = Predictions::new(&["a", "b", "c"].map(str::to_owned));
        p.push("1", None, 0, &[0.5, 0.25, 0.25]).unwrap();
        p.push("2", None, 2, &[0.0, 0.75, 0.25]).unwrap();
        assert_eq!(log_loss(&p), (2f64.ln() + 4f64.ln()) / 2.0);
        assert_eq!(brier(&p), (0.25 + 2.0 * 0.0625 + 2.0 * 0.5625) / 2.0);
        p.push("3", None, 0, &[0.0, 1.0, 0.0]).unwrap();
        assert!((log_loss(&p) - (8f64.ln() + 52.0 * 2f64.ln()) / 3.0).abs() < 1e-14); // −ln ε = 52 ln 2
        let mut binary = Predictions::new(&["a", "b"].map(str::to_owned));
        binary.push("1", None, 0, &[0.75, 0.25]).unwrap();
        assert_eq!(brier(&binary), 0.0625);
    }
}
