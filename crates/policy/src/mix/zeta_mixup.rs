//! ζ-mixup: T rows, weighted by a p-series, the own row first.

use super::Mix;
use super::linear::{Among, Linear, OutputRows, OwnWeight, Partners};
use crate::engine::row_weights::Weights;
use crate::schema::quantity::Gamma;
use crate::{Build, Parsed, Spec, parameters};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_yaml::Value;

pub const SPEC: Spec = Spec {
    name: "zeta_mixup",
    summary: "Σ_r w_r·x_(r), w_r = r^−γ / Σ_s s^−γ over ranks r = 1…T, rank 1 the own row, the others at random",
    source: "Abhishek, Brown, Hamarneh, Multi-sample ζ-mixup, J. Big Data 11:43 (2024); arXiv 2204.03323; kakumarabhishek/zeta-mixup@dab71b9",
    parameters: &[
        (
            "gamma",
            "2.8; from 0 to 100",
            "γ of the p-series; from 1.72865 on the own row outweighs all others together",
        ),
        ("samples", "all; from 2 to 65536", "T, the rows in each output row; at most those of the batch"),
    ],
    example: "{ zeta_mixup: { gamma: 2.8 } }",
    cost: "one product, the shares (R, T) by the rows: 2·R·T operations for each position",
    spatial: false,
    build: Build::Mix(build),
};

parameters! {
    /// x̂_i = w_1·x_i + Σ_{r=2..T} w_r·x_(r), with T − 1 different other rows in random order.
    struct ZetaMixup {
        // γ = 2.8, T = the batch: the authors' code.
        gamma: Gamma = Gamma(2.8),
        samples: Samples = Samples::All,
    }
}

/// How many rows are in each output row, the own one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Samples {
    All,
    /// 2 or more.
    Count(u32),
}

impl<'de> Deserialize<'de> for Samples {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Samples, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match value.as_u64() {
            Some(count @ 2..=65536) => Ok(Samples::Count(count as u32)),
            _ if value.as_str() == Some("all") => Ok(Samples::All),
            _ => Err(D::Error::custom(format!(
                "expected `all` or a whole number from 2 to 65536, got {}",
                crate::text(&value)
            ))),
        }
    }
}

impl Samples {
    /// The other rows, drawn from all.
    pub fn partners(self) -> Partners {
        let count = match self {
            Samples::All => None,
            Samples::Count(count) => Some(count - 1),
        };
        Partners::Drawn { count, among: Among::All }
    }
}

fn build(value: &Value) -> Parsed<Box<dyn Mix>> {
    let ZetaMixup { gamma, samples } = parameters(value)?;
    let (rows, partners, weights) = (OutputRows::Each, samples.partners(), Weights::PSeries(gamma.0));
    Ok(Box::new(Linear { rows, partners, weights, own: OwnWeight::First, per_sample: false }))
}
