//! Files of golden values, and the random and degenerate predictions that they are of (`tests/golden/metrics.py`).

use serde_json::Value;
use std::path::Path;
use tallow_metrics::Predictions;

pub fn golden(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/metrics").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

pub fn cases() -> Vec<Value> {
    let Value::Array(mut cases) = golden("cases.json") else { panic!("expected a list of cases") };
    cases.remove(0); // who made them
    cases
}

pub fn predictions(case: &Value) -> Predictions {
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
