//! What is doubtful about data before anything is trained on them.

use tallow_data::Dataset;
use tallow_metrics::{Metric, Predictions};

/// Sentences about classes that cannot be learnt or measured.
pub fn warnings(train: &dyn Dataset, validation: &dyn Dataset) -> Vec<String> {
    let classes = train.classes();
    if let [only] = classes {
        return vec![format!(
            "the data have a single class ({only}): there is nothing to tell apart; see `tallow list datasets` for the \
             keys of `data` that say where the classes are"
        )];
    }
    let mut found = Vec::new();
    let (no_train, no_validation) = (absent(train), absent(validation));
    let remedy = "leave such classes out of the data, or divide them otherwise (data.split)";
    if !no_train.is_empty() {
        let names = few(&no_train);
        found.push(format!("no training image is of {names}: nothing can be learnt of that; {remedy}"));
    }
    if !no_validation.is_empty() {
        let names = few(&no_validation);
        found.push(format!(
            "no validation image is of {names}: that counts as F1 0 in macro_f1 and not at all in balanced accuracy; {remedy}"
        ));
    }
    found
}

/// Whether a metric has no value on a part, whatever is predicted: such as AUROC where all images are of one class.
pub fn is_undefined(metric: &Metric, part: &dyn Dataset) -> bool {
    let classes = part.classes().len();
    let mut seen = vec![0; classes];
    let mut predictions = Predictions::new(part.classes());
    // Two images of each class say as much as all of them: it is a matter of which classes there are.
    for index in 0..part.len() {
        let label = part.label(index);
        seen[label as usize] += 1;
        if seen[label as usize] <= 2 {
            let guess = predictions.len() % classes;
            let row: Vec<f64> = (0..classes)
                .map(|c| (1.0 + f64::from(u8::from(c == guess))) / (classes as f64 + 1.0))
                .collect();
            predictions.push(part.id(index), None, label, &row).expect("rows that sum to 1");
        }
    }
    (metric.of)(&predictions).is_nan()
}

fn absent(part: &dyn Dataset) -> Vec<&str> {
    let mut present = vec![false; part.classes().len()];
    (0..part.len()).for_each(|index| present[part.label(index) as usize] = true);
    part.classes()
        .iter()
        .zip(present)
        .filter(|(_, present)| !present)
        .map(|(name, _)| name.as_str())
        .collect()
}

/// `a, b and 3 more`.
fn few(names: &[&str]) -> String {
    const SHOWN: usize = 8;
    match names.len() {
        0..=SHOWN => names.join(", "),
        all => format!("{} and {} more", names[..SHOWN].join(", "), all - SHOWN),
    }
}
