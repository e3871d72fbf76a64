//! The numbers of a run in one place: what `tallow eval --json` prints and `metrics.json` holds.

use rayon::prelude::*;
use serde::Serialize;

use crate::confusion::Average::{Macro, Micro, Weighted};
use crate::ranking::{self, ClassAreas};
use crate::{Confusion, Predictions, probability};

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
    /// The metric of that name, where it is one of the fields.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let all = [
            ("accuracy", self.accuracy),
            ("micro_f1", self.micro_f1),
            ("macro_f1", self.macro_f1),
            ("weighted_f1", self.weighted_f1),
            ("balanced_accuracy", self.balanced_accuracy),
            ("auroc", self.auroc),
            ("auroc_weighted", self.auroc_weighted),
            ("average_precision", self.average_precision),
            ("average_precision_weighted", self.average_precision_weighted),
            ("log_loss", self.log_loss),
            ("brier", self.brier),
            ("ece", self.ece),
            ("mcc", self.mcc),
            ("kappa", self.kappa),
            ("macro_precision", self.macro_precision),
            ("macro_recall", self.macro_recall),
            ("macro_specificity", self.macro_specificity),
        ];
        all.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Every number of `predictions`, which must be valid ([`Predictions::validate`]). Beside them it takes 8 bytes an image for each
    /// class whose images are being sorted: of one class on each thread.
    pub fn of(predictions: &Predictions) -> Summary {
        let classes = 0..predictions.classes.len();
        let areas = || classes.clone().into_par_iter().map(|class| ClassAreas::of(predictions, class));
        let (areas, (confusion, log_loss, brier, ece)) = rayon::join(
            || areas().collect::<Vec<_>>(),
            || {
                let of_rows = [probability::log_loss, probability::brier, probability::ece];
                let [log_loss, brier, ece] = of_rows.map(|of| of(predictions));
                (Confusion::of(predictions), log_loss, brier, ece)
            },
        );
        let per_class = predictions.classes.iter().enumerate().map(|(index, class)| ClassSummary {
            class: class.clone(),
            precision: confusion.precision(index),
            recall: confusion.recall(index),
            specificity: confusion.specificity(index),
            f1: confusion.f1(index),
            support: confusion.support(index),
            auroc: areas[index].roc,
            average_precision: areas[index].precision,
        });
        let mean = |weighted, of: fn(&ClassAreas) -> f64| {
            ranking::mean(areas.len(), weighted, |class| (of(&areas[class]), areas[class].positives))
        };
        Summary {
            images: predictions.len(),
            accuracy: confusion.accuracy(),
            micro_f1: confusion.mean_f1(Micro),
            macro_f1: confusion.mean_f1(Macro),
            weighted_f1: confusion.mean_f1(Weighted),
            balanced_accuracy: confusion.balanced_accuracy(),
            auroc: mean(false, |areas| areas.roc),
            auroc_weighted: mean(true, |areas| areas.roc),
            average_precision: mean(false, |areas| areas.precision),
            average_precision_weighted: mean(true, |areas| areas.precision),
            log_loss,
            brier,
            ece,
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
        let summary = Summary::of(&p);
        let json = serde_json::to_value(&summary).unwrap();
        let mut seen = 0;
        for (name, value) in json.as_object().unwrap() {
            if let Some(metric) = find(name) {
                let expected = (metric.of)(&p);
                assert_eq!(value.as_f64().unwrap_or(f64::NAN).to_bits(), expected.to_bits(), "{name}");
                assert_eq!(summary.metric(name).unwrap().to_bits(), expected.to_bits(), "{name}");
                seen += 1;
            }
        }
        assert_eq!((seen, summary.metric("images")), (17, None));
        assert_eq!(METRICS.len() - seen, 15); // micro and weighted precision and recall, top 2, 3, 5 and others: on demand
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
