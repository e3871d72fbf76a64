//! Every metric against scikit-learn, on random and degenerate cases (`tests/golden/metrics.py`).

use std::path::Path;

use serde_json::Value;
use tallow_metrics::{Average, Confusion, METRICS, Predictions, Summary, f1_interval, wilson};

const TOLERANCE: f64 = 1e-12;

/// What the first file does not have: `tests/golden/more_metrics.py`.
fn more() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/metrics/more.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn cases() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/metrics/cases.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    cases.remove(0); // who made them
    cases
}

fn predictions(case: &Value) -> Predictions {
    let classes: Vec<String> = (0..case["classes"].as_u64().unwrap()).map(|c| format!("class {c}")).collect();
    let mut predictions = Predictions::new(&classes);
    let rows = case["probabilities"].as_array().unwrap();
    for (index, (label, row)) in case["labels"].as_array().unwrap().iter().zip(rows).enumerate() {
        let row: Vec<f64> =
            row.as_array().unwrap().iter().map(|p| p.as_str().unwrap().parse().unwrap()).collect();
        predictions.push(&index.to_string(), None, label.as_u64().unwrap() as u32, &row).unwrap();
    }
    assert_eq!(predictions.len(), rows.len());
    predictions
}

#[track_caller]
fn same(got: f64, expected: &Value, what: &str) {
    match expected.as_f64() {
        None => assert!(got.is_nan(), "{what}: got {got}, scikit-learn says undefined"),
        Some(expected) => {
            assert!((got - expected).abs() <= TOLERANCE, "{what}: got {got}, scikit-learn {expected}")
        }
    }
}

#[test]
fn metrics_equal_scikit_learn() {
    let (mut compared, mut without) = (0, 0);
    let more = more();
    for case in cases() {
        let more = &more["cases"][case["name"].as_str().unwrap()];
        let predictions = predictions(&case);
        for metric in METRICS {
            let what = format!("{} of {}", metric.name, case["name"]);
            let got = (metric.of)(&predictions);
            match case["expected"].get(metric.name).or_else(|| more.get(metric.name)) {
                Some(expected) => {
                    same(got, expected, &what);
                    compared += 1;
                }
                // scikit-learn has no top-k of two classes.
                None => {
                    assert!(
                        metric.name.starts_with("top_") && predictions.classes.len() == 2,
                        "{what}: no golden"
                    );
                    assert_eq!(got, 1.0, "{what}");
                    without += 1;
                }
            }
        }
    }
    assert_eq!((compared + without, without), (23 * 31, 5 * 3)); // cases · metrics; cases of two classes · top-k
}

#[test]
fn classes_and_confusion_equal_scikit_learn() {
    let mut compared = 0;
    for case in cases() {
        let predictions = predictions(&case);
        let summary = Summary::of(&predictions);
        let expected = &case["expected"];
        assert_eq!(
            serde_json::to_value(&summary.confusion).unwrap(),
            expected["confusion"],
            "{}",
            case["name"]
        );
        assert_eq!(Confusion::of(&predictions).rows(), summary.confusion);
        let got = serde_json::to_value(&summary.per_class).unwrap();
        for (name, values) in expected["per_class"].as_object().unwrap() {
            for (class, value) in values.as_array().unwrap().iter().enumerate() {
                let what = format!("{name} of class {class} of {}", case["name"]);
                same(got[class][name].as_f64().unwrap_or(f64::NAN), value, &what);
                compared += 1;
            }
            assert_eq!(values.as_array().unwrap().len(), predictions.classes.len());
        }
    }
    assert_eq!(compared, 7 * 85); // numbers · classes of all cases
}

#[test]
fn intervals_by_formula_equal_statsmodels_and_the_delta_method() {
    let more = more();
    let ends = |got: (f64, f64), expected: &Value, what: &str| {
        same(got.0, &expected[0], what);
        same(got.1, &expected[1], what);
    };
    for case in more["wilson"].as_array().unwrap() {
        let number = |key: &str| case[key].as_u64().unwrap();
        let level = case["level"].as_f64().unwrap();
        ends(wilson(number("successes"), number("trials"), level).unwrap(), &case["interval"], "wilson");
    }
    assert_eq!(more["wilson"].as_array().unwrap().len(), 6);
    let mut compared = 0;
    for case in cases() {
        let confusion = Confusion::of(&predictions(&case));
        let name = case["name"].as_str().unwrap();
        for (average, key) in [(Average::Micro, "micro_f1_interval"), (Average::Macro, "macro_f1_interval")] {
            ends(f1_interval(&confusion, average, 0.95).unwrap(), &more["cases"][name][key], name);
            compared += 1;
        }
    }
    assert_eq!(compared, 2 * 23);
}
