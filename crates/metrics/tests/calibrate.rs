//! Calibration and decisions against scipy and scikit-learn (`tests/golden/calibrate.py`).

mod cases;

use cases::{cases, golden, predictions};
use serde_json::Value;
use tallow_metrics::{
    CalibrationMethod, Calibrator, ClassSets, Goal, Predictions, Risks, SetScore, Threshold, log_loss,
};

/// Each case that has golden values: its name, predictions and these.
fn known() -> Vec<(String, Predictions, Value)> {
    let golden = golden("calibrate.json");
    let known = |case: Value| {
        let name = case["name"].as_str().unwrap();
        Some((name.to_owned(), predictions(&case), golden.get(name)?.clone()))
    };
    let found: Vec<_> = cases().into_iter().filter_map(known).collect();
    assert_eq!(found.len(), 7);
    found
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[track_caller]
fn near(got: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (got - expected).abs() <= tolerance * expected.abs().max(1.0),
        "{what}: got {got}, expected {expected}"
    );
}

#[test]
fn the_temperature_is_scikit_learns() {
    for (name, predictions, expected) in known() {
        let calibrator = Calibrator::fit(CalibrationMethod::Temperature, &predictions).unwrap();
        let Calibrator::Temperature { temperature } = calibrator else { panic!("{name}") };
        let expected = &expected["temperature"];
        near(log_loss(&calibrator.predictions(&predictions)), number(&expected["log_loss"]), 1e-12, &name);
        // Where half of the probabilities are 0, the loss hardly moves with the temperature: scipy stops there.
        let tolerance = if number(&expected["temperature"]) > 100.0 { 1e-3 } else { 1e-7 };
        near(temperature, number(&expected["temperature"]), tolerance, &name);
    }
}

#[test]
fn weights_and_biases_have_the_least_loss() {
    for (name, predictions, expected) in known() {
        let calibrator = Calibrator::fit(CalibrationMethod::Vector, &predictions).unwrap();
        let Calibrator::Vector { weights, biases } = &calibrator else { panic!("{name}") };
        let prior: f64 = weights.iter().map(|w| (w - 1.0).powi(2)).chain(biases.iter().map(|b| b * b)).sum();
        let found = calibrator.predictions(&predictions);
        let surprises = found.rows().zip(&found.labels).map(|(row, label)| -row[*label as usize].ln());
        let loss = surprises.sum::<f64>() + 0.5 * prior;
        let least = number(&expected["vector"]["loss"]);
        assert!(loss <= least + 1e-9 * least, "{name}: {loss}, scipy {least}");
        let rows = expected["vector"]["probabilities"].as_array().unwrap();
        for (row, expected) in found.rows().zip(rows) {
            for (got, expected) in row.iter().zip(expected.as_array().unwrap()) {
                near(*got, number(expected), 1e-5, &name);
            }
        }
    }
}

#[test]
fn isotonic_functions_are_scikit_learns() {
    for (name, predictions, expected) in known() {
        let calibrator = Calibrator::fit(CalibrationMethod::Isotonic, &predictions).unwrap();
        for (key, of) in [("at_its_own", f64::from as fn(f64) -> f64), ("at_their_roots", f64::sqrt)] {
            let rows = expected["isotonic"][key].as_array().unwrap();
            for (row, expected) in predictions.rows().zip(rows) {
                let row: Vec<f64> = row.iter().copied().map(of).collect();
                for (got, expected) in calibrator.apply(&row).iter().zip(expected.as_array().unwrap()) {
                    near(*got, number(expected), 1e-12, &format!("{name} {key}"));
                }
            }
        }
    }
}

#[test]
fn thresholds_are_those_of_the_curve() {
    for (name, predictions, expected) in known() {
        for (class, expected) in predictions.classes.iter().zip(expected["thresholds"].as_array().unwrap()) {
            let choose = |goal| Threshold::choose(&predictions, class, goal);
            if expected.is_null() {
                choose(Goal::F1).unwrap_err();
                continue;
            }
            for (goal, key) in [(Goal::F1, "f1"), (Goal::Sensitivity(0.8), "sensitivity_0.8")] {
                match (number(&expected[key]), choose(goal)) {
                    // All images have at least that, which is no decision.
                    (0.0, found) => assert!(found.is_err(), "{name} {class}"),
                    (at, found) => assert_eq!(found.unwrap().at, at, "{name} {class}"),
                }
            }
        }
    }
}

#[test]
fn quantiles_of_sets_are_numpys() {
    for (name, predictions, expected) in known() {
        for (key, score) in [("lac", SetScore::Lac), ("aps", SetScore::Aps)] {
            let sets = ClassSets::fit(&predictions, score, 0.8, false).unwrap();
            near(sets.quantiles[0].unwrap(), number(&expected["sets"][key]), 1e-12, &format!("{name} {key}"));
        }
        near(Risks::of(&predictions).area(), number(&expected["area_under_risk"]), 1e-12, &name);
    }
}
