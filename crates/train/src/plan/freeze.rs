//! Stages that are not trained: for the whole run, or for its beginning.

use super::reference::section;
use super::sections::duration;
use super::{Plan, RunLength};
use crate::recipe::Node;
use serde_yaml::Value;
use tallow_data::suggestion;
use tallow_policy::{Duration, Mistake};

/// Which stages are frozen, their batch norms on running statistics, and until when.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FreezePlan {
    /// In the network's order.
    pub stages: Vec<String>,
    /// When they begin to be trained; `None`: never.
    pub until: Option<Duration>,
    /// One after the other, the last one first, at even distances.
    pub gradual: bool,
}

impl FreezePlan {
    /// `true`, a stage, a list of them, or a map; `stages` are those that there are, but for the head.
    pub fn read(node: &Node, stages: &[&'static str]) -> Option<FreezePlan> {
        if !node.value().is_mapping() {
            return Some(FreezePlan { stages: named(node, stages)?, ..FreezePlan::default() });
        }
        node.only(&section("model.freeze").names());
        let until = node.required("until", "3 epochs").and_then(|n| duration(&n));
        let gradual = node.get("gradual").and_then(|n| n.boolean());
        let stages = node.get("stages").and_then(|n| named(&n, stages));
        Some(FreezePlan { stages: stages?, until: Some(until?), gradual: gradual? })
    }

    /// The step, from 0, from which a stage is trained; `None` where it never is. Of n stages that thaw gradually the k-th from the
    /// end begins after k/n of `until`.
    pub fn begins(&self, stage: &str, length: RunLength) -> Option<u64> {
        let Some(place) = self.stages.iter().position(|frozen| frozen == stage) else { return Some(0) };
        let until = length.steps_of(self.until?);
        let (n, k) = (self.stages.len() as u64, (self.stages.len() - place) as u64);
        Some(if self.gradual { until * k / n } else { until })
    }

    /// The stages that are frozen at a step, from 0; `begins` says from which step a stage is trained.
    pub fn at(&self, step: u64, begins: impl Fn(&str) -> Option<u64>) -> Vec<&str> {
        let is_frozen = |stage: &&String| begins(stage).is_none_or(|begins| step < begins);
        self.stages.iter().filter(is_frozen).map(String::as_str).collect()
    }
}

/// The stages of a list in the network's order; `true` is all of them, `false` none.
fn named(node: &Node, stages: &[&'static str]) -> Option<Vec<String>> {
    let choices: Vec<(&str, &'static str)> = stages.iter().map(|stage| (*stage, *stage)).collect();
    let chosen: Vec<&'static str> = match node.value() {
        Value::Bool(true) => stages.to_vec(),
        Value::Bool(false) => Vec::new(),
        Value::Sequence(_) => {
            node.list()?.iter().map(|item| item.one_of("stage", &choices)).collect::<Option<_>>()?
        }
        Value::String(name) => match stages.iter().find(|stage| *stage == name) {
            Some(stage) => vec![*stage],
            None => {
                let near = suggestion(name, stages.iter().copied());
                node.mistake(format!("unknown stage `{name}`{near}; `true` is all but the head"));
                return None;
            }
        },
        _ => return node.expected("true, a stage, a list of stages, or { until: 3 epochs }"),
    };
    Some(stages.iter().filter(|stage| chosen.contains(stage)).map(|stage| (*stage).to_owned()).collect())
}

/// What of a freezing ends no more before its run does. `share` is the part of the run that a duration takes, where that is known.
pub fn misfit(freeze: &FreezePlan, share: impl Fn(Duration) -> Option<f64>) -> Option<Mistake> {
    let is_too_late = freeze.until.and_then(share).is_some_and(|share| share >= 1.0);
    is_too_late.then(|| {
        let problem = "is not before the end of the run, so that nothing ever thaws; write a shorter one, such as `until: 0.3` (of the \
                       run), or leave it out";
        Mistake::new("model.freeze.until", problem)
    })
}

impl Plan {
    /// What people should doubt of the plan itself, one sentence each.
    ///
    /// A warning and no mistake: a head on random features is a baseline that people measure, and a run that thaws learns all the
    /// same; but who forgot the weights should not wait for the result.
    pub fn doubts(&self) -> Vec<String> {
        let (spec, FreezePlan { stages, until, .. }) = (self.model.spec, &self.model.freeze);
        if self.model.weights.is_some() || stages.is_empty() || until.is_some_and(Duration::is_zero) {
            return Vec::new();
        }
        let (at_first, are) =
            (if until.is_some() { " at first" } else { "" }, if stages.len() == 1 { "is" } else { "are" });
        let weights = if spec.weights.is_empty() { "weights: PATH" } else { "weights: imagenet" };
        vec![format!(
            "model.freeze: {} {are} not trained{at_first}, and without weights {are} random; begin with weights, such as `model: {{ name: \
             {}, {weights} }}`, or train all of it: `freeze: false`",
            stages.join(", "),
            spec.name
        )]
    }

    /// The step, from 0, from which a stage (`head` is one too) is trained; `None` where it never is.
    pub fn begins(&self, stage: &str, length: RunLength) -> Option<u64> {
        self.model.freeze.begins(stage, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_thaw_from_the_last_to_the_first() {
        let length = RunLength { steps: 100, batches_per_epoch: 10, batch: 4 };
        let stages = ["stem", "stage1", "stage2", "stage3"].map(String::from).to_vec();
        let plan = FreezePlan { stages, until: Some(Duration::Epochs(4.0)), gradual: true };
        let begins = |stage: &str| plan.begins(stage, length);
        assert_eq!(
            ["stem", "stage1", "stage2", "stage3", "head"].map(begins),
            [Some(40), Some(30), Some(20), Some(10), Some(0)]
        );
        let at = |plan: &FreezePlan, step: u64| plan.at(step, |stage| plan.begins(stage, length)).len();
        assert_eq!(plan.at(0, begins), ["stem", "stage1", "stage2", "stage3"]);
        assert_eq!(plan.at(20, begins), ["stem", "stage1"]);
        assert!(plan.at(40, begins).is_empty());
        let at_once = FreezePlan { gradual: false, ..plan.clone() };
        assert_eq!((at(&at_once, 39), at(&at_once, 40)), (4, 0));
        let for_ever = FreezePlan { until: None, ..plan.clone() };
        assert_eq!((for_ever.begins("stem", length), at(&for_ever, 99)), (None, 4));
    }
}
