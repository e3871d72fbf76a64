//! The point sets of the ζ-mixup paper, mixed by the engine: two half-moons and a helix.

use crate::fit::branch::{NetworkAccess, StepContext, walk};
use crate::inspect::dry_batch::AtInput;
use crate::run::keys;
use crate::{Error, Result};
use candle_core::{Device, Tensor};
use std::f64::consts::PI;
use tallow_metrics::{Points, local_dimension};
use tallow_policy::{Policy, Registry, Rows};

pub use tallow_policy::weights::p_series;

/// Rows of a batch: the authors' demonstration.
const BATCH: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// (cos a, sin a) and (1 − cos a, ½ − sin a), a ~ U(0, π), with normal noise of deviation 0.1: 512 points of two classes.
    HalfMoons,
    /// (100 cos t, 100 sin t, t), t ~ U(0, 10π): 4096 points of one curve, a class for the lower and one for the upper half.
    Helix,
}

/// Points after mixing.
pub struct Demonstration {
    /// (x, y) of the plane, or (x, y, z).
    pub points: Vec<Vec<f64>>,
    /// Of the second class, 0 to 1.
    pub shares: Vec<f64>,
    /// Mean of [`local_dimension`] with 8 neighbours.
    pub dimension: f64,
}

/// The points of a kind in batches of 32, each mixed by a mix as a recipe writes it (`zeta_mixup: { gamma: 2.4 }`); unmixed
/// without one.
///
/// # Errors
/// Mistakes in the mix.
pub fn demonstrate(kind: Kind, mix: Option<&str>, registry: &Registry) -> Result<Demonstration> {
    let (points, classes) = drawn(kind);
    let policies = mix.map_or(String::new(), |mix| format!("{{ {mix} }}"));
    let text = format!("branches: [ {{ policies: [ {policies} ] }} ]");
    let value = serde_yaml::from_str(&text).map_err(|error| Error::recipe(error.to_string()))?;
    let policy = Policy::parse(mix.unwrap_or("none"), &value, registry)
        .map_err(|mistakes| Error::Recipe(mistakes.iter().map(ToString::to_string).collect()))?;
    let (dims, total) = (points[0].len(), (points.len() / BATCH) as u64);
    let mut found = Demonstration { points: Vec::new(), shares: Vec::new(), dimension: f64::NAN };
    for step in 0..total {
        let range = step as usize * BATCH..(step as usize + 1) * BATCH;
        let values: Vec<f64> = points[range.clone()].iter().flatten().copied().collect();
        let mut values = Tensor::from_vec(values, (BATCH, dims), &Device::Cpu)?;
        let rows = Rows::one_hot(classes[range].to_vec(), vec![None; BATCH], 2);
        let context = StepContext::plain(&rows, keys::DEMONSTRATION, step, total);
        for branch in policy.running() {
            let mut at_input: Option<AtInput> = None;
            let (_, targets) =
                walk(branch, context, values.clone(), &NetworkAccess::Identity(None), &mut at_input)?;
            values = at_input.map_or(values, |at_input| at_input.values);
            found.shares.extend(targets.chunks_exact(2).map(|row| row[1]));
        }
        found.points.extend(values.to_vec2::<f64>()?);
    }
    let flat = found.points.iter().flatten().copied().collect();
    let of = |points: Points| local_dimension(&points, &[8]);
    let dimensions = Points::new(found.points.len(), flat).and_then(of)?.remove(0);
    found.dimension = dimensions.iter().sum::<usize>() as f64 / dimensions.len() as f64;
    Ok(found)
}

fn drawn(kind: Kind) -> (Vec<Vec<f64>>, Vec<u32>) {
    let mut rng = keys::demonstration().rng();
    match kind {
        Kind::HalfMoons => (0..512)
            .map(|at| {
                let (angle, class) = (rng.uniform_in(0.0, PI), at % 2);
                let (cos, sin) = (angle.cos(), angle.sin());
                let (x, y) = if class == 0 { (cos, sin) } else { (1.0 - cos, 0.5 - sin) };
                (vec![x + 0.1 * rng.normal(), y + 0.1 * rng.normal()], class)
            })
            .unzip(),
        Kind::Helix => (0..4096)
            .map(|_| {
                let t = rng.uniform_in(0.0, 10.0 * PI);
                (vec![100.0 * t.cos(), 100.0 * t.sin(), t], u32::from(t > 5.0 * PI))
            })
            .unzip(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeta_mixup_stays_nearer_to_the_curve_than_mixup() {
        let registry = Registry::builtin();
        let of = |mix| demonstrate(Kind::Helix, mix, &registry).unwrap();
        let (none, mixup, zeta) = (of(None), of(Some("mixup: {}")), of(Some("zeta_mixup: { gamma: 6 }")));
        assert_eq!((none.points.len(), none.shares.len(), none.points[0].len()), (4096, 4096, 3));
        // On the curve the radius is 100; between two points of it, less.
        let off = |of: &Demonstration| {
            let radius = |p: &Vec<f64>| (p[0].hypot(p[1]) - 100.0).abs();
            of.points.iter().map(radius).sum::<f64>() / of.points.len() as f64
        };
        assert!(
            off(&none) < 1e-9 && off(&zeta) < 5.0 && off(&mixup) > 20.0,
            "{} {}",
            off(&zeta),
            off(&mixup)
        );
        assert!(none.shares.iter().all(|share| [0.0, 1.0].contains(share)));
        assert!(mixup.shares.iter().any(|share| (0.3..0.7).contains(share)));
    }

    #[test]
    fn a_mistake_in_the_mix_is_named() {
        let error = demonstrate(Kind::HalfMoons, Some("zeta_mixup: { gama: 1 }"), &Registry::builtin());
        assert!(error.err().unwrap().to_string().contains("gama"));
    }
}
