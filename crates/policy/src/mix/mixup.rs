//! mixup: two rows, blended.

use super::Mix;
use super::linear::{Linear, OutputRows, OwnWeight, Partners};
use crate::engine::row_weights::Weights;
use crate::schema::quantity::Alpha;
use crate::{Build, Parsed, Spec, parameters};
use serde_yaml::Value;

pub const SPEC: Spec = Spec {
    name: "mixup",
    summary: "λ·x_i + (1 − λ)·x_j, λ ~ Beta(α, α)",
    source: "Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018; arXiv 1710.09412",
    parameters: &[
        (
            "alpha",
            "1.0; from 0.001 to 1000",
            "α of the Beta distribution: towards 0 hardly any mixing, at 1 uniform",
        ),
        ("per_sample", "false", "one λ for each row in place of one for the batch"),
    ],
    example: "{ mixup: { alpha: 1.0 } }",
    cost: "one pass: two rows are read for each that is written",
    spatial: false,
    build: Build::Mix(build),
};

parameters! {
    /// x̂_i = λ·x_i + (1 − λ)·x_j for the partner j of row i; λ ~ Beta(α, α).
    struct Mixup {
        // α = 1: the paper's CIFAR setting. One λ per batch: the reference code.
        alpha: Alpha = Alpha(1.0),
        per_sample: bool = false,
    }
}

fn build(value: &Value) -> Parsed<Box<dyn Mix>> {
    let Mixup { alpha, per_sample } = parameters(value)?;
    let (rows, partners, weights) = (OutputRows::Each, Partners::Paired, Weights::Beta(alpha.0));
    Ok(Box::new(Linear { rows, partners, weights, own: OwnWeight::First, per_sample }))
}
