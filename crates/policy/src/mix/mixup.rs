//! mixup: two rows, blended.

use super::Mix;
use super::linear::{Linear, Out, Own, Partners};
use crate::engine::row_weights::Weights;
use crate::{Build, Parsed, Positive, Spec, parameters};
use serde::Deserialize;
use serde_yaml::Value;

pub const SPEC: Spec = Spec {
    name: "mixup",
    summary: "λ·x_i + (1 − λ)·x_j, λ ~ Beta(α, α)",
    source: "Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018; arXiv 1710.09412",
    parameters: &[
        ("alpha", "1.0, over 0", "α of the Beta distribution: towards 0 hardly any mixing, at 1 uniform"),
        ("per_sample", "false", "one λ for each row in place of one for the batch"),
    ],
    example: "{ mixup: { alpha: 1.0 } }",
    cost: "one pass: two rows are read for each that is written",
    spatial: false,
    build: Build::Mix(build),
};

/// x̂_i = λ·x_i + (1 − λ)·x_j for the partner j of row i; λ ~ Beta(α, α).
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Mixup {
    alpha: Positive,
    per_sample: bool,
}

impl Default for Mixup {
    fn default() -> Mixup {
        // α = 1: the paper's CIFAR setting. One λ per batch: the reference code.
        Mixup { alpha: Positive(1.0), per_sample: false }
    }
}

fn build(value: &Value) -> Parsed<Box<dyn Mix>> {
    let Mixup { alpha, per_sample } = parameters(value)?;
    let (rows, partners, weights) = (Out::Each, Partners::Paired, Weights::Beta(alpha.0));
    Ok(Box::new(Linear { rows, partners, weights, own: Own::First, per_sample }))
}
