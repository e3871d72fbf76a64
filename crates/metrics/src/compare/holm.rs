//! Several comparisons at once.

/// Holm's step-down correction: the k-th smallest of m p-values times m − k + 1, not below those before it, at most 1. In the order
/// of `p`; NaN stays NaN and does not count. Source: Holm 1979, Scandinavian Journal of Statistics 6, 65–70.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).filter(|&at| !p[at].is_nan()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut corrected = vec![f64::NAN; p.len()];
    let mut before: f64 = 0.0;
    for (rank, &at) in order.iter().enumerate() {
        before = before.max(p[at] * (order.len() - rank) as f64).min(1.0);
        corrected[at] = before;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::holm;

    #[test]
    fn as_statsmodels() {
        // statsmodels.stats.multitest.multipletests(p, method="holm")[1]
        let got = holm(&[0.01, 0.04, 0.03, 0.005]);
        let expected = [0.03, 0.06, 0.06, 0.02];
        assert!(got.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-15), "{got:?}");
        assert_eq!(holm(&[0.6, 0.7]), [1.0, 1.0]);
        let got = holm(&[0.01, f64::NAN, 0.02]);
        assert!(got[0] == 0.02 && got[1].is_nan() && got[2] == 0.02, "{got:?}");
    }
}
