//! Dirichlet mixing: T rows, weighted by a point of the simplex.

use super::Mix;
use super::linear::{Linear, Out, Own};
use super::zeta_mixup::Samples;
use crate::engine::row_weights::Weights;
use crate::{Build, Parsed, Positive, Spec, parameters};
use serde::Deserialize;
use serde_yaml::Value;

pub const SPEC: Spec = Spec {
    name: "dirichlet_mixup",
    summary: "Σ_r w_r·x_(r), w ~ Dirichlet(α, …, α) over T rows: an ablation, under which the label of a row means little",
    source: "the ablation of Abhishek, Brown, Hamarneh, Multi-sample ζ-mixup, J. Big Data 11:43 (2024), Table 8: T = m, α = 1 collapses on CIFAR-100 (94.69 % error), and in a short run of ours on ISIC 2018 (README)",
    parameters: &[
        (
            "alpha",
            "1.0, over 0",
            "α of the Dirichlet distribution: at 1 uniform over the simplex, towards 0 one row alone, above 1 towards the mean",
        ),
        ("samples", "all, or 2 or more", "T, the rows in each output row; at most those of the batch"),
    ],
    example: "{ dirichlet_mixup: { alpha: 1.0, samples: 3 } }",
    cost: "one product, the shares (R, T) by the rows: 2·R·T operations for each position",
    spatial: false,
    build: Build::Mix(build),
};

/// x̂_i = w_1·x_i + Σ_{r=2..T} w_r·x_(r), w ~ Dirichlet(α, …, α), drawn for each row; the own row has no larger share
/// than another on average.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DirichletMixup {
    alpha: Positive,
    samples: Samples,
}

impl Default for DirichletMixup {
    fn default() -> DirichletMixup {
        // α = 1, T = the batch: the ablation's.
        DirichletMixup { alpha: Positive(1.0), samples: Samples::All }
    }
}

fn build(value: &Value) -> Parsed<Box<dyn Mix>> {
    let DirichletMixup { alpha, samples } = parameters(value)?;
    let (rows, partners, weights) = (Out::Each, samples.partners(), Weights::Dirichlet(alpha.0));
    Ok(Box::new(Linear { rows, partners, weights, own: Own::First, per_sample: true }))
}
