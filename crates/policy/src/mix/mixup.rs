//! mixup: two rows, blended.

use super::{Mix, Mixing, Site};
use crate::{Build, Parsed, Positive, Result, Shares, Spec, parameters};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_seed::Rng;

pub const SPEC: Spec = Spec {
    name: "mixup",
    summary: "λ·x_i + (1 − λ)·x_j, λ ~ Beta(α, α)",
    source: "Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018; arXiv 1710.09412",
    parameters: &[
        ("alpha", "1.0, over 0", "α of the Beta distribution: towards 0 hardly any mixing, at 1 uniform"),
        ("per_sample", "false", "one λ for each row in place of one for the batch"),
    ],
    spatial: false,
    build: Build::Mix(build),
};

/// x̂_i = λ·x_i + (1 − λ)·x_j for the partner j of row i; λ ~ Beta(α, α).
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mixup {
    pub alpha: Positive,
    pub per_sample: bool,
}

impl Default for Mixup {
    fn default() -> Mixup {
        // α = 1: the paper's CIFAR setting. One λ per batch: the reference code.
        Mixup { alpha: Positive(1.0), per_sample: false }
    }
}

fn build(value: &Value) -> Parsed<Box<dyn Mix>> {
    Ok(Box::new(parameters::<Mixup>(value)?))
}

impl Mix for Mixup {
    fn draw(&self, at: &Site, rng: &mut Rng) -> Result<Mixing> {
        let draws = if self.per_sample { at.rows() } else { 1 };
        let lambda: Vec<f64> = (0..draws).map(|_| rng.beta(self.alpha.0, self.alpha.0)).collect();
        Ok(Mixing::Rows(Shares::pairs(at.partners, |row| lambda[row % draws])))
    }
}
