//! What a checkpoint's calibration decides of images whose truth is known.

use crate::commands::calibrate::decided::Decided;
use crate::commands::calibrate::goals::{self, called_json};
use crate::wrap::wrapped;
use serde_json::{Value, json};
use tallow_metrics::{Called, Predictions, Risk, Risks, wilson};
use tallow_train::Calibration;

/// Shares of the surest images that are shown.
const COVERAGES: [f64; 4] = [0.95, 0.9, 0.8, 0.5];

/// The risk of the surest images; and of a calibration that decides, what became of the images.
pub struct Decisions {
    risks: Vec<(f64, Risk)>,
    area_under_risk: f64,
    called: Vec<(String, f64, Called)>,
    decided: Option<Decided>,
    sets: Option<Sets>,
}

struct Sets {
    stated: f64,
    covered: u64,
    images: u64,
    size: f64,
}

impl Decisions {
    /// Of calibrated predictions.
    pub fn of(calibration: Option<&Calibration>, predictions: &Predictions) -> Decisions {
        let sorted = Risks::of(predictions);
        let risk = |share: f64| Some((share, sorted.at(share)?));
        let thresholds = calibration.map_or(&[][..], |found| &found.thresholds);
        Decisions {
            risks: COVERAGES.into_iter().filter_map(risk).collect(),
            area_under_risk: sorted.area(),
            called: thresholds
                .iter()
                .filter_map(|of| Some((of.class.clone(), of.at, of.counts(predictions)?)))
                .collect(),
            decided: calibration.and_then(|found| Decided::of(found, predictions)),
            sets: calibration.and_then(|found| Sets::of(found, predictions)),
        }
    }

    pub fn as_json(&self) -> Value {
        let risk = |(share, risk): &(f64, Risk)| json!({ "surest": share, "risk": risk.wrong as f64 / risk.images as f64, "at": risk.at, "images": risk.images });
        let called = |(class, at, called): &(String, f64, Called)| {
            let mut json = called_json(class, called);
            json["at"] = json!(at);
            json
        };
        json!({
            "risk": self.risks.iter().map(risk).collect::<Vec<_>>(),
            "area_under_risk": self.area_under_risk,
            "thresholds": self.called.iter().map(called).collect::<Vec<_>>(),
            "decided": self.decided.as_ref().map(Decided::as_json),
            "sets": self.sets.as_ref().map(|of| json!({ "coverage": of.stated, "covered": of.covered as f64 / of.images as f64, "mean_size": of.size })),
        })
    }

    /// For a terminal; a row is an `image`, or a `group`.
    pub fn text(&self, row: &str) -> String {
        let mut lines = Vec::new();
        lines.extend(self.decided.iter().flat_map(|decided| decided.lines(row)));
        if let Some(of) = &self.sets {
            let (low, high) = wilson(of.covered, of.images, 0.95).unwrap_or((f64::NAN, f64::NAN));
            lines.push(format!(
                "sets stated to hold the truth in {:.1} %: they do in {:.1} % ({:.1} to {:.1}), with {:.2} classes on average",
                100.0 * of.stated,
                100.0 * of.covered as f64 / of.images as f64,
                100.0 * low,
                100.0 * high,
                of.size
            ));
        }
        let risks = self.risks.iter().map(|(share, risk)| {
            format!("{:.3} of the surest {:.0} %", risk.wrong as f64 / risk.images as f64, 100.0 * share)
        });
        let risks: Vec<String> = risks.collect();
        if !risks.is_empty() {
            lines.push(format!("wrong: {}", risks.join(", ")));
        }
        let called = self.called.iter().map(|(class, at, called)| goals::lines(class, *at, called) + "\n");
        called.chain(lines.iter().map(|line| wrapped(line, 0) + "\n")).collect()
    }
}

impl Sets {
    fn of(calibration: &Calibration, predictions: &Predictions) -> Option<Sets> {
        let sets = calibration.sets.as_ref().filter(|_| !predictions.is_empty())?;
        let (mut covered, mut size) = (0, 0);
        for (row, &label) in predictions.rows().zip(&predictions.labels) {
            let of = sets.of(row);
            covered += u64::from(of.contains(&(label as usize)));
            size += of.len();
        }
        let images = predictions.len() as u64;
        Some(Sets { stated: sets.coverage, covered, images, size: size as f64 / images as f64 })
    }
}
