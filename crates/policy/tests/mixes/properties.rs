//! What is true of every mix in the registry, whoever wrote it.

use crate::setting::*;
use candle_core::{DType, Device, Tensor, Var};
use std::collections::BTreeSet;
use tallow_policy::{Inputs, Registry, Rows};

/// Every mix with its defaults, and with the parameters that change what it does: (text, whether it needs maps).
pub fn variants() -> Vec<(String, bool)> {
    let more = [
        "mixup: { alpha: 0.2, per_sample: true }",
        "mixup: {}, pairing: { order: derangement, within_group: false }",
        "cutmix: { alpha: 0.4, per_sample: true }",
        "cutmix: {}, pairing: flip",
        "zeta_mixup: { samples: 2 }",
        "zeta_mixup: { gamma: 0, samples: 3 }",
        "zeta_mixup: {}, pairing: { within_group: false }",
        "intra_class: {}, pairing: { within_group: false }",
        "dirichlet_mixup: { alpha: 0.3, samples: 3 }",
        "dirichlet_mixup: {}, pairing: { within_group: false }",
        "linear: { partners: 1, per_sample: true }",
        "linear: { partners: 2, weights: { fixed: [0.5, 0.3, 0.2] } }",
        "linear: { partners: all, weights: { p_series: { gamma: 2 } }, own: random }",
        "linear: { partners: same_class, weights: normalised_uniform, per_sample: true }",
        "linear: { partners: other_class, weights: uniform_simplex, own: largest, per_sample: true }",
        "linear: { partners: same_group, weights: uniform_simplex }",
        "linear: { partners: { count: 1, among: other_class } }",
        "linear: { rows: one_per_class, weights: { dirichlet: { alpha: 2 } }, per_sample: true }",
        "linear: { rows: one_per_class, partners: { count: 2, among: same_class }, weights: { p_series: {} } }",
        "resizemix: { scale: [0.3, 1.0], per_sample: true }",
        "fmix: { decay: 1, per_sample: true }",
        "smoothmix: { sigma: [0.1, 0.2], per_sample: true }",
        "gridmix: { cells: 3, per_sample: true }",
        "gridmixup: { holes: [1, 9], area: [0.2, 0.9], per_sample: true }",
        "saliencymix: { alpha: 0.5, per_sample: true }",
        "saliencymix: { saliency: input_gradient }",
    ];
    let registry = Registry::builtin();
    let defaults = registry.mixes().map(|spec| (format!("{}: {{}}", spec.name), spec.spatial));
    let more = more.into_iter().map(|text| {
        let spec = registry.find(text.split(':').next().unwrap()).unwrap();
        (text.to_owned(), spec.spatial)
    });
    defaults.chain(more).collect()
}

/// Ordinary, odd, single-row and single-class batches; groups in some.
pub fn batches() -> Vec<Rows> {
    let one_hot =
        |classes: &[u32], groups: &[Option<u32>]| Rows::one_hot(classes.to_vec(), groups.to_vec(), 4);
    vec![
        one_hot(
            &[0, 1, 2, 3, 0, 1, 0, 0],
            &[Some(0), Some(1), None, Some(2), Some(0), None, Some(3), Some(0)],
        ),
        one_hot(&[3, 0, 3, 1, 2], &[None; 5]),
        one_hot(&[2], &[Some(7)]),
        one_hot(&[1, 1, 1, 1], &[Some(1), Some(1), Some(1), Some(1)]),
        one_hot(&[0, 3], &[Some(1), Some(2)]),
    ]
}

/// One row of a batch, without the first dimension: maps (C, H, W), features (D), sequences (L, D).
pub const MAPS: &[usize] = &[2, 5, 7];
const FEATURES: &[usize] = &[6];
const SEQUENCES: &[usize] = &[3, 6];

/// Steps that each check looks at, at most.
const STEPS: u64 = 6;

/// Runs `check` for every variant on `maps` and, where it mixes whole rows, on features and sequences too; with every batch and
/// some steps. It says whether it looked; the answer is how often it did.
pub fn every(maps: &[&[usize]], check: impl Fn(&str, &Rows, u64, &[usize]) -> bool) -> usize {
    let (mut names, mut looked) = (BTreeSet::new(), 0);
    for (text, spatial) in variants() {
        let rest = if spatial { &[][..] } else { &[FEATURES, SEQUENCES] };
        for (rows, row) in
            batches().iter().flat_map(|rows| maps.iter().chain(rest).map(move |row| (rows, row)))
        {
            let shape: Vec<usize> = std::iter::once(rows.len()).chain(row.iter().copied()).collect();
            for _ in (0..STEPS).filter(|step| check(&text, rows, *step, &shape)) {
                names.insert(text.split(':').next().unwrap().to_owned());
                looked += 1;
            }
        }
    }
    let known: BTreeSet<String> = Registry::builtin().mixes().map(|spec| spec.name.to_owned()).collect();
    assert_eq!(names, known, "every mix was looked at");
    println!("{} mixes, {looked} applications", names.len());
    looked
}

/// How often a check looks that leaves out nothing, on so many sizes of maps and so many steps.
fn all(maps: usize, steps: u64) -> usize {
    let of_rows = variants().iter().filter(|(_, spatial)| !spatial).count();
    (variants().len() * maps + of_rows * 2) * batches().len() * steps as usize
}

#[test]
fn shares_are_row_stochastic_and_targets_follow_them() {
    let looked = every(&[MAPS], |text, rows, step, shape| {
        let branch = branch(&format!("[ {{ {text} }} ]"));
        let (out, pass) = through(&branch, rows, step, &noise(text, shape));
        let (shares, targets) = (pass.shares(), pass.targets());
        assert_eq!(out.dim(0).unwrap(), shares.len());
        assert_eq!(shares.inputs(), rows.len());
        for row in shares.dense().chunks(rows.len()).chain(targets.chunks(rows.n_classes)) {
            close(row.iter().sum(), 1.0, 1e-12);
            assert!(row.iter().all(|&share| share >= 0.0), "{text}: {row:?}");
        }
        let dense = shares.dense();
        let product = |i: usize, c: usize| -> f64 {
            (0..rows.len()).map(|j| dense[i * rows.len() + j] * rows.targets[j * rows.n_classes + c]).sum()
        };
        let expected: Vec<f64> = (0..shares.len())
            .flat_map(|i| (0..rows.n_classes).map(move |c| (i, c)))
            .map(|(i, c)| product(i, c))
            .collect();
        assert!(apart(&targets, &expected) < 1e-15);
        assert_eq!(pass.record().len(), 1);
        assert_eq!(targets.len(), shares.len() * rows.n_classes);
        true
    });
    assert_eq!(looked, all(1, STEPS));
}

#[test]
fn with_p_zero_nothing_happens() {
    let looked = every(&[MAPS], |text, rows, step, shape| {
        let branch = branch(&format!("[ {{ {text}, p: 0 }} ]"));
        let values = noise(text, shape);
        let (out, pass) = through(&branch, rows, step, &values);
        assert_eq!(flat(&out), flat(&values));
        assert_eq!(pass.targets(), rows.targets);
        assert_eq!(*pass.shares(), tallow_policy::Shares::identity(rows.len()));
        assert!(pass.record().is_empty());
        true
    });
    assert_eq!(looked, all(1, STEPS));
}

/// What came to each row, on average over its places, is its shares: all R_out × R of them. Maps, sequences or features.
pub fn arrived(out: &Tensor, shares: &tallow_policy::Shares, tolerance: f64, what: &str) {
    let means = match out.rank() {
        4 => out.mean((2, 3)).unwrap(),
        3 => out.mean(1).unwrap(),
        _ => out.clone(),
    };
    assert_eq!(means.dims(), [shares.len(), shares.inputs()], "{what}");
    let difference = apart(&flat(&means), &shares.dense());
    assert!(difference <= tolerance, "{what}: {difference}");
}

/// Sides that are odd, even, 1, and in both directions longer than the other.
const SIDES: [&[usize]; 4] = [&[0, 5, 7], &[0, 6, 6], &[0, 1, 9], &[0, 8, 3]];

#[test]
fn what_arrived_is_what_the_shares_say() {
    let looked = every(&SIDES, |text, rows, step, shape| {
        let branch = branch(&format!("[ {{ {text} }} ]"));
        let places = match shape[1..] {
            [_, height, width] => vec![height, width],
            [length, _] => vec![length],
            _ => vec![],
        };
        for (dtype, tolerance) in [(DType::F64, 1e-14), (DType::F32, 1e-6)] {
            let (out, pass) = through(&branch, rows, step, &painted(rows.len(), dtype, &places));
            assert_eq!(out.dtype(), dtype);
            arrived(&out, pass.shares(), tolerance, &format!("{text}, step {step}, {places:?}"));
        }
        true
    });
    assert_eq!(looked, all(SIDES.len(), STEPS));
}

#[test]
fn what_needs_maps_refuses_features_and_sequences() {
    let mut refused = 0;
    for (text, _) in variants().into_iter().filter(|(_, spatial)| *spatial) {
        let branch = branch(&format!("[ {{ {text} }} ]"));
        for (rows, places) in batches().iter().flat_map(|rows| [(rows, &[][..]), (rows, &[3])]) {
            let values = painted(rows.len(), DType::F64, places);
            let mut pass = branch.begin(rows, seed(0), PROGRESS);
            if pass.needs_input_gradient() {
                pass.provide_input_gradient(values.clone());
            }
            let error = pass.at("input", values).unwrap_err().to_string();
            assert!(error.contains("(R, C, H, W)"), "{text}: {error}");
            refused += 1;
        }
    }
    let masks = variants().iter().filter(|(_, spatial)| *spatial).count();
    assert_eq!(refused, masks * batches().len() * 2);
    assert!(masks > 0);
}

#[test]
fn mixing_is_linear_and_keeps_ones() {
    let looked = every(&[MAPS], |text, rows, step, shape| {
        let branch = branch(&format!("[ {{ {text} }} ]"));
        let (a, b) = (noise("a", shape), noise("b", shape));
        let mix = |values: &Tensor| flat(&through(&branch, rows, step, values).0);
        if branch.mixes()[0].1.mix.inputs() == Inputs::Values {
            // Its draw looks at the values: only a scale leaves it as it is.
            let doubled: Vec<f64> = mix(&a).iter().map(|a| 2.0 * a).collect();
            assert_eq!(mix(&(&a * 2.0).unwrap()), doubled, "{text}");
        } else {
            let both = mix(&((&a * 3.0).unwrap() - &b).unwrap());
            let apiece: Vec<f64> = mix(&a).iter().zip(mix(&b)).map(|(a, b)| 3.0 * a - b).collect();
            assert!(apart(&both, &apiece) < 1e-14);
        }
        let ones = Tensor::ones(shape, DType::F64, &Device::Cpu).unwrap();
        let kept = mix(&ones);
        assert!(apart(&kept, &vec![1.0; kept.len()]) < 1e-15 * 64.0);
        true
    });
    assert_eq!(looked, all(1, STEPS));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let looked = every(&[MAPS], |text, rows, step, shape| {
        let values = noise(text, shape).to_dtype(DType::F32).unwrap();
        let run = |step| {
            let branch = branch(&format!("[ {{ {text} }} ]"));
            let (out, pass) = through(&branch, rows, step, &values);
            let bits: Vec<u32> =
                out.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().map(|x| x.to_bits()).collect();
            (bits, pass.shares().clone(), pass.targets())
        };
        let first = run(step);
        assert!(first == run(step), "{text}: twice");
        // Another thread, after another draw.
        let elsewhere = || (run(step + 1), run(step));
        let (next, again) = std::thread::scope(|scope| scope.spawn(elsewhere).join().unwrap());
        assert!(first == again, "{text}: on another thread");
        // Eight rows leave so many draws that two steps do not agree.
        assert!(rows.len() < 8 || first.1 != next.1, "{text}");
        true
    });
    assert_eq!(looked, all(1, STEPS));
}

#[test]
fn gradients_reach_the_values() {
    let looked = every(&[MAPS], |text, rows, step, shape| {
        let branch = branch(&format!("[ {{ {text} }} ]"));
        let values = Var::from_tensor(&noise(text, shape)).unwrap();
        let (out, pass) = through(&branch, rows, step, values.as_tensor());
        let grads = tallow_kernels::backward(out.sum_all().unwrap()).unwrap();
        let grad = grads.get(values.as_tensor()).expect("a gradient");
        // d Σ out / d row j, per pixel: Σ_i shares_ij.
        let means = flat(&grad.flatten_from(1).unwrap().mean(1).unwrap());
        let (dense, n) = (pass.shares().dense(), rows.len());
        let columns: Vec<f64> =
            (0..n).map(|j| (0..pass.shares().len()).map(|i| dense[i * n + j]).sum()).collect();
        assert!(apart(&means, &columns) < 1e-12, "{text}: {means:?}, {columns:?}");
        true
    });
    assert_eq!(looked, all(1, STEPS));
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let looked = every(&[MAPS], |text, rows, step, shape| {
        if step > 1 {
            return false;
        }
        let branch = branch(&format!("[ {{ {text} }} ]"));
        let (x, towards) = (noise(text, shape), noise("towards", shape));
        let value = |x: &Tensor| {
            let out = through(&branch, rows, step, x).0;
            (&out * noise("weights", out.dims())).unwrap().sum_all().unwrap()
        };
        let var = Var::from_tensor(&x).unwrap();
        let loss = value(var.as_tensor());
        let gradient = tallow_kernels::backward(&loss).unwrap().remove(&var).unwrap();
        let slope: f64 = (gradient * &towards).unwrap().sum_all().unwrap().to_scalar().unwrap();
        // Linear where the draw is the same: the difference is exact but for rounding, 1e-16 · |values| / h.
        let h = 1e-3;
        let at = |h: f64| value(&(&x + (&towards * h).unwrap()).unwrap()).to_scalar::<f64>().unwrap();
        close((at(h) - at(-h)) / (2.0 * h), slope, 1e-10);
        true
    });
    assert_eq!(looked, all(1, 2));
}
