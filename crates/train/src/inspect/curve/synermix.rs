//! The preset `synermix`, its draws replaced by fixed ones: 50 steps give the losses of the authors' code.

use super::{Case, Training, images, read, unit};
use crate::fit::branch::{Objective, StepContext};
use crate::plan::RunLength;
use candle_core::DType;
use serde::Deserialize;
use tallow_policy::{
    Build, Mix, MixContext, Mixing, Policy, Registry, Result, Rng, Rows, Shares, Spec, View, parameters,
    preset,
};
use tallow_seed::Seed;

/// A mix of given shares: `given: { shares: [[[row, share], …], …] }`.
static GIVEN: Spec = Spec {
    name: "given",
    summary: "given shares",
    source: "this test",
    parameters: &[("shares", "required", "the entries of each output row")],
    example: "{}",
    cost: "nothing",
    spatial: false,
    build: Build::Mix(|value| Ok(Box::new(parameters::<Given>(value)?))),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    shares: Vec<Vec<(u32, f64)>>,
}

impl Mix for Given {
    fn draw(&self, at: &MixContext, _: &mut Rng) -> Result<Mixing> {
        Ok(Mixing::Rows(Shares::new(at.rows(), self.shares.clone())))
    }
}

/// The preset as it is written, but for its two mixes.
fn policy(intra: &[Vec<(u32, f64)>], inter: &[Vec<(u32, f64)>]) -> Policy {
    let given = |shares| format!("given: {{ shares: {} }}", serde_json::to_string(shares).unwrap());
    let mut text = preset("synermix").unwrap().to_owned();
    for (mix, shares) in [("intra_class: {}", intra), ("mixup: { alpha: 1.0 }", inter)] {
        assert_eq!(text.matches(mix).count(), 1, "{text}");
        text = text.replace(mix, &given(shares));
    }
    let mut registry = Registry::builtin();
    registry.push(&GIVEN);
    let value = serde_yaml::from_str(&text).unwrap();
    Policy::parse("synermix", &value, &registry).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

/// Labels, and the policy with the draws of a batch as curve.py has them.
fn drawn(case: &Case, number: usize) -> (Vec<u32>, Policy) {
    let rows = case.shape[0];
    let part = |name: &str, n| {
        unit(&format!("{name}.{number}"), n).into_iter().map(|u| (u + 1.0) / 2.0).collect::<Vec<f64>>()
    };
    let labels: Vec<u32> = part("labels", rows).iter().map(|v| (v * case.classes as f64) as u32).collect();
    let mut draws = part("intra", rows).into_iter();
    let intra = (0..case.classes as u32).map(|class| {
        let members: Vec<u32> = (0..rows as u32).filter(|&row| labels[row as usize] == class).collect();
        let weights: Vec<f64> = draws.by_ref().take(members.len()).collect();
        let sum: f64 = weights.iter().sum();
        members.into_iter().zip(weights).map(|(row, weight)| (row, weight / sum)).collect::<Vec<_>>()
    });
    let intra: Vec<_> = intra.filter(|row| !row.is_empty()).collect();
    let lambda = part("lambda", 1)[0];
    let keys = part("order", rows);
    let mut order: Vec<u32> = (0..rows as u32).collect();
    order.sort_by(|&a, &b| keys[a as usize].total_cmp(&keys[b as usize]));
    let pair =
        |(i, j): (u32, u32)| if i == j { vec![(i, 1.0)] } else { vec![(i, lambda), (j, 1.0 - lambda)] };
    let inter: Vec<_> = (0..).zip(order).map(pair).collect();
    let policy = policy(&intra, &inter);
    (labels, policy)
}

#[test]
fn synermix_learns_as_the_authors_code() {
    let case = read("synermix");
    assert!(case.losses.len() == 50 && case.losses[49] < case.losses[0] - 0.2, "{:?}", case.losses);
    let mut training = Training::begin(&case, "resnet20", None, DType::F64);
    for (step, theirs) in case.losses.iter().enumerate() {
        let number = step % 4;
        let (labels, policy) = drawn(&case, number);
        let rows = Rows::one_hot(labels, vec![None; case.shape[0]], case.classes);
        let values = |view| {
            Ok(images(
                &case,
                &match view {
                    View::Clean => format!("clean.{number}"),
                    View::Augmented => format!("images.{number}"),
                },
            ))
        };
        let Training { network, params, loss, .. } = &training;
        let objective = Objective { network, params, policy: &policy, loss, accumulate: 1 };
        let training_progress = RunLength::of_steps(50, 8).at(step as u64);
        let context = StepContext { rows: &rows, seed: Seed::new(0), training_progress, parts: &[] };
        let made = objective.gradients(context, values, |_| Ok(())).unwrap();
        // Gradients are f64, the loss is reported as a sum of two numbers of f32.
        let difference = (made.loss - theirs).abs();
        assert!(difference <= 5e-7, "step {step}: {} and {theirs} differ by {difference:e}", made.loss);
        training.update(&case, &made.gradients);
    }
}
