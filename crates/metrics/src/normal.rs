//! The normal distribution's tails and quantiles.

use std::f64::consts::{PI, SQRT_2};

/// P(|Z| ≥ |z|), Z standard normal: the two-sided p-value of a z score. To 1e-13 of itself.
pub(crate) fn two_sided(z: f64) -> f64 {
    complement(z.abs() / SQRT_2)
}

/// The z with P(|Z| < z) = level, such as 1.96 for 0.95.
pub(crate) fn z_of(level: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    loop {
        let z = (low + high) / 2.0;
        if z <= low || z >= high {
            return z;
        }
        if two_sided(z) > 1.0 - level {
            low = z;
        } else {
            high = z;
        }
    }
}

/// 1 − erf(x) = 2 / √π ∫ₓ^∞ exp(−t²) dt for x ≥ 0.
fn complement(x: f64) -> f64 {
    if x.is_nan() {
        return f64::NAN;
    }
    let scale = (-x * x).exp() / PI.sqrt();
    if x < 2.0 {
        // erf(x) = 2 exp(−x²) / √π Σ 2ⁿ x²ⁿ⁺¹ / (1 · 3 ⋯ (2n + 1)): all terms positive.
        let (mut term, mut sum, mut n) = (x, x, 0.0);
        while term > sum * f64::EPSILON / 4.0 {
            n += 1.0;
            term *= 2.0 * x * x / (2.0 * n + 1.0);
            sum += term;
        }
        return 1.0 - 2.0 * scale * sum;
    }
    // exp(−x²) / √π · 1 / (x + ½ / (x + 1 / (x + 3⁄2 / (x + …)))), from its end.
    let tail = (1..=200).rev().fold(x, |rest, k| x + f64::from(k) / 2.0 / rest);
    scale / tail
}

#[cfg(test)]
mod tests {
    use super::{two_sided, z_of};

    #[test]
    fn as_scipy() {
        // 2 * scipy.stats.norm.sf(z)
        for (z, expected) in [
            (0.0, 1.0),
            (0.1, 0.920_344_325_445_942),
            (-1.0, 0.317_310_507_862_914_15),
            (1.96, 0.049_995_790_296_440_87),
            (2.8, 0.005_110_260_660_855_864),
            (2.9, 0.003_731_626_600_768_075),
            (5.0, 5.733_031_437_583_866e-7),
            (20.0, 5.507_248_237_212_311e-89),
        ] {
            let got = two_sided(z);
            assert!((got / expected - 1.0f64).abs() < 1e-12, "{z}: {got}");
        }
        assert!(two_sided(f64::NAN).is_nan() && two_sided(f64::INFINITY) == 0.0);
        for (level, expected) in [(0.95, 1.959_963_984_540_054), (0.5, 0.674_489_750_196_081_7)] {
            assert!((z_of(level) - expected).abs() < 1e-12, "{level}: {}", z_of(level));
        }
    }
}
