//! Quantiles of resampled values.

/// Sorted, without those that are undefined.
pub(crate) fn defined(mut values: Vec<f64>) -> Vec<f64> {
    values.retain(|value| !value.is_nan());
    values.sort_by(f64::total_cmp);
    values
}

/// The (1 ∓ level) / 2 quantiles of sorted values; NaN of none.
pub(crate) fn percentiles(sorted: &[f64], level: f64) -> (f64, f64) {
    (quantile(sorted, (1.0 - level) / 2.0), quantile(sorted, (1.0 + level) / 2.0))
}

/// Linear interpolation between the order statistics at q (n − 1), as numpy's.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = q * last as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[(at.floor() as usize + 1).min(last)]);
    low + (high - low) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::{defined, percentiles, quantile};

    #[test]
    fn quantiles_as_numpy() {
        // numpy.quantile([1, 2, 4, 8], [0, .25, .5, .9, 1])
        let got = [0.0, 0.25, 0.5, 0.9, 1.0].map(|q| quantile(&[1.0, 2.0, 4.0, 8.0], q));
        let expected = [1.0, 1.75, 3.0, 6.8, 8.0];
        assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{got:?}");
        assert_eq!(percentiles(&defined(vec![8.0, f64::NAN, 1.0, 4.0, 2.0]), 0.5), (1.75, 5.0));
        assert!(percentiles(&[], 0.5).0.is_nan());
    }
}
