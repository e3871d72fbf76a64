//! What is doubtful about data before anything is trained on them.

use crate::plan::Plan;
use tallow_data::{Dataset, first_few};
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
        let names = first_few(&no_train);
        found.push(format!("no training image is of {names}: nothing can be learnt of that; {remedy}"));
    }
    if !no_validation.is_empty() {
        let names = first_few(&no_validation);
        found.push(format!(
            "no validation image is of {names}: that counts as F1 0 in macro_f1 and not at all in balanced accuracy; {remedy}"
        ));
    }
    found
}

/// A batch that no step can fill.
pub fn large_batch(plan: &Plan, train: &dyn Dataset) -> Option<String> {
    let (batch, images) = (plan.data.batch, train.len());
    (batch > images).then(|| {
        format!(
            "data.batch: {batch} is more than the {images} training images: every step takes all of them, and an epoch is one step"
        )
    })
}

/// Images that are enlarged many times: their median of a few, as they are stored.
pub fn enlarged(plan: &Plan, train: &dyn Dataset) -> Option<String> {
    const LOOKED_AT: usize = 33;
    const TIMES: f64 = 4.0;
    let every = train.len().div_ceil(LOOKED_AT).max(1);
    // Those that cannot be read are another's business.
    let side = |index: usize| tallow_data::size(&train.image(index).ok()?).ok().map(|(w, h)| w.min(h));
    let mut sides: Vec<u32> = (0..train.len()).step_by(every).filter_map(side).collect();
    sides.sort_unstable();
    let (stored, input) = (*sides.get(sides.len() / 2)?, plan.model.input);
    let times = f64::from(input) / f64::from(stored.max(1));
    (times >= TIMES).then(|| {
        format!(
            "images are stored at about {stored} px (shorter side), and enlarged {times:.0} times to the {input} px of model.input: a \
             smaller input, or a network for small images such as resnet20, is faster and sees as much"
        )
    })
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
