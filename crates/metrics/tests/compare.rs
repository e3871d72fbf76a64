//! Comparisons against DeLong's definition, scipy and statsmodels (`tests/golden/compare.py`).

use std::path::Path;

use serde_json::Value;
use tallow_metrics::{Predictions, Resampling, compare, delong, find, holm};
use tallow_seed::Seed;

fn cases() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/metrics/compare.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn run(case: &Value, of: &str) -> Predictions {
    let classes: Vec<String> = (0..case["classes"].as_u64().unwrap()).map(|c| format!("class {c}")).collect();
    let mut run = Predictions::new(&classes);
    let column = |name: &str, at: usize| case[name][at].as_u64().unwrap();
    for (at, row) in case[of].as_array().unwrap().iter().enumerate() {
        let row: Vec<f64> =
            row.as_array().unwrap().iter().map(|p| p.as_str().unwrap().parse().unwrap()).collect();
        let group = column("groups", at).to_string();
        run.push(&at.to_string(), Some(&group), column("labels", at) as u32, &row).unwrap();
    }
    run
}

#[track_caller]
fn same(got: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((got - expected).abs() <= 1e-12 * expected.abs().max(1e-3), "{what}: {got}, expected {expected}");
}

#[test]
fn delong_is_its_definition() {
    let mut compared = 0;
    for case in &cases()[1..] {
        let (a, b) = (run(case, "a"), run(case, "b"));
        for (by_group, of) in [(false, "delong"), (true, "delong_by_group")] {
            let got = serde_json::to_value(delong(&a, &b, by_group).unwrap()).unwrap();
            for (name, value) in case["expected"][of].as_object().unwrap() {
                same(got[name].as_f64().unwrap(), value, &format!("{name} of {of} of {}", case["name"]));
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 4 * 2 * 7);
}

#[test]
fn mcnemar_is_statsmodels_and_the_permutation_test_scipys() {
    for case in &cases()[1..] {
        let how = Resampling { resamples: 40_000, level: 0.95, by_group: false, seed: Seed::new(1) };
        let got = compare(&run(case, "a"), &run(case, "b"), find("accuracy").unwrap(), &how).unwrap();
        let expected = &case["expected"];
        assert_eq!(got.only_a, expected["mcnemar"]["only_a"].as_u64());
        assert_eq!(got.only_b, expected["mcnemar"]["only_b"].as_u64());
        same(got.p_mcnemar.unwrap(), &expected["mcnemar"]["p"], "mcnemar");
        let scipy = expected["permutation_of_accuracy"].as_f64().unwrap();
        let five_deviations = 5.5 * (scipy * (1.0 - scipy) / 40_000.0).sqrt() + 1e-4;
        assert!((got.p_permutation - scipy).abs() < five_deviations, "{} {scipy}", got.p_permutation);
    }
}

#[test]
fn holm_is_statsmodels() {
    let numbers = |value: &Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    };
    let case = &cases()[0]["holm"];
    let (got, expected) = (holm(&numbers(&case["p"])), numbers(&case["corrected"]));
    assert_eq!(got.len(), 7);
    assert!(got.iter().zip(&expected).all(|(got, expected)| (got - expected).abs() < 1e-14), "{got:?}");
}
