//! Dirichlet mixing: T rows, weighted by a point of the simplex.

use super::Mix;
use super::linear::{Linear, OutputRows, OwnWeight};
use super::zeta_mixup::Samples;
use crate::engine::row_weights::Weights;
use crate::schema::quantity::Alpha;
use crate::{Build, Parsed, Spec, parameters};
use serde_yaml::Value;

pub const SPEC: Spec = Spec {
    name: "dirichlet_mixup",
    summary: "Σ_r w_r·x_(r), w ~ Dirichlet(α, …, α) over T rows: an ablation, under which the label of a row means little",
    source: "the ablation of Abhishek, Brown, Hamarneh, Multi-sample ζ-mixup, J. Big Data 11:43 (2024), Table 8: T = m, α = 1 collapses on CIFAR-100 (94.69 % error), and in a short run of ours on ISIC 2018 (README)",
    parameters: &[
        (
            "alpha",
            "1.0; from 0.001 to 1000",
            "α of the Dirichlet distribution: at 1 uniform over the simplex, towards 0 one row alone, above 1 towards the mean",
        ),
        ("samples", "all; from 2 to 65536", "T, the rows in each output row; at most those of the batch"),
    ],
    example: "{ dirichlet_mixup: { alpha: 1.0, samples: 3 } }",
    cost: "one product, the shares (R, T) by the rows: 2·R·T operations for each position",
    spatial: false,
    build: Build::Mix(build),
};

parameters! {
    /// x̂_i = w_1·x_i + Σ_{r=2..T} w_r·x_(r), w ~ Dirichlet(α, …, α), drawn for each row; the own row has no larger share
    /// than another on average.
    struct DirichletMixup {
        // α = 1, T = the batch: the ablation's.
        alpha: Alpha = Alpha(1.0),
        samples: Samples = Samples::All,
    }
}

fn build(value: &Value) -> Parsed<Box<dyn Mix>> {
    let DirichletMixup { alpha, samples } = parameters(value)?;
    let (rows, partners, weights) = (OutputRows::Each, samples.partners(), Weights::Dirichlet(alpha.0));
    Ok(Box::new(Linear { rows, partners, weights, own: OwnWeight::First, per_sample: true }))
}
