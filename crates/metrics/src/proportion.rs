//! Intervals by formula, of proportions and of F1: beside the bootstrap, where images are independent.

use crate::confusion::Average;
use crate::normal::z_of;
use crate::resample::is_level;
use crate::{Confusion, Error, Result};

/// Wilson's interval of a proportion, such as accuracy, sensitivity or specificity:
/// (p + z²/2n ± z √(p (1 − p) / n + z²/4n²)) / (1 + z²/n). Never beyond 0 and 1, and sensible at both. (NaN, NaN) of nothing.
/// Source: Wilson 1927, Journal of the American Statistical Association 22, 209–212.
///
/// # Errors
/// [`Error::Argument`] for a level outside of (0, 1), or more successes than trials.
pub fn wilson(successes: u64, trials: u64, level: f64) -> Result<(f64, f64)> {
    is_level(level)?;
    if successes > trials {
        return Err(Error::Argument(format!(
            "successes: expected at most {trials}, the number of trials, got {successes}"
        )));
    }
    let (z, n) = (z_of(level), trials as f64);
    let p = successes as f64 / n;
    let centre = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    // At 0 and n one end is 0 or 1, but for rounding.
    let low = if successes == 0 && trials > 0 { 0.0 } else { (centre - half) / scale };
    let high = if successes == trials && trials > 0 { 1.0 } else { (centre + half) / scale };
    Ok((low, high))
}

/// Takahashi's interval of F1, value ± z · standard error, from the multinomial distribution of the confusion's cells by the delta
/// method: micro F1 has p (1 − p) / n, macro F1 the gradient's variance. With cells p_ij = n_ij / n, s_i = p_i. + p_.i and r classes
/// the gradient is 2 (1 − F1_i) / (r s_i) on the diagonal and −(F1_i / s_i + F1_j / s_j) / r beside it. Absent classes that were never
/// predicted count 0, without variance. Not cut at 0 and 1. (NaN, NaN) without images.
/// Source: Takahashi et al. 2022, Applied Intelligence 52, 4961–4972.
///
/// # Errors
/// [`Error::Argument`] for a level outside of (0, 1), or weighted F1, for which there is no formula.
pub fn f1_interval(confusion: &Confusion, average: Average, level: f64) -> Result<(f64, f64)> {
    is_level(level)?;
    let n = confusion.total() as f64;
    let value = confusion.mean_f1(average);
    let variance = match average {
        Average::Micro => value * (1.0 - value) / n,
        Average::Macro => macro_variance(confusion) / n,
        Average::Weighted => {
            let problem = "average: expected micro or macro, got weighted, of whose F1 no interval is known";
            return Err(Error::Argument(format!("{problem}; take a bootstrap")));
        }
    };
    let half = z_of(level) * variance.sqrt();
    Ok((value - half, value + half))
}

/// Of one image.
fn macro_variance(confusion: &Confusion) -> f64 {
    let (n, classes) = (confusion.total() as f64, confusion.classes());
    let per_class = |class: usize| {
        let s = (confusion.support(class) + confusion.predicted(class)) as f64 / n;
        if s > 0.0 { (confusion.f1(class), s) } else { (0.0, f64::INFINITY) }
    };
    let of: Vec<(f64, f64)> = (0..classes).map(per_class).collect();
    let (mut squares, mut mean) = (0.0, 0.0);
    for (i, (f_i, s_i)) in of.iter().enumerate() {
        for (j, (f_j, s_j)) in of.iter().enumerate() {
            let gradient = if i == j { 2.0 * (1.0 - f_i) / s_i } else { -(f_i / s_i + f_j / s_j) };
            let p = confusion.count(i, j) as f64 / n;
            squares += p * gradient * gradient;
            mean += p * gradient;
        }
    }
    (squares - mean * mean) / (classes * classes) as f64
}

#[cfg(test)]
mod tests {
    use super::{f1_interval, wilson};
    use crate::{Average, Confusion};

    #[test]
    fn ends_and_nothing() {
        assert_eq!((wilson(0, 20, 0.95).unwrap().0, wilson(20, 20, 0.95).unwrap().1), (0.0, 1.0));
        assert!(wilson(0, 0, 0.95).unwrap().0.is_nan());
        assert!(wilson(3, 2, 0.95).unwrap_err().to_string().starts_with("successes: expected at most 2"));
        assert!(wilson(1, 2, 95.0).unwrap_err().to_string().starts_with("level: "));
        let none = Confusion::new(2);
        assert!(f1_interval(&none, Average::Macro, 0.95).unwrap().0.is_nan());
        assert!(
            f1_interval(&none, Average::Weighted, 0.95).unwrap_err().to_string().starts_with("average: ")
        );
        let mut right = Confusion::new(2);
        right.add(0, 0);
        right.add(1, 1);
        assert_eq!(f1_interval(&right, Average::Macro, 0.95).unwrap(), (1.0, 1.0));
    }
}
