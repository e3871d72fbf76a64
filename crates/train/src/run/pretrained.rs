//! The weights that a recipe names, as they are: what `tallow eval RECIPE` judges.

use super::data::part;
use super::model::{Model, Start};
use super::weights;
use crate::Result;
use crate::plan::{Plan, Weights};
use std::sync::Arc;
use tallow_data::Dataset;
use tallow_report::Progress;

/// A network with the weights that its recipe names, and the images that it is asked about.
pub struct Pretrained {
    pub model: Model,
    pub data: Arc<dyn Dataset>,
    /// What people should know of the weights.
    pub notes: Vec<String>,
}

/// The network of a plan with its weights, head and all, and a part of its data. Classes are matched by name where the
/// `config.json` beside the weights has names, else by order, which is noted.
///
/// # Errors
/// A plan without weights; a part that is not there; weights that are not there or do not fit, with a head of other classes.
pub fn pretrained(plan: Plan, split: &str, progress: &Progress) -> Result<Pretrained> {
    let Some(weights) = plan.model.weights.clone() else {
        let problem = "names no weights, so that there is nothing to evaluate; write some, such as \
                       model.weights=checkpoints/x, or name a checkpoint in place of the recipe";
        return Err(plan.mistake("model", problem));
    };
    weights::inspect(&plan)?;
    let device = plan.open_device()?;
    let data = part(&plan, split, progress)?;
    let file = weights::file_of(&weights, progress)?;
    let labels = weights::beside(&file)?.map_or(Vec::new(), |config| config.labels);
    let (classes, of_classes) = matched(labels, data.classes());
    let (model, mut notes) = Model::build(plan, classes, device, Start::Weights(&file), progress)?;
    notes.extend(of_classes);
    Ok(Pretrained { model, data, notes })
}

/// The names of the head's outputs, given those of the weights and of the data; and what is to be said of them.
fn matched(labels: Vec<String>, data: &[String]) -> (Vec<String>, Option<String>) {
    let by_order = |why: &str| {
        let note = format!(
            "{why}: classes are matched by their order, the first output being {}, the last {}",
            data[0],
            data[data.len() - 1]
        );
        (data.to_vec(), Some(note))
    };
    if labels.is_empty() {
        return by_order("the weights name no classes");
    }
    let strangers = data.iter().all(|name| !labels.contains(name));
    if strangers && labels.len() == data.len() {
        return by_order(&format!(
            "warning: no class of the weights ({}, …) is one of the data ({}, …), so that every figure is wrong unless these are \
             other names of the same",
            labels[0], data[0]
        ));
    }
    (labels, None)
}

/// What is wrong with weights whose head is not one of the data.
pub fn no_head(weights: &Weights, why: &str) -> String {
    format!(
        "{}: {why}, so that there is nothing to evaluate; name weights that were trained on these classes, or train from \
         them first",
        weights.describe()
    )
}

#[cfg(test)]
mod tests {
    use super::matched;

    #[test]
    fn classes_are_matched_by_name_or_else_by_order() {
        let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let data = names(&["a", "b", "c"]);
        // The head has the order of its own names, whichever the data have.
        assert_eq!(matched(names(&["c", "a", "b"]), &data), (names(&["c", "a", "b"]), None));
        assert_eq!(matched(names(&["z", "a"]), &data), (names(&["z", "a"]), None));
        let (classes, note) = matched(Vec::new(), &data);
        assert_eq!(classes, data);
        assert!(note.unwrap().contains("name no classes: classes are matched by their order"));
        let (classes, note) = matched(names(&["1", "2", "3"]), &data);
        assert_eq!(classes, data);
        assert!(note.unwrap().contains("no class of the weights (1, …) is one of the data (a, …)"));
        // Of another number: refused where the images are looked at.
        assert_eq!(matched(names(&["1", "2"]), &data), (names(&["1", "2"]), None));
    }
}
