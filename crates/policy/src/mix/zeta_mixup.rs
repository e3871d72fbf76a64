//! ζ-mixup: T rows, weighted by a p-series, the own row first.

use super::{Mix, Mixing, Site};
use crate::{Build, NonNegative, Parsed, Result, Shares, Spec, parameters};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_yaml::Value;
use tallow_seed::Rng;

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
    spatial: false,
    build: Build::Mix(build),
};

/// x̂_i = w_1·x_i + Σ_{r=2..T} w_r·x_(r), with T − 1 different other rows in random order.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ZetaMixup {
    pub gamma: NonNegative,
    pub samples: Samples,
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
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Samples, D::Error> {
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

fn build(value: &Value) -> Parsed<Box<dyn Mix>> {
    Ok(Box::new(parameters::<ZetaMixup>(value)?))
}

impl Mix for ZetaMixup {
    fn pairs(&self) -> bool {
        false
    }

    fn draw(&self, at: &Site, rng: &mut Rng) -> Result<Mixing> {
        let mut weights = Vec::new();
        let row = |i: usize| {
            let others: Vec<u32> =
                (0..at.rows()).filter(|&j| j != i && at.may_mix(i, j)).map(|j| j as u32).collect();
            let partners = match self.samples {
                Samples::All => others.len() as u32,
                Samples::Count(count) => (count - 1).min(others.len() as u32),
            };
            let order = rng.sample(others.len() as u32, partners);
            if weights.len() != order.len() + 1 {
                weights = p_series(self.gamma.0, order.len() + 1);
            }
            ranked(&weights, i as u32, order.into_iter().map(|place| others[place as usize]))
        };
        Ok(Mixing::Rows(Shares::new(at.rows(), (0..at.rows()).map(row).collect())))
    }
}

/// The entries of an output row: `own` has rank 1, `others` ranks 2, 3 …
pub fn ranked(weights: &[f64], own: u32, others: impl IntoIterator<Item = u32>) -> Vec<(u32, f64)> {
    std::iter::once(own).chain(others).zip(weights.iter().copied()).collect()
}

/// w_r = r^−γ / Σ_{s=1..n} s^−γ for r = 1…n.
pub fn p_series(gamma: f64, n: usize) -> Vec<f64> {
    let terms: Vec<f64> = (1..=n).map(|rank| (rank as f64).powf(-gamma)).collect();
    let sum: f64 = terms.iter().rev().sum(); // the small terms first
    terms.into_iter().map(|term| term / sum).collect()
}
