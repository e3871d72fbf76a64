//! One step, asked from inside: its gradients, its branches, and what a probe of the network leaves behind.

use crate::program::{Desk, TINY};
use candle_core::Tensor;
use serde_json::Value;
use std::collections::BTreeMap;
use tallow_data::HostBatch;
use tallow_policy::{PRESETS, Policy, Registry};
use tallow_train::{BranchStep, Plan, Rates, Run, RunLength, Start, Step, training_step};

/// A recipe of the desk, built.
fn built(desk: &Desk, recipe: &str, overrides: &[String], registry: &Registry) -> Run {
    let plan = Plan::read(&desk.path(recipe), overrides, registry).unwrap();
    Run::build(plan, Start::Recipe, &tallow_report::Progress::hidden()).unwrap()
}

/// The only step of a run, on these images.
fn step_on(run: &Run, host: HostBatch) -> Step {
    let length = RunLength { steps: 1, batches_per_epoch: 1, batch: host.labels.len() as u64 };
    let batch = run.batches().unwrap().batch(host, tallow_seed::Seed::new(1), length.at(0));
    training_step(run, &batch).unwrap()
}

/// The first step of a run on six images of fixed bytes, with the labels of its first six.
fn first_step(run: &Run) -> (HostBatch, Step) {
    let bytes = (0..6 * 16 * 16 * 3).map(|i| (i * 37 % 251) as u8).collect();
    let view = tallow_data::Pixels { rows: 6, height: 16, width: 16, bytes };
    let indices: Vec<u32> = (0..6).collect();
    let labels = indices.iter().map(|row| run.data.train.label(*row as usize)).collect();
    let batch = HostBatch { views: vec![view], labels, indices };
    let step = step_on(run, batch.clone());
    (batch, step)
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn a_parameter_without_a_gradient_is_an_error() {
    let run = built(&Desk::new(), "tiny.yaml", &[], &Registry::builtin());
    let (_, mut step) = first_step(&run);
    assert_eq!(step.gradients.len(), run.model.params.trainable.len());
    let mut state = run.optimizer().state(&run.model.params, |stage| run.begins(stage)).unwrap();
    let mut update = |gradients: &BTreeMap<String, Tensor>| {
        let rates = Rates { lr: 0.1, momentum: None };
        run.optimizer().update(&run.model.params, gradients, &mut state, |_| Some(0), rates)
    };
    update(&step.gradients).unwrap();
    step.gradients.remove("layer2.0.conv1.weight").unwrap();
    let error = update(&step.gradients).unwrap_err().to_string();
    assert!(error.contains("parameter `layer2.0.conv1.weight` got no gradient"), "{error}");
}

/// What the mix `watch` was given.
static GRADIENT: std::sync::Mutex<Option<Tensor>> = std::sync::Mutex::new(None);

/// Asks for the gradient by the input, and leaves the rows as they are.
struct Watch;

impl tallow_policy::Mix for Watch {
    fn inputs(&self) -> tallow_policy::Inputs {
        tallow_policy::Inputs::InputGradient
    }

    fn draw(
        &self,
        at: &tallow_policy::MixContext,
        _: &mut tallow_seed::Rng,
    ) -> tallow_policy::Result<tallow_policy::Mixing> {
        *GRADIENT.lock().unwrap() = at.input_gradient.cloned();
        Ok(tallow_policy::Mixing::Keep)
    }
}

static WATCH: tallow_policy::Spec = tallow_policy::Spec {
    name: "watch",
    summary: "looks at the gradient by the input",
    source: "this test",
    parameters: &[],
    example: "{ watch: {} }",
    cost: "nothing",
    spatial: false,
    build: tallow_policy::Build::Mix(|_| Ok(Box::new(Watch))),
};

/// The probe of a guided mix gives the gradient of the loss by the input, and moves nothing: neither a gradient of the step,
/// nor a running statistic, nor a parameter.
#[test]
fn a_probe_leaves_no_trace() {
    let desk = Desk::new();
    let mut registry = Registry::builtin();
    registry.push(&WATCH);
    let step = |branches: &str, accumulate: &str| {
        desk.write("watched.yaml", TINY.replace("policy: cutmix_zeta_mixup", branches));
        let run = built(&desk, "watched.yaml", &[accumulate.to_owned()], &registry);
        let (batch, step) = first_step(&run);
        let gradients: Vec<_> = step.gradients.iter().map(|(name, x)| (name.clone(), flat(x))).collect();
        let buffers: Vec<_> =
            run.model.params.buffers.iter().map(|(name, x)| (name.clone(), flat(x.var()))).collect();
        (run, batch, step.loss.to_bits(), gradients, buffers)
    };
    for accumulate in ["accumulate=1", "accumulate=2"] {
        let plain = step("branches: [ { policies: [] } ]", accumulate);
        let watched = step("branches: [ { policies: [ { watch: {} } ] } ]", accumulate);
        assert_eq!(plain.2, watched.2);
        assert!(plain.3 == watched.3, "gradients moved");
        assert!(plain.4 == watched.4, "running statistics moved");
        assert!(plain.4.len() > 30 && plain.4.iter().any(|(_, values)| values.iter().any(|x| *x != 0.0)));
    }
    // By finite differences, along the gradient g itself: (L(x + hg) − L(x − hg)) / 2h = |g|².
    let (run, batch, ..) = step("branches: [ { policies: [ { watch: {} } ] } ]", "accumulate=1");
    let gradient = GRADIENT.lock().unwrap().take().expect("a gradient was given");
    let values = run.model.upload(&batch.views[0]).unwrap();
    assert_eq!(gradient.dims(), values.dims());
    let classes = run.model.classes.len();
    let targets = tallow_policy::Rows::one_hot(batch.labels.clone(), vec![None; 6], classes).targets;
    let square = gradient.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
    let loss = |h: f64| -> f64 {
        let moved = (&values + (&gradient * h).unwrap()).unwrap();
        let logits = run.model.network.forward(&moved, &tallow_models::Mode::Probe).unwrap();
        f64::from(run.loss.of(&logits, &targets).unwrap().to_scalar::<f32>().unwrap())
    };
    let h = 0.01 / f64::from(square.sqrt());
    let slope = (loss(h) - loss(-h)) / (2.0 * h);
    assert!((slope / f64::from(square) - 1.0).abs() < 0.02, "{slope}, {square}");
}

/// Two branches, and what each gave: its loss before its weight, the norm of its gradient, where its mixes happened. Collecting the
/// branches apart leaves their sum as it was, to the bit.
#[test]
fn a_step_knows_its_branches() {
    let desk = Desk::new();
    let step = |weights: [f64; 2]| {
        let [a, b] = weights;
        let branches = format!(
            "branches:\n\
             - {{ weight: {a}, policies: [ {{ cutmix: {{}} }}, {{ mixup: {{}}, p: 0 }} ] }}\n\
             - {{ weight: {b}, policies: [ {{ zeta_mixup: {{}}, at: stage2 }} ] }}"
        );
        desk.write("two.yaml", TINY.replace("policy: cutmix_zeta_mixup", &branches));
        first_step(&built(&desk, "two.yaml", &[], &Registry::builtin())).1
    };
    let norm = |step: &Step| {
        let squares = step.gradients.values().flat_map(flat).map(|g| f64::from(g).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let (both, first, second) = (step([0.75, 0.25]), step([0.75, 0.0]), step([0.0, 0.25]));
    let [a, b] = both.branches.as_slice() else { panic!("two branches") };
    assert_eq!((a.branch, b.branch), (0, 1));
    assert!((0.75 * a.loss + 0.25 * b.loss - both.loss).abs() < 1e-12);
    for (one, alone) in [(a, &first), (b, &second)] {
        assert_eq!(alone.branches[0].loss, one.loss);
        assert_eq!((alone.branches[0].gradient_norm, &alone.branches[0].targets), (None, &one.targets));
        let (got, expected) = (one.gradient_norm.unwrap(), norm(alone));
        assert!((got - expected).abs() < 1e-9 * expected, "{got} != {expected}");
    }
    assert_ne!(a.targets, b.targets);
    let places = |one: &BranchStep| -> Vec<(String, Option<String>)> {
        one.mixes.iter().map(|mix| (mix.policy.clone(), mix.tap.clone())).collect()
    };
    let tap = |tap: &str| Some(tap.to_owned());
    assert_eq!(places(a), [("cutmix".into(), tap("input")), ("mixup".into(), None)]);
    assert_eq!(places(b), [("zeta_mixup".into(), tap("stage2"))]);
    for (name, sum) in &both.gradients {
        let parts = flat(&first.gradients[name]).into_iter().zip(flat(&second.gradients[name]));
        assert!(flat(sum) == parts.map(|(a, b)| a + b).collect::<Vec<f32>>(), "{name}");
    }
}

/// The six networks of SynerMix's paper, each under every preset that mixes within classes: every parameter has a gradient, and a
/// short step along it moves the loss of the same draws.
#[test]
fn synermixs_networks_train_under_its_presets() {
    let (desk, registry) = (Desk::new(), Registry::builtin());
    let presets: Vec<&str> =
        PRESETS.iter().filter(|(_, text)| text.contains("intra_class:")).map(|(name, _)| *name).collect();
    assert_eq!(presets, ["intra_class", "mixup_intra_class", "synermix", "synermix_manifold"]);
    let bytes = (0..6 * 32 * 32 * 3).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let view = tallow_data::Pixels { rows: 6, height: 32, width: 32, bytes };
    let batch = HostBatch {
        views: vec![view.clone(), view],
        labels: vec![0, 0, 1, 1, 2, 2],
        indices: (0..6).collect(),
    };
    for model in ["resnet18", "resnet34", "resnet50", "resnet101", "mobilenet_v3_large", "swin_t"] {
        let name = format!("model={{ name: {model}, input: 32 }}");
        let size = ["images", "evaluation"].map(|key| format!("{key}=[{{ resize: [32, 32] }}]"));
        let overrides = [&[name, "policy=synermix".to_owned()], &size[..]].concat();
        let mut run = built(&desk, "tiny.yaml", &overrides, &registry);
        for preset in &presets {
            run.model.plan.policy = Policy::preset(preset, &registry).unwrap();
            let first = step_on(&run, batch.clone());
            assert!(first.branches.iter().all(|branch| branch.mixes.iter().all(|mix| mix.tap.is_some())));
            let mut square = 0.0;
            for (name, param) in &run.model.params.trainable {
                let gradient = flat(&first.gradients[name]);
                assert_eq!(gradient.len(), param.var().elem_count(), "{name}");
                let norm: f64 = gradient.iter().map(|g| f64::from(*g).powi(2)).sum();
                assert!(norm.is_finite() && norm > 0.0, "{model} {preset}: {name}: {norm}");
                square += norm;
            }
            let mut state = run.optimizer().state(&run.model.params, |stage| run.begins(stage)).unwrap();
            let lr = 1e-3 / square;
            let rates = Rates { lr, momentum: None };
            run.optimizer()
                .update(&run.model.params, &first.gradients, &mut state, |_| Some(0), rates)
                .unwrap();
            // Whether it falls is chance here: norms over six values, signs of ReLUs.
            let second = step_on(&run, batch.clone()).loss;
            assert!(
                (1.0..4.0).contains(&second) && second != first.loss,
                "{model} {preset}: {} {second}",
                first.loss
            );
        }
    }
}

#[test]
fn the_log_tells_what_every_branch_gave() {
    let desk = Desk::new();
    desk.train(&["tiny.yaml", "policy=synermix_manifold", "--out", "run"]).ok();
    let text = desk.read("run/metrics.jsonl");
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let steps: Vec<&Value> = records.iter().filter(|record| record["loss"].is_f64()).collect();
    assert_eq!(steps.len(), 8);
    for step in steps {
        let branches = step["branches"].as_array().unwrap();
        assert_eq!(branches.len(), 2, "{step}");
        assert!(branches.iter().all(|branch| branch["gradient_norm"].as_f64().unwrap() > 0.0), "{step}");
        assert!(branches.iter().all(|branch| branch["mixes"][0]["tap"].is_string()), "{step}");
    }
}
