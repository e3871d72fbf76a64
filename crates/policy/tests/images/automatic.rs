//! The draws of the automatic policies against torchvision's own tables, from `tests/golden/image.py`.

use crate::draws::{draws, mean_is};
use crate::golden::Golden;
use serde_json::Value;
use std::collections::BTreeMap;

const SIZE: (u32, u32) = (37, 29); // that of the tables

/// (operation, magnitude · 10⁴, rounded) of each operation of a draw.
type Drawn = Vec<(usize, i64)>;

fn operations(numbers: &[f64]) -> Drawn {
    numbers.chunks_exact(2).map(|pair| (pair[0] as usize, rounded(pair[1]))).collect()
}

fn rounded(magnitude: f64) -> i64 {
    (magnitude * 1e4).round() as i64
}

/// Probability of each (operation, magnitude) when the operation is uniform and the step one of `steps`.
fn space(table: &Value, names: &Value, steps: std::ops::Range<usize>) -> BTreeMap<(usize, i64), f64> {
    let names: Vec<&str> = names.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let table = table.as_object().unwrap();
    let mut shares = BTreeMap::new();
    for (name, operation) in table {
        let number = names.iter().position(|known| known == name).unwrap();
        for (magnitude, share) in magnitudes(operation, steps.clone()) {
            *shares.entry((number, magnitude)).or_default() += share / table.len() as f64;
        }
    }
    shares
}

/// (magnitude, probability) of an operation of the table over these steps, both signs.
fn magnitudes(operation: &Value, steps: std::ops::Range<usize>) -> Vec<(i64, f64)> {
    let all = operation["magnitudes"].as_array().unwrap();
    if all.is_empty() {
        return vec![(0, 1.0)];
    }
    let share = 1.0 / steps.len() as f64;
    let steps = steps.map(|step| rounded(all[step].as_f64().unwrap()));
    if operation["signed"] == true {
        steps.flat_map(|m| [(m, share / 2.0), (-m, share / 2.0)]).collect()
    } else {
        steps.map(|m| (m, share)).collect()
    }
}

/// Every outcome occurs as often as expected, within five standard deviations, and no other does.
fn frequencies_are<K: Ord + std::fmt::Debug>(
    outcomes: impl Iterator<Item = K>,
    expected: &BTreeMap<K, f64>,
    what: &str,
) {
    let mut counts: BTreeMap<K, f64> = BTreeMap::new();
    outcomes.for_each(|outcome| *counts.entry(outcome).or_default() += 1.0);
    let n: f64 = counts.values().sum();
    for outcome in counts.keys() {
        assert!(expected.contains_key(outcome), "{what}: {outcome:?} is not in the table");
    }
    for (outcome, p) in expected {
        let (count, deviation) = (counts.get(outcome).unwrap_or(&0.0), (n * p * (1.0 - p)).sqrt());
        assert!(
            (count - n * p).abs() <= 5.0 * deviation + 1.0,
            "{what}: {outcome:?} {count} of {n}, expected {p}"
        );
    }
    assert!((expected.values().sum::<f64>() - 1.0).abs() < 1e-9, "{what}");
}

#[test]
fn randaugment_and_trivialaugment_have_torchvisions_operations() {
    let spaces = Golden::read().spaces;
    let names = &spaces["operations"];
    for magnitude in [0, 9, 30] {
        let expected = space(&spaces["randaugment"], names, magnitude..magnitude + 1);
        let drawn = draws("randaugment", &format!("{{magnitude: {magnitude}, num_ops: 3}}"), SIZE);
        assert!(drawn.iter().all(|d| d.len() == 6));
        frequencies_are(drawn.iter().flat_map(|d| operations(d)), &expected, "randaugment");
    }
    let expected = space(&spaces["trivialaugment"], names, 0..31);
    let drawn = draws("trivialaugment", "{}", SIZE);
    frequencies_are(drawn.iter().flat_map(|d| operations(d)), &expected, "trivialaugment");
    assert!(draws("randaugment", "{num_ops: 0}", SIZE).iter().all(|d| d.is_empty()));
}

/// Without noise the amounts are those of timm's tables; each operation happens in half of the cases.
#[test]
fn randaugment_has_timms_operations() {
    let spaces = Golden::read().spaces;
    for set in ["timm", "timm_increasing"] {
        for level in [0, 5, 9, 10] {
            let mut expected: BTreeMap<(usize, i64), f64> = BTreeMap::new();
            for (number, levels) in spaces[set].as_array().unwrap().iter().enumerate() {
                let amounts = levels[level].as_array().unwrap();
                for amount in amounts {
                    *expected.entry((number, rounded(amount.as_f64().unwrap()))).or_default() +=
                        1.0 / 15.0 / amounts.len() as f64;
                }
            }
            let drawn = draws("randaugment", &format!("{{magnitude: {level}, operations: {set}}}"), SIZE);
            let seen =
                || drawn.iter().flat_map(|d| d.chunks_exact(3).map(|d| (d[0] as usize, rounded(d[1]))));
            frequencies_are(seen(), &expected, set);
            let happened = [(0, 0.25), (3, 0.5), (6, 0.25)].into(); // Binomial(2, ½) triples
            frequencies_are(drawn.iter().map(Vec::len), &happened, set);
            let filters = [(1, 0.5), (2, 0.5)].into();
            let filter = drawn.iter().flat_map(|d| d.chunks_exact(3).map(|d| d[2] as usize));
            frequencies_are(filter, &filters, set);
        }
    }
    let nearest = draws("randaugment", "{operations: timm, interpolation: nearest, op_p: 1}", SIZE);
    assert!(nearest.iter().all(|d| d.len() == 6 && d[2] == 0.0));
}

/// m ~ N(9, σ) cut to [0, 10], a new one for each operation: E[m] = 9 − σ · (φ(1 / σ) − (1 − Φ(1 / σ)) / σ), which for σ = ½ is
/// 9 − ½ · (0.05399 − 2 · 0.02275).
#[test]
fn the_magnitude_is_normal() {
    let turned = |yaml: &str, number: f64, size: usize, scale: f64| -> Vec<f64> {
        let drawn = draws("randaugment", yaml, SIZE);
        let one = |d: &Vec<f64>| {
            d.chunks_exact(size).filter(|op| op[0] == number).map(|op| op[1].abs() / scale).collect()
        };
        drawn.iter().flat_map(|d| -> Vec<f64> { one(d) }).collect()
    };
    let timm = turned("{operations: timm_increasing, noise: 0.5, num_ops: 4}", 3.0, 3, 3.0); // 3° a step
    mean_is(timm.iter().copied(), 9.0 - 0.5 * (0.05399 - 2.0 * 0.02275), 1e-5);
    assert!(timm.iter().all(|m| (0.0..=10.0).contains(m)) && timm.contains(&10.0));
    let ours = turned("{noise: 2, magnitude: 15}", 5.0, 2, 1.0); // 1° a step of 31
    mean_is(ours.iter().copied(), 15.0, 0.0);
    mean_is(ours.iter().map(|m| (m - 15.0).powi(2)), 4.0, 0.0);
    // The two of one image are independent.
    let drawn = draws("randaugment", "{operations: timm_increasing, noise: 0.5, op_p: 1}", SIZE);
    let both = drawn.iter().filter(|d| d[0] == 3.0 && d[3] == 3.0);
    assert!(
        both.clone().count() > 40 && both.clone().all(|d| d[1].abs() != d[4].abs() || d[1].abs() == 30.0)
    );
}

#[test]
fn autoaugment_has_torchvisions_pairs() {
    let spaces = Golden::read().spaces;
    let names: Vec<&str> =
        spaces["operations"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    for (policy, pairs) in spaces["pairs"].as_object().unwrap() {
        // An outcome is what of the two happened, by (operation, magnitude).
        let mut expected: BTreeMap<Drawn, f64> = BTreeMap::new();
        for pair in pairs.as_array().unwrap() {
            let mut outcomes: Vec<(Drawn, f64)> = vec![(Vec::new(), 1.0 / 25.0)];
            for operation in pair.as_array().unwrap() {
                let name = operation[0].as_str().unwrap();
                let number = names.iter().position(|known| *known == name).unwrap();
                let step = operation[2].as_u64().unwrap_or(0) as usize;
                let happens = operation[1].as_f64().unwrap();
                let magnitudes = magnitudes(&spaces["autoaugment"][name], step..step + 1);
                outcomes = outcomes
                    .into_iter()
                    .flat_map(|(before, p)| {
                        let after = magnitudes.iter().map(|(magnitude, share)| {
                            ([before.clone(), vec![(number, *magnitude)]].concat(), p * happens * share)
                        });
                        let mut after: Vec<(Drawn, f64)> = after.collect();
                        after.push((before, p * (1.0 - happens)));
                        after
                    })
                    .collect();
            }
            for (outcome, p) in outcomes.into_iter().filter(|(_, p)| *p > 0.0) {
                *expected.entry(outcome).or_default() += p;
            }
        }
        let drawn = draws("autoaugment", policy, SIZE);
        frequencies_are(drawn.iter().map(|d| operations(d)), &expected, policy);
    }
    assert_eq!(spaces["pairs"].as_object().unwrap().len(), 3);
}

/// (weight of the image, (weight, operations) of each chain)
fn mixture(numbers: &[f64]) -> (f64, Vec<(f64, Drawn)>) {
    let (mut rest, mut chains) = (&numbers[1..], Vec::new());
    while !rest.is_empty() {
        let end = 2 + rest[1] as usize * 2;
        chains.push((rest[0], operations(&rest[2..end])));
        rest = &rest[end..];
    }
    (numbers[0], chains)
}

#[test]
fn augmix_has_torchvisions_distribution() {
    let spaces = Golden::read().spaces;
    for (yaml, table, severity, width, alpha) in [
        ("{}", "augmix", 3, 3, 1.0),
        ("{severity: 10, mixture_width: 2, alpha: 0.5, all_ops: false}", "augmix_without", 10, 2, 0.5),
    ] {
        let drawn: Vec<_> = draws("augmix", yaml, SIZE).iter().map(|d| mixture(d)).collect();
        assert!(drawn.iter().all(|(own, chains)| {
            (own + chains.iter().map(|(weight, _)| weight).sum::<f64>() - 1.0).abs() < 1e-9
                && chains.len() == width
        }));
        mean_is(drawn.iter().map(|(own, _)| *own), 0.5, 0.0);
        // Beta(α, α): 1 / (4 (2α + 1))
        mean_is(drawn.iter().map(|(own, _)| (own - 0.5).powi(2)), 0.25 / (2.0 * alpha + 1.0), 0.0);
        // Dirichlet over k chains: mean 1 / k, variance (k − 1) / (k² (kα + 1))
        let k = width as f64;
        let share = drawn.iter().filter(|(own, _)| *own < 1.0).map(|(own, chains)| chains[0].0 / (1.0 - own));
        mean_is(share.clone(), 1.0 / k, 1e-9);
        mean_is(share.map(|s| (s - 1.0 / k).powi(2)), (k - 1.0) / (k * k * (k * alpha + 1.0)), 1e-9);
        let chains = || drawn.iter().flat_map(|(_, chains)| chains);
        let depths = [(1, 1.0 / 3.0), (2, 1.0 / 3.0), (3, 1.0 / 3.0)].into();
        frequencies_are(chains().map(|(_, chain)| chain.len()), &depths, "depth");
        let expected = space(&spaces[table], &spaces["operations"], 0..severity);
        frequencies_are(chains().flat_map(|(_, chain)| chain.clone()), &expected, "augmix");
    }
    let deep = draws("augmix", "{chain_depth: 5, mixture_width: 1}", SIZE);
    assert!(deep.iter().all(|d| mixture(d).1[0].1.len() == 5));
}
