//! ζ-mixup: T rows, weighted by a p-series, the own row first.

use super::Mix;
use super::linear::{Among, Linear, Out, Own, Partners};
use crate::engine::row_weights::Weights;
use crate::{Build, NonNegative, Parsed, Spec, parameters};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_yaml::Value;

pub const SPEC: Spec = Spec {
    name: "zeta_mixup",
    summary: "Σ_r w_r·x_(r), w_r = r^−γ / Σ_s s^−γ over ranks r = 1…T, rank 1 the own row, the others at random",
    source: "Abhishek, Brown, Hamarneh, Multi-sample ζ-mixup, J. Big Data 11:43 (2024); arXiv 2204.03323; kakumarabhishek/zeta-mixup@dab71b9",
    parameters: &[
        (
            "gamma",
            "2.8, 0 or more",
            "γ of the p-series; from 1.72865 on the own row outweighs all others together",
        ),
        ("samples", "all, or 2 or more", "T, the rows in each output row; at most those of the batch"),
    ],
    example: "{ zeta_mixup: { gamma: 2.8 } }",
    cost: "one product, the shares (R, T) by the rows: 2·R·T operations for each position",
    spatial: false,
    build: Build::Mix(build),
};

/// x̂_i = w_1·x_i + Σ_{r=2..T} w_r·x_(r), with T − 1 different other rows in random order.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ZetaMixup {
    gamma: NonNegative,
    samples: Samples,
}

/// How many rows are in each output row, the own one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Samples {
    All,
    /// 2 or more.
    Count(u32),
}

impl Default for ZetaMixup {
    fn default() -> ZetaMixup {
        // γ = 2.8, T = the batch: the authors' code.
        ZetaMixup { gamma: NonNegative(2.8), samples: Samples::All }
    }
}

impl<'de> Deserialize<'de> for Samples {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Samples, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match value.as_u64().and_then(|n| u32::try_from(n).ok()) {
            Some(count) if count >= 2 => Ok(Samples::Count(count)),
            _ if value.as_str() == Some("all") => Ok(Samples::All),
            _ => Err(D::Error::custom(format!(
                "expected `all` or a whole number from 2, got {}",
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
    let (rows, partners, weights) = (Out::Each, samples.partners(), Weights::PSeries(gamma.0));
    Ok(Box::new(Linear { rows, partners, weights, own: Own::First, per_sample: false }))
}
