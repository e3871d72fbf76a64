//! What golden numbers do not show.

use super::*;

/// Probabilities of three classes that are twice as sure in logits as they should be.
fn too_sure(images: u32, group: u32) -> Predictions {
    let mut predictions = Predictions::new(&["a", "b", "c"].map(str::to_owned));
    let mut rng = Seed::new(5).fold("too sure", 0).rng();
    for index in 0..images {
        let honest = rng.dirichlet(&[1.0, 2.0, 3.0]);
        let label = rng.weighted(&honest) as u32;
        let row = softmax(logarithms(&honest).map(|x| 2.0 * x));
        predictions.push(&index.to_string(), Some(&(index / group).to_string()), label, &row).unwrap();
    }
    predictions
}

const METHODS: [CalibrationMethod; 3] =
    [CalibrationMethod::Temperature, CalibrationMethod::Vector, CalibrationMethod::Isotonic];

#[test]
fn what_is_too_sure_is_made_honest_on_other_images() {
    let predictions = too_sure(6000, 1);
    for method in METHODS {
        let found = cross_fitted(method, &predictions, 5, Seed::new(1)).unwrap();
        found.validate().unwrap();
        let (before, after) = (crate::ece(&predictions), crate::ece(&found));
        assert!(before > 0.1 && after < 0.03, "{method:?}: {before} {after}");
        // A rising function may say 0 of what happens once in a while: that is dear to the log loss.
        let score = if method == CalibrationMethod::Isotonic { crate::brier } else { crate::log_loss };
        assert!(score(&found) < score(&predictions) - 0.02, "{method:?}");
    }
    let Calibrator::Temperature { temperature } = Calibrator::fit(METHODS[0], &too_sure(200_000, 1)).unwrap()
    else {
        unreachable!("as asked")
    };
    assert!((temperature - 2.0).abs() < 0.03, "{temperature}");
}

#[test]
fn a_group_is_never_fitted_to_itself() {
    let folds = deal(&too_sure(600, 4), 5, Seed::new(1)).unwrap();
    assert!(folds.chunks(4).all(|group| group.iter().all(|fold| *fold == group[0])));
    assert_eq!(
        (0..5).map(|fold| folds.iter().filter(|&&of| of == fold).count()).collect::<Vec<_>>(),
        [120; 5]
    );
    let error = cross_fitted(METHODS[0], &too_sure(12, 4), 5, Seed::new(1)).unwrap_err().to_string();
    assert_eq!(error, "expected from 2 to 3 folds, the number of groups, got 5");
}

#[test]
fn where_no_temperature_is_best_it_says_why() {
    let fit = |of_label: f64| {
        let mut predictions = Predictions::new(&["a", "b"].map(str::to_owned));
        for index in 0..10 {
            let label = index % 2;
            let row = if label == 0 { [of_label, 1.0 - of_label] } else { [1.0 - of_label, of_label] };
            predictions.push(&index.to_string(), None, label, &row).unwrap();
        }
        Calibrator::fit(METHODS[0], &predictions).unwrap_err().to_string()
    };
    assert!(fit(0.9).contains("all 10 images are predicted right"), "{}", fit(0.9));
    assert!(fit(0.2).contains("has learned nothing of these images"), "{}", fit(0.2));
    let none = Calibrator::fit(METHODS[1], &Predictions::new(&["a".to_owned()])).unwrap_err().to_string();
    assert!(none.contains("got 0 of 1"), "{none}");
}

#[test]
fn all_right_is_no_infinity_to_weights_and_functions() {
    let mut predictions = Predictions::new(&["a", "b"].map(str::to_owned));
    for (id, label, p) in [("1", 0, 0.9), ("2", 1, 0.0), ("3", 0, 1.0)] {
        predictions.push(id, None, label, &[p, 1.0 - p]).unwrap();
    }
    for method in &METHODS[1..] {
        let calibrator = Calibrator::fit(*method, &predictions).unwrap();
        calibrator.check(2).unwrap();
        calibrator.predictions(&predictions).validate().unwrap();
        assert!(calibrator.check(3).is_err());
    }
}

#[test]
fn a_damaged_file_is_refused() {
    let read = |text: &str| serde_json::from_str::<Calibrator>(text).unwrap().check(2);
    assert!(read(r#"{ "method": "temperature", "temperature": 1.5 }"#).is_ok());
    assert!(read(r#"{ "method": "temperature", "temperature": 0 }"#).is_err());
    assert!(read(r#"{ "method": "vector", "weights": [1, 1], "biases": [0] }"#).is_err());
    let function = |to: &str| {
        read(&format!(
            r#"{{ "method": "isotonic", "functions": [{{ "from": [0, 1], "to": {to} }}, {{ "from": [0.5], "to": [1] }}] }}"#
        ))
    };
    assert!(function("[0.1, 0.9]").is_ok());
    assert!(["[0.9, 0.1]", "[0.1]", "[0.1, 2]"].iter().all(|to| function(to).is_err()));
}
