//! The engine: taps, chances, windows, pairing, keys of random numbers, what a mix is told, what it may not do.

use crate::setting::*;
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;
use std::sync::Mutex;
use tallow_policy::{
    Applied, Branch, Build, Inputs, Mask, Mix, MixContext, Mixing, Parsed, PatchSource, Policy, Rect,
    Registry, Result, Rows, Shares, Spec, TrainingProgress,
};
use tallow_seed::Rng;

fn values(rows: usize) -> Tensor {
    noise("engine", &[rows, 1, 4, 4])
}

/// A walk through taps in order, with the values of `input` at each.
fn walk<'a>(branch: &'a Branch, rows: &'a Rows, step: u64) -> Vec<Applied> {
    let mut pass = branch.begin(rows, seed(step), PROGRESS);
    let mut now = values(rows.len());
    for tap in ["input", "stage1", "stage2", "penultimate"] {
        now = pass.at(tap, now).unwrap();
    }
    assert_eq!(pass.due().count(), 0);
    pass.record().to_vec()
}

#[test]
fn one_tap_is_drawn_for_each_step() {
    let (branch, rows) = (branch("[ { mixup: {}, at: [ input, stage1, stage2 ] } ]"), rows(&[0, 1, 0], 2));
    let mut counts = BTreeMap::new();
    for step in 0..3000 {
        let [applied] = walk(&branch, &rows, step).try_into().expect("one application in a step");
        assert_eq!(
            (applied.policy.as_str(), applied.path.as_str(), applied.branch),
            ("mixup", "branches[0].policies[0]", 0)
        );
        *counts.entry(applied.tap).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 3);
    assert!(counts.values().all(|count| (880..1120).contains(count)), "{counts:?}"); // 1000 ± 4.6 sd
}

#[test]
fn p_is_applied_once() {
    let (branch, rows) = (branch("[ { mixup: {}, p: 0.3 } ]"), rows(&[0, 1], 2));
    let happened: usize = (0..4000).map(|step| walk(&branch, &rows, step).len()).sum();
    assert!((1084..1316).contains(&happened), "{happened} of 4000"); // 1200 ± 4 sd
}

#[test]
fn alternatives_are_drawn_by_weight() {
    let text = "[ { one_of: [ { weight: 3, mixup: {} }, { zeta_mixup: {} }, { weight: 0, cutmix: {} }, { weight: 4, policies: [] } ] } ]";
    let (branch, rows) = (branch(text), rows(&[0, 1], 2));
    let mut counts = BTreeMap::new();
    for step in 0..8000 {
        let names: Vec<String> =
            walk(&branch, &rows, step).into_iter().map(|applied| applied.policy).collect();
        *counts.entry(names.join("+")).or_insert(0i32) += 1;
    }
    let near = |name: &str, expected: i32| assert!((counts[name] - expected).abs() < 180, "{counts:?}"); // 4 sd
    near("mixup", 3000);
    near("zeta_mixup", 1000);
    near("", 4000);
    assert_eq!(counts.len(), 3);
}

/// p from 0 to 1 over 100 steps, 40 seeds each: at step s it happens with chance s / 100.
#[test]
fn a_chance_grows() {
    let (branch, rows) = (branch("[ { mixup: {}, p: { from: 0, to: 1 } } ]"), rows(&[0, 1], 2));
    let happened = |steps: std::ops::Range<u64>| -> usize {
        let begun = |step: u64, salt: u64| {
            branch.begin(&rows, seed(40 * step + salt), TrainingProgress { step, ..PROGRESS }).due().count()
        };
        steps
            .flat_map(|step| (0..40).map(move |salt| (step, salt)))
            .map(|(step, salt)| begun(step, salt))
            .sum()
    };
    assert_eq!(happened(0..1), 0);
    // Σ s/100 over each quarter: 3, 9.25, 15.5, 21.75, times 40; a standard deviation is at most √(1000 / 4) = 16
    for (quarter, expected) in [120, 370, 620, 870].into_iter().enumerate() {
        let quarter = quarter as u64;
        let got = happened(25 * quarter..25 * (quarter + 1)) as i64;
        assert!((got - expected).abs() < 64, "quarter {quarter}: {got}, expected {expected}");
    }
}

/// The own weight of ζ-mixup over two rows, 1 / (1 + 2^−γ), with γ from 4 to 0 over 100 steps; the record says γ.
#[test]
fn strength_follows_the_run() {
    let text = "[ { zeta_mixup: { gamma: { from: 4, to: 0 }, samples: 2 } } ]";
    let (branch, rows) = (branch(text), rows(&[0, 1], 2));
    for (step, gamma) in [(0, 4.0), (25, 3.0), (50, 2.0), (100, 0.0)] {
        let mut pass = branch.begin(&rows, seed(step), TrainingProgress { step, ..PROGRESS });
        pass.at("input", values(2)).unwrap();
        let own = pass.shares().row(0)[0].1;
        assert!((own - 1.0 / (1.0 + 2f64.powf(-gamma))).abs() < 1e-12, "step {step}: {own}");
        let [applied] = pass.record() else { panic!("one mix") };
        assert_eq!((&applied.numbers, &applied.shares), (&vec![("gamma".to_owned(), gamma)], pass.shares()));
    }
}

#[test]
fn windows_open_and_close() {
    let (branch, rows) = (branch("[ { mixup: {}, during: [ 2 epochs, 0.5 ] } ]"), rows(&[0, 1], 2));
    let inside = |step| {
        let mut pass = branch.begin(&rows, seed(0), TrainingProgress { step, ..PROGRESS });
        pass.at("input", values(2)).unwrap();
        pass.record().len()
    };
    let open: Vec<u64> = (0..100).filter(|&step| inside(step) == 1).collect();
    assert_eq!(open, (20..50).collect::<Vec<_>>());
}

#[test]
fn policies_of_one_tap_follow_their_order_and_taps_the_network() {
    let text = "[ { intra_class: {}, at: penultimate }, { mixup: {} }, { zeta_mixup: {} } ]";
    let (branch, rows) = (branch(text), rows(&[0, 1, 0], 2));
    let names: Vec<String> = walk(&branch, &rows, 0).into_iter().map(|applied| applied.policy).collect();
    assert_eq!(names, ["mixup", "zeta_mixup", "intra_class"]);
}

#[test]
fn a_key_of_one_policy_moves_no_number_of_another() {
    let shares = |text: &str, step| {
        let (branch, rows) = (branch(text), rows(&[0, 1, 2, 0, 1], 3));
        through(&branch, &rows, step, &values(5)).1.shares().clone()
    };
    for step in 0..20 {
        let alone = shares("[ { mixup: {}, p: 0 }, { zeta_mixup: {} } ]", step);
        assert_eq!(shares("[ { cutmix: {}, p: 0 }, { zeta_mixup: {} } ]", step), alone);
        assert_eq!(shares("[ { policies: [] }, { zeta_mixup: {}, p: 1, at: input } ]", step), alone);
        assert_ne!(shares("[ { zeta_mixup: {} } ]", step), alone); // another place, other numbers
    }
}

#[test]
fn branches_draw_for_themselves() {
    let policy = policy("branches: [ { policies: [ { mixup: {} } ] }, { policies: [ { mixup: {} } ] } ]");
    let rows = rows(&[0, 1, 2, 0, 1], 3);
    let [a, b] = [0, 1].map(|i| through(&policy.branches[i], &rows, 0, &values(5)).1.shares().clone());
    assert_ne!(a, b);
}

#[test]
fn rows_of_one_group_are_kept_apart() {
    let groups = vec![Some(0), Some(0), Some(1), None, Some(0), Some(1), None, Some(2)];
    let rows = Rows::one_hot(vec![0, 0, 1, 1, 0, 1, 0, 1], groups.clone(), 2);
    let policies = [
        "mixup: {}, pairing: { within_group: false }",
        "mixup: {}, pairing: { order: roll, within_group: false }",
        "cutmix: {}, pairing: { order: derangement, within_group: false }",
        "zeta_mixup: {}, pairing: { within_group: false }",
        "intra_class: {}, pairing: { within_group: false }",
        "dirichlet_mixup: {}, pairing: { within_group: false }",
        "resizemix: {}, pairing: { within_group: false }",
        "fmix: {}, pairing: { order: flip, within_group: false }",
        "smoothmix: {}, pairing: { order: derangement, within_group: false }",
        "gridmix: {}, pairing: { within_group: false }",
        "gridmixup: {}, pairing: { within_group: false }",
        "saliencymix: {}, pairing: { within_group: false }",
        "linear: { rows: one_per_class, weights: { p_series: {} } }, pairing: { within_group: false }",
        "linear: { partners: { count: 1, among: same_class } }, pairing: { within_group: false }",
        "linear: { partners: 3, weights: uniform_simplex }, pairing: { within_group: false }",
    ];
    let mut mixed = 0;
    for text in policies {
        let branch = branch(&format!("[ {{ {text} }} ]"));
        for step in 0..50 {
            let pass = through(&branch, &rows, step, &values(8)).1;
            for row in pass.shares().rows() {
                let mut seen: Vec<u32> = row.iter().filter_map(|(j, _)| groups[*j as usize]).collect();
                seen.sort();
                mixed += usize::from(row.len() > 1);
                let count = seen.len();
                seen.dedup();
                assert_eq!(seen.len(), count, "{text}: {row:?}");
            }
        }
    }
    assert!(mixed > 50 * 8 * 7, "{mixed} rows of more than one source");
}

#[test]
fn each_of_a_group_is_met_as_often() {
    // Rows 1 and 2 are of one group: ζ-mixup of row 0 has one of them, each half of the time, and row 3 always.
    let rows = Rows::one_hot(vec![0; 4], vec![Some(0), Some(1), Some(1), Some(2)], 1);
    let branch = branch("[ { zeta_mixup: {}, pairing: { within_group: false } } ]");
    let mut met = [0; 4];
    for step in 0..2000 {
        let pass = through(&branch, &rows, step, &values(4)).1;
        pass.shares().row(0).iter().for_each(|(j, _)| met[*j as usize] += 1);
    }
    assert_eq!((met[0], met[1] + met[2], met[3]), (2000, 2000, 2000));
    assert!((910..1090).contains(&met[1]), "{met:?}"); // 1000 ± 4 sd
}

/// Classes, groups, the values or gradient, progress.
type Told = (Vec<u32>, Vec<Option<u32>>, Option<Vec<f64>>, f64);

/// What the mix `probe` was told, application by application.
static TOLD: Mutex<Vec<Told>> = Mutex::new(Vec::new());

struct Probe(Inputs);

impl Mix for Probe {
    fn inputs(&self) -> Inputs {
        self.0
    }
    fn draw(&self, at: &MixContext, _: &mut Rng) -> Result<Mixing> {
        assert_eq!(at.input_gradient.is_some(), self.0 == Inputs::InputGradient);
        assert!(at.values.or(at.input_gradient).is_some_and(|tensor| !tensor.track_op()));
        let seen = at.values.or(at.input_gradient).map(flat);
        TOLD.lock().unwrap().push((at.classes.to_vec(), at.groups.to_vec(), seen, at.progress));
        Ok(Mixing::Keep)
    }
}

/// Draws that no mix may give.
struct Wrong(u32);

impl Mix for Wrong {
    fn draw(&self, at: &MixContext, _: &mut Rng) -> Result<Mixing> {
        let whole = Rect { top: 0, bottom: 4, left: 0, right: 4 };
        Ok(match self.0 {
            0 => Mixing::Rows(Shares::new(at.rows(), vec![vec![(0, 0.5)]])),
            1 => Mixing::Rows(Shares::identity(at.rows() + 1)),
            2 => Mixing::Masked {
                partner: vec![9; at.rows()],
                mask: Mask::Boxes(vec![whole]),
                source: PatchSource::Aligned,
            },
            _ => {
                let outside = Mask::Boxes(vec![Rect { bottom: 5, ..whole }]);
                Mixing::Masked { partner: at.partners.to_vec(), mask: outside, source: PatchSource::Aligned }
            }
        })
    }
}

fn build<const KIND: u32>(_: &serde_yaml::Value) -> Parsed<Box<dyn Mix>> {
    Ok(match KIND {
        8 => Box::new(Probe(Inputs::Values)),
        9 => Box::new(Probe(Inputs::InputGradient)),
        kind => Box::new(Wrong(kind)),
    })
}

const fn spec(name: &'static str, build: Build) -> Spec {
    Spec {
        name,
        summary: "a test",
        source: "a test",
        parameters: &[],
        example: "{}",
        cost: "nothing",
        spatial: false,
        build,
    }
}
static SPECS: [Spec; 6] = [
    spec("probe", Build::Mix(build::<8>)),
    spec("guided", Build::Mix(build::<9>)),
    spec("half", Build::Mix(build::<0>)),
    spec("more_rows", Build::Mix(build::<1>)),
    spec("no_partner", Build::Mix(build::<2>)),
    spec("outside", Build::Mix(build::<3>)),
];

fn with_specs(text: &str) -> Parsed<Policy> {
    let mut registry = Registry::builtin();
    SPECS.iter().for_each(|spec| registry.push(spec));
    let value = serde_yaml::from_str(&format!("branches: [ {{ policies: {text} }} ]")).unwrap();
    Policy::parse("own", &value, &registry)
}

#[test]
fn a_mix_is_told_the_class_and_group_of_the_dominant_source() {
    // Row 0: .4 of row 0, .6 of row 2; row 1: a tie of rows 1 and 2, the lower counts.
    let text = "[ { fixed: { shares: [ [ [0, 0.4], [2, 0.6] ], [ [2, 0.5], [1, 0.5] ] ] } } ]";
    let branch = branch(text);
    let rows = Rows::one_hot(vec![0, 1, 2], vec![Some(5), None, Some(6)], 3);
    let mut pass = branch.begin(&rows, seed(0), PROGRESS);
    let mixed = pass.at("input", values(3)).unwrap();
    assert_eq!(pass.shares().dominant(), [2, 1]);
    assert_eq!(pass.targets(), [0.4, 0.0, 0.6, 0.0, 0.5, 0.5]);
    assert_eq!(mixed.dims(), [2, 1, 4, 4]);

    let policy = with_specs("[ { intra_class: {} }, { probe: {}, at: stage1 } ]").unwrap();
    let rows = Rows::one_hot(vec![2, 0, 2], vec![Some(5), None, Some(5)], 3);
    let mut pass = policy.branches[0].begin(&rows, seed(0), PROGRESS);
    let input = candle_core::Var::from_tensor(&values(3)).unwrap();
    let mixed = pass.at("input", input.as_tensor().clone()).unwrap();
    let kept = pass.at("stage1", mixed.clone()).unwrap();
    assert_eq!(flat(&kept), flat(&mixed));
    let told = TOLD.lock().unwrap();
    let (classes, groups, seen, progress) = told.iter().find(|told| told.0.len() == 2).unwrap();
    assert_eq!(
        (classes.as_slice(), groups.as_slice(), *progress),
        ([0, 2].as_slice(), [None, Some(5)].as_slice(), 0.5)
    );
    assert_eq!(seen.as_deref(), Some(flat(&mixed).as_slice()));
}

#[test]
fn a_guided_mix_receives_the_gradient_where_it_happens() {
    let policy = with_specs("[ { guided: {}, p: 0.5 }, { mixup: {} } ]").unwrap();
    let (branch, rows) = (&policy.branches[0], rows(&[0, 1, 1, 0], 2));
    assert!(branch.needs_input_gradient());
    let gradient = noise("gradient", &[4, 1, 4, 4]);
    let mut needed = 0;
    for step in 0..40 {
        let mut pass = branch.begin(&rows, seed(step), PROGRESS);
        if pass.needs_input_gradient() {
            needed += 1;
            let refused = branch.begin(&rows, seed(step), PROGRESS).at("input", values(4)).unwrap_err();
            assert!(refused.to_string().contains("was not provided"), "{refused}");
            pass.provide_input_gradient(gradient.clone());
        }
        pass.at("input", values(4)).unwrap();
    }
    assert!((8..32).contains(&needed), "{needed} of 40");
    assert!(TOLD.lock().unwrap().iter().any(|told| told.2 == Some(flat(&gradient))));

    let after = with_specs("[ { mixup: {} }, { guided: {}, at: stage1 } ]").err().unwrap();
    assert_eq!(after.len(), 2);
    assert_eq!(after[0].path, "branches[0].policies[1]");
    assert!(after[0].message.contains("before every other mix"));
    assert_eq!(after[1].path, "branches[0].policies[1].at");
    let apart = "[ { one_of: [ { mixup: {} }, { guided: {} } ] } ]";
    assert!(with_specs(apart).is_ok());
}

#[test]
fn a_wrong_draw_is_an_error_that_names_the_policy() {
    let rows = rows(&[0, 1], 2);
    for (name, problem) in [
        ("half", "must be 0 or more and sum to 1, got a sum of 0.5"),
        ("more_rows", "its shares are of 3 rows, the batch has 2"),
        ("no_partner", "expected one partner for each of 2 rows"),
        ("outside", "expected a rectangle inside 4×4"),
    ] {
        let policy = with_specs(&format!("[ {{ {name}: {{}} }} ]")).unwrap();
        let mut pass = policy.branches[0].begin(&rows, seed(0), PROGRESS);
        let error = pass.at("input", values(2)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{name}: ")) && error.contains(problem), "{error}");
    }
}

#[test]
fn values_of_another_number_of_rows_are_refused() {
    let (branch, rows) = (branch("[ { mixup: {} } ]"), rows(&[0, 1], 2));
    let error = branch.begin(&rows, seed(0), PROGRESS).at("input", values(3)).unwrap_err();
    assert!(error.to_string().contains("expected 2 rows at tap `input`"), "{error}");
}

#[test]
fn soft_targets_are_mixed_as_they_are() {
    let (branch, mut rows) =
        (branch("[ { fixed: { shares: [ [ [0, 0.25], [1, 0.75] ] ] } } ]"), rows(&[0, 1], 2));
    rows.targets = vec![0.9, 0.1, 0.2, 0.8];
    let mut pass = branch.begin(&rows, seed(0), PROGRESS);
    pass.at("input", Tensor::zeros((2, 3), DType::F32, &Device::Cpu).unwrap()).unwrap();
    assert!(apart(&pass.targets(), &[0.375, 0.625]) < 1e-15); // .25 · .9 + .75 · .2
}
