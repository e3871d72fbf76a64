//! What the tests share: batches, policies from a line of YAML, mixes that give fixed shares and fixed masks.

use candle_core::{DType, Device, Tensor};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_policy::{
    Branch, BranchPass, Build, Built, Mask, Mix, MixContext, Mixing, Parsed, PatchSource, Policy, Rect,
    Registry, Result, Rows, Shares, Spec, TrainingProgress, parameters,
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
    registry.push(&PASTED);
    Policy::parse("test", &serde_yaml::from_str(text).unwrap(), &registry)
}

/// The middle of a run of 100 steps, 10 to an epoch.
pub const PROGRESS: TrainingProgress =
    TrainingProgress { step: 50, steps: 100, batches_per_epoch: 10, batch: 8 };

pub fn seed(step: u64) -> Seed {
    Seed::new(1).fold("test", step)
}

/// Rows of these classes, each its own group.
pub fn rows(classes: &[u32], n_classes: usize) -> Rows {
    let groups = (0..classes.len()).map(|i| Some(i as u32)).collect();
    Rows::one_hot(classes.to_vec(), groups, n_classes)
}

/// R rows in which row i is 1 in channel i at all places, 0 elsewhere: (R, R, H, W) for the places `[H, W]`, (R, L, R) for `[L]`,
/// (R, R) for none.
pub fn painted(rows: usize, dtype: DType, places: &[usize]) -> Tensor {
    let eye = Tensor::eye(rows, dtype, &Device::Cpu).unwrap();
    let (here, everywhere) = match *places {
        [height, width] => (vec![rows, rows, 1, 1], vec![rows, rows, height, width]),
        [length] => (vec![rows, 1, rows], vec![rows, length, rows]),
        _ => return eye,
    };
    eye.reshape(here).unwrap().broadcast_as(everywhere).unwrap().contiguous().unwrap()
}

/// Numbers in [−1, 1), the same for the same purpose.
pub fn noise(purpose: &str, shape: &[usize]) -> Tensor {
    let mut rng = Seed::new(2).fold(purpose, 0).rng();
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| rng.uniform_in(-1.0, 1.0)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Values through a branch whose policies are all at `input`; a mix that asks for a gradient gets noise.
pub fn through<'a>(
    branch: &'a Branch,
    rows: &'a Rows,
    step: u64,
    values: &Tensor,
) -> (Tensor, BranchPass<'a>) {
    let mut pass = branch.begin(rows, seed(step), PROGRESS);
    if pass.needs_input_gradient() {
        pass.provide_input_gradient(noise("gradient", values.dims()));
    }
    let mixed = pass.at("input", values.clone()).unwrap();
    (mixed, pass)
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

/// Mean and variance.
pub fn moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean, values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64)
}

/// H = −Σ p ln p, in nats.
pub fn entropy(p: &[f64]) -> f64 {
    -p.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum::<f64>()
}

/// The draw of a mix, as the first policy of the first branch, on rows of these classes without groups, of maps of `size`,
/// each paired with the one before.
pub fn drawn(text: &str, classes: &[u32], size: (usize, usize), step: u64) -> Mixing {
    let value: Value = serde_yaml::from_str(text).unwrap();
    let (name, parameters) = value.as_mapping().unwrap().iter().next().unwrap();
    let spec = Registry::builtin().find(name.as_str().unwrap()).unwrap();
    let Ok(Built::Mix(mix)) = spec.build(parameters) else { panic!("{text}: no mix") };
    let rows = classes.len() as u32;
    let context = MixContext {
        classes,
        groups: &vec![None; classes.len()],
        n_classes: 4,
        size: Some(size),
        partners: &(0..rows).map(|row| (row + rows - 1) % rows).collect::<Vec<_>>(),
        within_group: true,
        progress: 0.5,
        values: None,
        input_gradient: None,
    };
    mix.draw(&context, &mut rng(step, "draw")).unwrap()
}

/// The random numbers of the first policy of the first branch, by the keys of ARCHITECTURE.md.
pub fn rng(step: u64, purpose: &str) -> Rng {
    seed(step).fold("branch", 0).fold("policy", 0).fold(purpose, 0).rng()
}

/// A paste of given masks: `pasted: { partner: […], boxes: [[top, bottom, left, right], …], masks: […], whole: true }`.
static PASTED: Spec = Spec {
    name: "pasted",
    summary: "given masks",
    source: "the tests",
    parameters: &[
        ("partner", "required", "of each row"),
        ("boxes", "required", "rectangles"),
        ("masks", "required", "soft masks, where there are no boxes"),
        ("whole", "required", "whether the whole partner goes into the box"),
    ],
    example: "{}",
    cost: "nothing",
    spatial: true,
    build: Build::Mix(|value| Ok(Box::new(parameters::<Pasted>(value)?))),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pasted {
    partner: Vec<u32>,
    boxes: Vec<(usize, usize, usize, usize)>,
    masks: Vec<Vec<f32>>,
    whole: bool,
}

impl Mix for Pasted {
    fn draw(&self, _: &MixContext, _: &mut Rng) -> Result<Mixing> {
        let rect = |&(top, bottom, left, right): &_| Rect { top, bottom, left, right };
        let mask = match self.boxes.as_slice() {
            [] => Mask::Soft(self.masks.clone()),
            boxes => Mask::Boxes(boxes.iter().map(rect).collect()),
        };
        let source = if self.whole { PatchSource::Resized } else { PatchSource::Aligned };
        Ok(Mixing::Masked { partner: self.partner.clone(), mask, source })
    }
}

/// A mix of given shares: `fixed: { shares: [[[row, share], …], …] }`.
static FIXED: Spec = Spec {
    name: "fixed",
    summary: "given shares",
    source: "the tests",
    parameters: &[("shares", "required", "the entries of each output row")],
    example: "{}",
    cost: "nothing",
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
    fn draw(&self, at: &MixContext, _: &mut Rng) -> Result<Mixing> {
        Ok(Mixing::Rows(Shares::new(at.rows(), self.shares.clone())))
    }
}
