//! How much of each source goes into a row: the draws that every linear mix shares.

use crate::schema::quantity;
use crate::{parameters, text};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_yaml::{Mapping, Value};
use tallow_seed::Rng;

/// A distribution of n weights, 0 or more, that sum to 1.
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    /// (λ, 1 − λ), λ ~ Beta(α, α); of two rows.
    Beta(f64),
    /// Dirichlet(α, …, α).
    Dirichlet(f64),
    /// w_r = r^−γ / Σ_s s^−γ, r = 1…n.
    PSeries(f64),
    /// Uniform over the simplex: Dirichlet(1, …, 1).
    UniformSimplex,
    /// These; where a batch has fewer rows, the first of them, divided by their sum.
    Fixed(Vec<f64>),
    /// u / Σu, u ~ U(0, 1]: nearer to the centre than a uniform point of the simplex.
    NormalisedUniform,
}

impl Weights {
    /// n weights; a single one is 1.
    pub fn draw(&self, n: usize, rng: &mut Rng) -> Vec<f64> {
        match self {
            Weights::NormalisedUniform => normalised((0..n).map(|_| 1.0 - rng.uniform()).collect()),
            _ if n == 1 => vec![1.0],
            Weights::Beta(alpha) => {
                let lambda = rng.beta(*alpha, *alpha);
                vec![lambda, 1.0 - lambda]
            }
            Weights::Dirichlet(alpha) => rng.dirichlet(&vec![*alpha; n]),
            Weights::PSeries(gamma) => p_series(*gamma, n),
            Weights::UniformSimplex => rng.dirichlet(&vec![1.0; n]),
            Weights::Fixed(weights) if n == weights.len() => weights.clone(),
            Weights::Fixed(weights) => normalised(weights[..n].to_vec()),
        }
    }

    /// Whether every order of the weights is equally likely.
    pub fn exchangeable(&self) -> bool {
        !matches!(self, Weights::PSeries(_) | Weights::Fixed(_))
    }

    /// The number of rows that they are made for, where there is one.
    pub fn rows(&self) -> Option<usize> {
        match self {
            Weights::Beta(_) => Some(2),
            Weights::Fixed(weights) => Some(weights.len()),
            _ => None,
        }
    }

    /// As it is written.
    pub fn name(&self) -> &'static str {
        match self {
            Weights::Beta(_) => "beta",
            Weights::Dirichlet(_) => "dirichlet",
            Weights::PSeries(_) => "p_series",
            Weights::UniformSimplex => "uniform_simplex",
            Weights::Fixed(_) => "fixed",
            Weights::NormalisedUniform => "normalised_uniform",
        }
    }
}

/// w = u / Σu.
pub fn normalised(draws: Vec<f64>) -> Vec<f64> {
    let sum: f64 = draws.iter().sum();
    draws.into_iter().map(|u| u / sum).collect()
}

/// w_r = r^−γ / Σ_{s=1..n} s^−γ for r = 1…n.
pub fn p_series(gamma: f64, n: usize) -> Vec<f64> {
    let terms: Vec<f64> = (1..=n).map(|rank| (rank as f64).powf(-gamma)).collect();
    let sum: f64 = terms.iter().rev().sum(); // the small terms first
    terms.into_iter().map(|term| term / sum).collect()
}

parameters! {
    struct Alpha {
        alpha: quantity::Alpha = quantity::Alpha(1.0), // uniform, in both distributions
    }
}

parameters! {
    struct Gamma {
        gamma: quantity::Gamma = quantity::Gamma(2.8), // the ζ-mixup authors'
    }
}

parameters! {
    struct Nothing {}
}

const EXPECTED: &str = "beta, dirichlet (both with alpha), p_series (with gamma), uniform_simplex, \
                        fixed (a list) or normalised_uniform";

/// A name alone, or `{ name: { parameter: … } }`.
impl<'de> Deserialize<'de> for Weights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Weights, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let none = Value::Mapping(Mapping::new());
        let (name, given) = match &value {
            Value::Mapping(map) if map.len() == 1 => {
                let (key, given) = map.iter().next().expect("one key");
                (text(key), given)
            }
            other => (text(other), &none),
        };
        match name.as_str() {
            "beta" => read(&name, given).map(|Alpha { alpha }| Weights::Beta(alpha.0)),
            "dirichlet" => read(&name, given).map(|Alpha { alpha }| Weights::Dirichlet(alpha.0)),
            "p_series" => read(&name, given).map(|Gamma { gamma }| Weights::PSeries(gamma.0)),
            "uniform_simplex" => read::<Nothing>(&name, given).map(|_| Weights::UniformSimplex),
            "normalised_uniform" => read::<Nothing>(&name, given).map(|_| Weights::NormalisedUniform),
            "fixed" => fixed(given),
            _ => Err(format!("expected {EXPECTED}, got {}", text(&value))),
        }
        .map_err(D::Error::custom)
    }
}

fn read<T: DeserializeOwned>(name: &str, given: &Value) -> Result<T, String> {
    parameters(given).map_err(|mistakes| {
        let mistakes: Vec<String> =
            mistakes.into_iter().map(|mistake| mistake.under(name).to_string()).collect();
        mistakes.join("; ")
    })
}

fn fixed(given: &Value) -> Result<Weights, String> {
    let numbers: Option<Vec<f64>> =
        given.as_sequence().and_then(|items| items.iter().map(Value::as_f64).collect());
    let weights = numbers.filter(|weights| {
        let sum: f64 = weights.iter().sum();
        // A sum of decimals: 1 but for rounding. The first is over 0, so that what is left of a list has a sum.
        weights.len() >= 2
            && weights[0] > 0.0
            && weights.iter().all(|w| *w >= 0.0)
            && (sum - 1.0).abs() < 1e-9
    });
    weights.map(Weights::Fixed).ok_or_else(|| {
        format!(
            "fixed: expected two numbers or more of 0 or more, the first over 0, with a sum of 1, got {}",
            shown(given)
        )
    })
}

fn shown(value: &Value) -> String {
    match value.as_sequence() {
        Some(items) if items.len() <= 6 => {
            format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(", "))
        }
        _ => text(value),
    }
}
