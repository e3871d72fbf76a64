//! The weights of classes in the loss: as written, and as numbers once the classes are known.

use crate::fit::balanced_weights;
use crate::recipe::Node;
use serde_yaml::Value;
use tallow_data::{counted, suggestion};
use tallow_policy::Mistake;

/// What a weight may be beside 0: others are a slip of the hand, and leave the range of f32.
const BOUNDS: std::ops::RangeInclusive<f64> = 1e-6..=1e6;

#[derive(Clone, Debug, PartialEq)]
pub enum ClassWeights {
    None,
    /// N / (C · n_c) of the training part.
    Balanced,
    Given(Vec<f64>),
    /// By name; the others weigh 1.
    Named(Vec<(String, f64)>),
}

/// `loss.class_weights`.
pub fn class_weights(node: &Node) -> Option<ClassWeights> {
    let weight = |node: Node| {
        node.number_in("a weight: 0, or a number from 0.000001 to 1000000", |x| {
            x == 0.0 || BOUNDS.contains(&x)
        })
    };
    match node.value() {
        Value::String(word) if word == "none" => Some(ClassWeights::None),
        Value::String(word) if word == "balanced" => Some(ClassWeights::Balanced),
        Value::Sequence(items) if !items.is_empty() => {
            let weights = node.list()?.into_iter().map(weight).collect::<Option<Vec<f64>>>()?;
            if weights.iter().all(|weight| *weight == 0.0) {
                node.mistake(NO_WEIGHT);
                return None;
            }
            Some(ClassWeights::Given(weights))
        }
        Value::Mapping(map) if !map.is_empty() => {
            let named = |name: &Value| {
                let name = tallow_policy::text(name);
                Some((name.clone(), weight(node.get(&name)?)?))
            };
            map.keys().map(named).collect::<Option<Vec<_>>>().map(ClassWeights::Named)
        }
        _ => node.expected(
            "`none`, `balanced`, a map of classes such as { MEL: 2 }, or a list of numbers, one per class",
        ),
    }
}

const NO_WEIGHT: &str = "expected a weight above 0, got none, so that nothing would be learnt; give one to a class of the training images";

impl ClassWeights {
    /// A weight for each class, in label order, given the training labels; `None` where all weigh the same.
    ///
    /// # Errors
    /// Another number of weights than classes, a class that is none, no weight for any training image.
    pub fn of(
        &self,
        labels: impl Iterator<Item = u32>,
        classes: &[String],
    ) -> Result<Option<Vec<f64>>, Mistake> {
        let path = "loss.class_weights";
        let weights = match self {
            ClassWeights::None => return Ok(None),
            ClassWeights::Balanced => return Ok(Some(balanced_weights(labels, classes.len()))),
            ClassWeights::Given(weights) if weights.len() == classes.len() => weights.clone(),
            ClassWeights::Given(weights) => {
                let (expected, got) = (counted(classes.len(), "weight"), weights.len());
                return Err(Mistake::new(path, format!("expected {expected}, one per class, got {got}")));
            }
            ClassWeights::Named(named) => {
                let mut weights = vec![1.0; classes.len()];
                for (name, weight) in named {
                    let Some(class) = classes.iter().position(|class| class == name) else {
                        let near = suggestion(name, classes.iter().map(String::as_str));
                        return Err(Mistake::new(
                            format!("{path}.{name}"),
                            format!("no class is called `{name}`{near}"),
                        ));
                    };
                    weights[class] = *weight;
                }
                weights
            }
        };
        let mut labels = labels;
        if !labels.any(|label| weights[label as usize] > 0.0) {
            return Err(Mistake::new(path, NO_WEIGHT));
        }
        Ok(Some(weights))
    }
}
