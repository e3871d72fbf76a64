//! The list of metrics: what `select:` and `tallow list` know.

use crate::confusion::Average::{Macro, Micro, Weighted};
use crate::{Confusion, Predictions, probability, ranking};

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
}

/// Every metric, in the order in which they are listed.
pub const METRICS: &[Metric] = &[
    higher("accuracy", "images predicted right / images", |p| Confusion::of(p).accuracy()),
    higher("micro_f1", "F1 of the counts summed over classes; equals accuracy", |p| {
        Confusion::of(p).mean_f1(Micro)
    }),
    higher("macro_f1", "mean over classes of 2 TP / (2 TP + FP + FN); absent classes count 0", |p| {
        Confusion::of(p).mean_f1(Macro)
    }),
    higher("weighted_f1", "mean F1, weighted by support", |p| Confusion::of(p).mean_f1(Weighted)),
    higher("balanced_accuracy", "mean recall over the classes that are present", |p| {
        Confusion::of(p).balanced_accuracy()
    }),
    higher(
        "auroc",
        "mean one-vs-rest area under the ROC curve, where defined; of two classes, of class 1",
        ranking::auroc,
    ),
    higher(
        "auroc_weighted",
        "one-vs-rest area under the ROC curve, weighted by support",
        ranking::auroc_weighted,
    ),
    higher(
        "average_precision",
        "mean one-vs-rest Σ (R_k − R_(k−1)) P_k; absent classes count 0; of two classes, of class 1",
        ranking::average_precision,
    ),
    higher(
        "average_precision_weighted",
        "one-vs-rest average precision, weighted by support",
        ranking::average_precision_weighted,
    ),
    lower(
        "log_loss",
        "−mean ln p of the label, in nats, p clipped to [2⁻⁵², 1 − 2⁻⁵²]",
        probability::log_loss,
    ),
    lower("brier", "mean Σ (p − y)², halved for two classes", probability::brier),
    lower(
        "ece",
        "expected calibration error: Σ (n_b / n) |accuracy_b − confidence_b| over 15 bins of equal width of the largest probability",
        probability::ece,
    ),
    higher("mcc", "Matthews' correlation of truth and prediction; 0 if one of them is constant", |p| {
        Confusion::of(p).mcc()
    }),
    higher("kappa", "Cohen's kappa, 1 − disagreement / disagreement by chance", |p| {
        Confusion::of(p).kappa()
    }),
    higher("macro_precision", "mean over classes of TP / (TP + FP); classes never predicted count 0", |p| {
        Confusion::of(p).mean_precision(Macro)
    }),
    higher("macro_recall", "mean over classes of TP / (TP + FN); absent classes count 0", |p| {
        Confusion::of(p).mean_recall(Macro)
    }),
    higher("macro_specificity", "mean over classes of TN / (TN + FP)", |p| {
        Confusion::of(p).macro_specificity()
    }),
    higher("weighted_precision", "mean precision, weighted by support", |p| {
        Confusion::of(p).mean_precision(Weighted)
    }),
    higher("weighted_recall", "mean recall, weighted by support; equals accuracy", |p| {
        Confusion::of(p).mean_recall(Weighted)
    }),
    higher("micro_precision", "precision of the counts summed over classes; equals accuracy", |p| {
        Confusion::of(p).mean_precision(Micro)
    }),
    higher("micro_recall", "recall of the counts summed over classes; equals accuracy", |p| {
        Confusion::of(p).mean_recall(Micro)
    }),
    higher("top_2_accuracy", "images whose label is among the 2 most probable classes / images", |p| {
        ranking::top_k_accuracy(p, 2)
    }),
    higher("top_3_accuracy", "images whose label is among the 3 most probable classes / images", |p| {
        ranking::top_k_accuracy(p, 3)
    }),
    higher("top_5_accuracy", "images whose label is among the 5 most probable classes / images", |p| {
        ranking::top_k_accuracy(p, 5)
    }),
];

/// The metric of that name.
pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

const fn higher(name: &'static str, summary: &'static str, of: fn(&Predictions) -> f64) -> Metric {
    Metric { name, summary, of, better: Better::Higher }
}

const fn lower(name: &'static str, summary: &'static str, of: fn(&Predictions) -> f64) -> Metric {
    Metric { name, summary, of, better: Better::Lower }
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
