//! The list of metrics: what `select:` and `tallow list` know.

use crate::confusion::Average::{Macro, Micro, Weighted};
use crate::ranking::{self, Area};
use crate::{Confusion, Predictions, probability};

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
}

impl Better {
    /// Whether `a` is strictly better than `b`. NaN is never better; any number is better than NaN.
    pub fn beats(self, a: f64, b: f64) -> bool {
        match self {
            _ if a.is_nan() => false,
            _ if b.is_nan() => true,
            Better::Higher => a > b,
            Better::Lower => a < b,
        }
    }
}

/// A number read from predictions.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// snake_case, as in `select: macro_f1`.
    pub name: &'static str,
    /// Formula, and what is done with absent classes.
    pub summary: &'static str,
    pub of: fn(&Predictions) -> f64,
    pub better: Better,
    /// What it is of, for those who compute it of thousands of resamples.
    pub(crate) form: Form,
}

/// What a metric is a function of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// Of how many images of each class were predicted as which.
    Counts(fn(&Confusion) -> f64),
    /// The mean over images of a number of row and label.
    Mean(fn(&[f64], usize) -> f64),
    /// The calibration error in bins of equal width, of the largest probability or, as a mean, of that of each class.
    Bins { classwise: bool },
    /// The calibration error in bins of equal mass.
    Masses,
    /// The mean over classes of an area, by support or not.
    Areas(Area, bool),
}

/// A metric of the confusion.
macro_rules! counts {
    ($better:ident, $name:literal, $summary:literal, $of:expr) => {
        Metric {
            name: $name,
            summary: $summary,
            of: |predictions| {
                let of: fn(&Confusion) -> f64 = $of;
                of(&Confusion::of(predictions))
            },
            better: Better::$better,
            form: Form::Counts($of),
        }
    };
}

/// A mean over images.
macro_rules! means {
    ($better:ident, $name:literal, $summary:literal, $of:expr) => {
        Metric {
            name: $name,
            summary: $summary,
            of: |predictions| probability::mean(predictions, $of),
            better: Better::$better,
            form: Form::Mean($of),
        }
    };
}

/// A mean over classes of the area under a curve.
macro_rules! areas {
    ($better:ident, $name:literal, $summary:literal, $area:expr, $weighted:literal) => {
        Metric {
            name: $name,
            summary: $summary,
            of: |predictions| $area.mean(predictions, $weighted),
            better: Better::$better,
            form: Form::Areas($area, $weighted),
        }
    };
}

/// Every metric, in the order in which they are listed.
pub const METRICS: &[Metric] = &[
    counts!(Higher, "accuracy", "images predicted right / images", |c| c.accuracy()),
    counts!(Higher, "micro_f1", "F1 of the counts summed over classes; equals accuracy", |c| c
        .mean_f1(Micro)),
    counts!(
        Higher,
        "macro_f1",
        "mean over classes of 2 TP / (2 TP + FP + FN); absent classes count 0",
        |c| c.mean_f1(Macro)
    ),
    counts!(Higher, "weighted_f1", "mean F1, weighted by support", |c| c.mean_f1(Weighted)),
    counts!(Higher, "balanced_accuracy", "mean recall over the classes that are present", |c| c
        .balanced_accuracy()),
    areas!(
        Higher,
        "auroc",
        "mean one-vs-rest area under the ROC curve, where defined; of two classes, of class 1",
        Area::Roc,
        false
    ),
    areas!(
        Higher,
        "auroc_weighted",
        "one-vs-rest area under the ROC curve, weighted by support",
        Area::Roc,
        true
    ),
    areas!(
        Higher,
        "average_precision",
        "mean one-vs-rest Σ (R_k − R_(k−1)) P_k; absent classes count 0; of two classes, of class 1",
        Area::Precision,
        false
    ),
    areas!(
        Higher,
        "average_precision_weighted",
        "one-vs-rest average precision, weighted by support",
        Area::Precision,
        true
    ),
    means!(
        Lower,
        "log_loss",
        "−mean ln p of the label, in nats, p clipped to [2⁻⁵², 1 − 2⁻⁵²]",
        probability::surprise
    ),
    means!(Lower, "brier", "mean Σ (p − y)², halved for two classes", probability::square),
    Metric {
        name: "ece",
        summary: "expected calibration error: Σ (n_b / n) |accuracy_b − confidence_b| over 15 bins of equal width of the largest probability",
        of: probability::ece,
        better: Better::Lower,
        form: Form::Bins { classwise: false },
    },
    counts!(
        Higher,
        "mcc",
        "Matthews' correlation of truth and prediction; 0 if one of them is constant",
        |c| c.mcc()
    ),
    counts!(Higher, "kappa", "Cohen's kappa, 1 − disagreement / disagreement by chance", |c| c.kappa()),
    counts!(
        Higher,
        "macro_precision",
        "mean over classes of TP / (TP + FP); classes never predicted count 0",
        |c| c.mean_precision(Macro)
    ),
    counts!(Higher, "macro_recall", "mean over classes of TP / (TP + FN); absent classes count 0", |c| c
        .mean_recall(Macro)),
    counts!(Higher, "macro_specificity", "mean over classes of TN / (TN + FP)", |c| c.macro_specificity()),
    counts!(Higher, "weighted_precision", "mean precision, weighted by support", |c| c
        .mean_precision(Weighted)),
    counts!(Higher, "weighted_recall", "mean recall, weighted by support; equals accuracy", |c| c
        .mean_recall(Weighted)),
    counts!(Higher, "micro_precision", "precision of the counts summed over classes; equals accuracy", |c| c
        .mean_precision(Micro)),
    counts!(Higher, "micro_recall", "recall of the counts summed over classes; equals accuracy", |c| c
        .mean_recall(Micro)),
    means!(
        Higher,
        "top_2_accuracy",
        "images whose label is among the 2 most probable classes / images",
        |row, label| top(row, label, 2)
    ),
    means!(
        Higher,
        "top_3_accuracy",
        "images whose label is among the 3 most probable classes / images",
        |row, label| top(row, label, 3)
    ),
    means!(
        Higher,
        "top_5_accuracy",
        "images whose label is among the 5 most probable classes / images",
        |row, label| top(row, label, 5)
    ),
    counts!(
        Higher,
        "quadratic_kappa",
        "Cohen's kappa with weights (i − j)², for classes that have an order, such as grades",
        |c| c.quadratic_kappa()
    ),
    counts!(Higher, "macro_f2", "mean over classes of 5 TP / (5 TP + 4 FN + FP): recall counts more", |c| c
        .mean_f_beta(Macro, 2.0)),
    counts!(
        Higher,
        "macro_f0_5",
        "mean over classes of 5 TP / (5 TP + FN + 4 FP): precision counts more",
        |c| c.mean_f_beta(Macro, 0.5)
    ),
    counts!(
        Higher,
        "macro_npv",
        "mean over classes of TN / (TN + FN), the negative predictive value; classes always predicted count 0",
        |c| c.macro_negative_predictive_value()
    ),
    areas!(
        Higher,
        "partial_auroc",
        "auroc up to a false positive rate of 0.1, standardised: ½ is chance, 1 perfect",
        Area::Partial(0.1),
        false
    ),
    areas!(
        Higher,
        "sensitivity_at_90_specificity",
        "mean one-vs-rest sensitivity of the lowest threshold with a specificity of at least 0.9, where defined; of two classes, of class 1",
        Area::SensitivityAt(0.9),
        false
    ),
    Metric {
        name: "classwise_ece",
        summary: "mean over classes of Σ (n_b / n) |share_b − probability_b| over 15 bins of equal width of the class's probability",
        of: probability::classwise_ece,
        better: Better::Lower,
        form: Form::Bins { classwise: true },
    },
    Metric {
        name: "equal_mass_ece",
        summary: "ece over 15 bins that hold equally many images (adaptive binning)",
        of: probability::equal_mass_ece,
        better: Better::Lower,
        form: Form::Masses,
    },
];

/// 1 where the label is among the `k` most probable classes, else 0.
fn top(row: &[f64], label: usize, k: usize) -> f64 {
    f64::from(u8::from(ranking::among_top(row, label, k)))
}

/// The metric of that name.
pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

#[cfg(test)]
mod tests {
    use super::{Better, METRICS, find};

    #[test]
    fn names_are_found_and_different() {
        for (index, metric) in METRICS.iter().enumerate() {
            assert_eq!(find(metric.name).unwrap().name, metric.name);
            assert!(METRICS[..index].iter().all(|other| other.name != metric.name), "{} twice", metric.name);
            assert!(metric.summary.len() > 10, "{}", metric.name);
        }
    }

    #[test]
    fn nan_never_wins() {
        assert!(Better::Higher.beats(1.0, 0.5) && !Better::Higher.beats(0.5, 0.5));
        assert!(Better::Lower.beats(0.5, 1.0) && !Better::Lower.beats(1.0, 0.5));
        for better in [Better::Higher, Better::Lower] {
            assert!(
                !better.beats(f64::NAN, 0.0)
                    && better.beats(0.0, f64::NAN)
                    && !better.beats(f64::NAN, f64::NAN)
            );
        }
    }
}
