//! SynerMix-Intra: one row per class, blended from all rows of the class.

use super::Mix;
use super::linear::{Among, Linear, OutputRows, OwnWeight, Partners};
use crate::engine::row_weights::Weights;
use crate::{Build, Parsed, Spec, parameters};
use serde_yaml::Value;

pub const SPEC: Spec = Spec {
    name: "intra_class",
    summary: "for each class of the batch Σ_j (u_j / Σu)·x_j over its rows, u ~ U(0, 1); one row out per class",
    source: "Xu et al., SynerMix, arXiv 2403.14137; wxitxy/synermix@e2848d5, intra_mixup",
    parameters: &[],
    example: "{ intra_class: {}, at: penultimate }",
    cost: "one pass: each row is read once, one row is written for each class",
    spatial: false,
    build: Build::Mix(build),
};

parameters! {
    /// One output row for each class present, by increasing class: Σ_j w_j·x_j over its rows, w = u / Σu, u ~ U(0, 1].
    /// Where rows of one group must not be mixed, each group of a class is represented by one of its rows, drawn uniformly.
    struct IntraClass {}
}

fn build(value: &Value) -> Parsed<Box<dyn Mix>> {
    let IntraClass {} = parameters(value)?;
    let partners = Partners::Drawn { count: None, among: Among::SameClass };
    let (rows, weights) = (OutputRows::OnePerClass, Weights::NormalisedUniform);
    Ok(Box::new(Linear { rows, partners, weights, own: OwnWeight::First, per_sample: true }))
}
