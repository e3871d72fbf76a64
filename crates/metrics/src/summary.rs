//! The numbers of a run in one place: what `tallow eval --json` prints and `metrics.json` holds.

use serde::Serialize;

use crate::confusion::Average::{Macro, Micro, Weighted};
use crate::{Confusion, Predictions, probability, ranking};

/// All numbers of some predictions. Fields are named as in [`crate::METRICS`]; an undefined number is NaN here and `null` in JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    pub images: usize,
    pub accuracy: f64,
    pub micro_f1: f64,
    pub macro_f1: f64,
    pub weighted_f1: f64,
    pub balanced_accuracy: f64,
    pub auroc: f64,
    pub auroc_weighted: f64,
    pub average_precision: f64,
    pub average_precision_weighted: f64,
    pub log_loss: f64,
    pub brier: f64,
    pub ece: f64,
    pub mcc: f64,
    pub kappa: f64,
    pub macro_precision: f64,
    pub macro_recall: f64,
    pub macro_specificity: f64,
    pub per_class: Vec<ClassSummary>,
    /// Row = truth, column = prediction, in class order.
    pub confusion: Vec<Vec<u64>>,
}

/// The numbers of one class against the rest.
#[derive(Clone, Debug, Serialize)]
pub struct ClassSummary {
    pub class: String,
    pub precision: f64,
    /// The sensitivity.
    pub recall: f64,
    pub specificity: f64,
    pub f1: f64,
    pub support: u64,
    pub auroc: f64,
    pub average_precision: f64,
}

impl Summary {
    /// Every number of `predictions`, which must be valid ([`Predictions::validate`]).
    pub fn of(predictions: &Predictions) -> Summary {
        let confusion = Confusion::of(predictions);
        let per_class = predictions.classes.iter().enumerate().map(|(index, class)| ClassSummary {
            class: class.clone(),
            precision: confusion.precision(index),
            recall: confusion.recall(index),
            specificity: confusion.specificity(index),
            f1: confusion.f1(index),
            support: confusion.support(index),
            auroc: ranking::auroc_of_class(predictions, index),
            average_precision: ranking::average_precision_of_class(predictions, index),
        });
        Summary {
            images: predictions.len(),
            accuracy: confusion.accuracy(),
            micro_f1: confusion.mean_f1(Micro),
            macro_f1: confusion.mean_f1(Macro),
            weighted_f1: confusion.mean_f1(Weighted),
            balanced_accuracy: confusion.balanced_accuracy(),
            auroc: ranking::auroc(predictions),
            auroc_weighted: ranking::auroc_weighted(predictions),
            average_precision: ranking::average_precision(predictions),
            average_precision_weighted: ranking::average_precision_weighted(predictions),
            log_loss: probability::log_loss(predictions),
            brier: probability::brier(predictions),
            ece: probability::ece(predictions),
            mcc: confusion.mcc(),
            kappa: confusion.kappa(),
            macro_precision: confusion.mean_precision(Macro),
            macro_recall: confusion.mean_recall(Macro),
            macro_specificity: confusion.macro_specificity(),
            per_class: per_class.collect(),
            confusion: confusion.rows(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::Summary;
    use crate::{METRICS, Predictions, find};

    fn predictions() -> Predictions {
        let mut p = Predictions::new(&["a", "b", "c"].map(str::to_owned));
        p.push("1", None, 0, &[0.5, 0.25, 0.25]).unwrap();
        p.push("2", None, 1, &[0.5, 0.25, 0.25]).unwrap();
        p
    }

    #[test]
    fn every_field_that_is_a_metric_is_that_metric() {
        let p = predictions();
        let json = serde_json::to_value(Summary::of(&p)).unwrap();
        let mut seen = 0;
        for (name, value) in json.as_object().unwrap() {
            if let Some(metric) = find(name) {
                let expected = (metric.of)(&p);
                assert_eq!(value.as_f64().unwrap_or(f64::NAN).to_bits(), expected.to_bits(), "{name}");
                seen += 1;
            }
        }
        assert_eq!(seen, 17);
        assert_eq!(METRICS.len() - seen, 14); // micro and weighted precision and recall, top 2, 3, 5 and others: on demand
    }

    #[test]
    fn undefined_numbers_are_null() {
        let json = serde_json::to_value(Summary::of(&predictions())).unwrap();
        assert_eq!(json["per_class"][2]["auroc"], Value::Null); // class c is absent
        assert_eq!(json["per_class"][2]["f1"], 0.0);
        assert_eq!(json["auroc"], 0.5);
        assert_eq!(json["confusion"], serde_json::json!([[1, 0, 0], [1, 0, 0], [0, 0, 0]]));
        let text = serde_json::to_string(&Summary::of(&Predictions::new(&["a".to_owned()]))).unwrap();
        assert!(text.starts_with(r#"{"images":0,"accuracy":null,"micro_f1":null,"#), "{text}");
    }
}
