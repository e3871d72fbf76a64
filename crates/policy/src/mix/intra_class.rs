//! SynerMix-Intra: one row per class, blended from all rows of the class.

use super::{Mix, Mixing, Site};
use crate::{Build, Parsed, Result, Shares, Spec, parameters};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_seed::Rng;

pub const SPEC: Spec = Spec {
    name: "intra_class",
    summary: "for each class of the batch Σ_j (u_j / Σu)·x_j over its rows, u ~ U(0, 1); one row out per class",
    source: "Xu et al., SynerMix, arXiv 2403.14137; wxitxy/synermix@e2848d5, intra_mixup",
    parameters: &[],
    spatial: false,
    build: Build::Mix(build),
};

/// One output row for each class present, by increasing class: Σ_j w_j·x_j over its rows, w = u / Σu, u ~ U(0, 1].
/// Where rows of one group must not be mixed, each group of a class is represented by one of its rows, drawn uniformly.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntraClass {}

fn build(value: &Value) -> Parsed<Box<dyn Mix>> {
    Ok(Box::new(parameters::<IntraClass>(value)?))
}

impl Mix for IntraClass {
    fn pairs(&self) -> bool {
        false
    }

    fn draw(&self, at: &Site, rng: &mut Rng) -> Result<Mixing> {
        let mut classes = at.classes.to_vec();
        classes.sort();
        classes.dedup();
        let row = |class: u32| {
            let members: Vec<u32> =
                (0..at.rows()).filter(|&i| at.classes[i] == class).map(|i| i as u32).collect();
            let members = if at.within_group { members } else { one_per_group(at, members, rng) };
            let draws = members.iter().map(|_| 1.0 - rng.uniform()).collect();
            members.into_iter().zip(normalised(draws)).collect()
        };
        Ok(Mixing::Rows(Shares::new(at.rows(), classes.into_iter().map(row).collect())))
    }
}

/// w = u / Σu.
pub fn normalised(draws: Vec<f64>) -> Vec<f64> {
    let sum: f64 = draws.iter().sum();
    draws.into_iter().map(|u| u / sum).collect()
}

/// Of rows that must not meet, one; by increasing row.
fn one_per_group(at: &Site, mut members: Vec<u32>, rng: &mut Rng) -> Vec<u32> {
    rng.shuffle(&mut members);
    let mut kept: Vec<u32> = Vec::with_capacity(members.len());
    for row in members {
        if kept.iter().all(|&other| at.may_mix(row as usize, other as usize)) {
            kept.push(row);
        }
    }
    kept.sort();
    kept
}
