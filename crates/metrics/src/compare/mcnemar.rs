//! McNemar's exact test.

use crate::Predictions;

/// How many images only `a`, only `b` predicts right.
pub fn only(a: &Predictions, b: &Predictions) -> (u64, u64) {
    let (mut only_a, mut only_b) = (0, 0);
    for (index, &label) in a.labels.iter().enumerate() {
        let (right_a, right_b) = (a.predicted(index) == label, b.predicted(index) == label);
        only_a += u64::from(right_a && !right_b);
        only_b += u64::from(right_b && !right_a);
    }
    (only_a, only_b)
}

/// min(1, 2 P(X ≤ min(b, c))), X binomial(b + c, ½).
pub fn mcnemar(only_a: u64, only_b: u64) -> f64 {
    let n = (only_a + only_b) as f64;
    // Terms relative to the largest, the last: from it downwards C(n, k−1) / C(n, k) = k / (n − k + 1).
    let (mut term, mut sum, mut log) = (1.0, 1.0, -n * 2f64.ln());
    for k in 1..=only_a.min(only_b) {
        let k = k as f64;
        log += ((n - k + 1.0) / k).ln();
    }
    for k in (1..=only_a.min(only_b)).rev() {
        let k = k as f64;
        term *= k / (n - k + 1.0);
        sum += term;
    }
    (2.0 * sum * log.exp()).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::mcnemar;

    #[test]
    fn mcnemar_is_the_binomial_test() {
        // scipy.stats.binomtest(k, n, 0.5).pvalue
        for (a, b, expected) in [
            (0, 0, 1.0),
            (0, 5, 0.0625),
            (3, 3, 1.0),
            (10, 25, 0.016_673_847_800_120_715),
            (400, 520, 8.549_170_923_883_781e-5),
            (60_000, 61_000, 0.004_079_637_581_188_41), // 2⁻¹²¹⁰⁰⁰ is no number
        ] {
            let (got, turned) = (mcnemar(a, b), mcnemar(b, a));
            assert!((got / expected - 1.0f64).abs() < 1e-8 && got == turned, "{a} {b}: {got}");
        }
    }
}
