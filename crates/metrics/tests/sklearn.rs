//! Every metric against scikit-learn, on random and degenerate cases (`tests/golden/metrics.py`).

mod cases;

use cases::{cases, golden, predictions};
use serde_json::Value;
use tallow_metrics::{
    Average, Confusion, METRICS, Summary, f1_interval, precision_recall_curve, reliability, roc_curve, wilson,
};

const TOLERANCE: f64 = 1e-12;

/// What the first file does not have: `tests/golden/more_metrics.py`.
fn more() -> Value {
    golden("more.json")
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
    assert_eq!((compared + without, without), (23 * 32, 5 * 3)); // cases · metrics; cases of two classes · top-k
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

/// An infinite threshold is null.
#[track_caller]
fn all_same(got: impl ExactSizeIterator<Item = f64>, expected: &Value, what: &str) {
    let expected = expected.as_array().unwrap();
    assert_eq!(got.len(), expected.len(), "{what}");
    for (got, expected) in got.zip(expected) {
        let expected = expected.as_f64().unwrap_or(f64::INFINITY);
        assert!(
            got == expected || (got - expected).abs() <= TOLERANCE,
            "{what}: got {got}, scikit-learn {expected}"
        );
    }
}

#[test]
fn curves_equal_scikit_learn() {
    let golden = golden("curves.json");
    let (mut rocs, mut precisions) = (0, 0);
    for case in cases() {
        let predictions = predictions(&case);
        let expected = &golden["cases"][case["name"].as_str().unwrap()];
        for class in 0..predictions.classes.len() {
            let what = |curve: &str| format!("{curve} of class {class} of {}", case["name"]);
            let (of, roc) = (&expected["classes"][class]["roc"], roc_curve(&predictions, class));
            if of.is_null() {
                assert!(roc.is_empty(), "{}", what("roc"));
            } else {
                let what = what("roc");
                all_same(roc.iter().map(|point| point.threshold), &of["threshold"], &what);
                all_same(
                    roc.iter().map(|point| point.false_positive_rate),
                    &of["false_positive_rate"],
                    &what,
                );
                all_same(roc.iter().map(|point| point.true_positive_rate), &of["true_positive_rate"], &what);
                rocs += 1;
            }
            let of = &expected["classes"][class]["precision_recall"];
            let mut curve = precision_recall_curve(&predictions, class);
            if of.is_null() {
                assert!(curve.is_empty(), "{}", what("precision_recall"));
                continue;
            }
            let what = what("precision_recall");
            curve.reverse();
            all_same(curve.iter().map(|point| point.threshold), &of["threshold"], &what);
            // scikit-learn's last point is of no threshold.
            let ended = |values: Vec<f64>, end: f64| [values, vec![end]].concat().into_iter();
            let recalls = curve.iter().map(|point| point.recall).collect();
            all_same(ended(recalls, 0.0), &of["recall"], &what);
            let values = curve.iter().map(|point| point.precision).collect();
            all_same(ended(values, 1.0), &of["precision"], &what);
            precisions += 1;
        }
        let bins: Vec<_> = reliability(&predictions).into_iter().filter(|bin| bin.images > 0).collect();
        let (of, what) = (&expected["calibration"], format!("calibration of {}", case["name"]));
        all_same(bins.iter().map(|bin| bin.accuracy()), &of["right"], &what);
        all_same(bins.iter().map(|bin| bin.confidence), &of["confidence"], &what);
    }
    assert_eq!((rocs, precisions), (59, 66));
}
