//! What the tests share: batches, policies from a line of YAML, a mix that gives fixed shares.

use candle_core::{DType, Device, Tensor};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_policy::{
    Branch, Build, Mix, Mixing, Moment, Parsed, Passage, Policy, Registry, Result, Rows, Shares, Site, Spec,
    parameters,
};
use tallow_seed::{Rng, Seed};

/// The first branch of `{ branches: [ { policies: TEXT } ] }`.
pub fn branch(policies: &str) -> Branch {
    policy(&format!("branches: [ {{ policies: {policies} }} ]")).branches.remove(0)
}

pub fn policy(text: &str) -> Policy {
    parse(text).unwrap_or_else(|mistakes| panic!("{text}\n{mistakes:#?}"))
}

pub fn parse(text: &str) -> Parsed<Policy> {
    let mut registry = Registry::builtin();
    registry.push(&FIXED);
    Policy::parse("test", &serde_yaml::from_str(text).unwrap(), &registry)
}

/// The middle of a run of 100 steps, 10 to an epoch.
pub const MOMENT: Moment = Moment { step: 50, steps: 100, batches_per_epoch: 10, batch: 8 };

pub fn seed(step: u64) -> Seed {
    Seed::new(1).fold("test", step)
}

/// Rows of these classes, each its own group.
pub fn rows(classes: &[u32], n_classes: usize) -> Rows {
    let groups = (0..classes.len()).map(|i| Some(i as u32)).collect();
    Rows::one_hot(classes.to_vec(), groups, n_classes)
}

/// R rows of (R, 6, 6) pixels: row i is 1 in channel i, 0 elsewhere.
pub fn painted(rows: usize, dtype: DType) -> Tensor {
    let eye = Tensor::eye(rows, dtype, &Device::Cpu).unwrap();
    eye.reshape((rows, rows, 1, 1)).unwrap().broadcast_as((rows, rows, 6, 6)).unwrap().contiguous().unwrap()
}

/// Numbers in [−1, 1), the same for the same purpose.
pub fn noise(purpose: &str, shape: &[usize]) -> Tensor {
    let mut rng = Seed::new(2).fold(purpose, 0).rng();
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| rng.uniform_in(-1.0, 1.0)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Values through a branch whose policies are all at `input`.
pub fn through<'a>(branch: &'a Branch, rows: &'a Rows, step: u64, values: &Tensor) -> (Tensor, Passage<'a>) {
    let mut passage = branch.begin(rows, seed(step), MOMENT);
    let mixed = passage.at("input", values.clone()).unwrap();
    (mixed, passage)
}

pub fn flat(values: &Tensor) -> Vec<f64> {
    values.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

/// The largest difference of two tensors or lists of one shape.
pub fn apart(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

pub fn close(got: f64, expected: f64, tolerance: f64) {
    assert!((got - expected).abs() <= tolerance, "got {got}, expected {expected} ± {tolerance}");
}

/// H = −Σ p ln p, in nats.
pub fn entropy(p: &[f64]) -> f64 {
    -p.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum::<f64>()
}

/// A mix of given shares: `fixed: { shares: [[[row, share], …], …] }`.
static FIXED: Spec = Spec {
    name: "fixed",
    summary: "given shares",
    source: "the tests",
    parameters: &[("shares", "required", "the entries of each output row")],
    spatial: false,
    build: Build::Mix(fixed),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixed {
    shares: Vec<Vec<(u32, f64)>>,
}

fn fixed(value: &Value) -> Parsed<Box<dyn Mix>> {
    Ok(Box::new(parameters::<Fixed>(value)?))
}

impl Mix for Fixed {
    fn draw(&self, at: &Site, _: &mut Rng) -> Result<Mixing> {
        Ok(Mixing::Rows(Shares::new(at.rows(), self.shares.clone())))
    }
}
