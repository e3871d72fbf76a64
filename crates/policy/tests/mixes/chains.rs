//! Chains: their shares are the product of those of their mixes, and say where the pixels came from.

use crate::properties::{arrived, batches, variants};
use crate::setting::*;
use candle_core::{DType, Tensor};
use std::collections::{BTreeMap, BTreeSet};
use tallow_policy::{Branch, BranchPass, Inputs, Registry, Rows};
use tallow_seed::{Rng, Seed};

/// Variants of mixes whose draw needs no probe of a network: those of whole rows, and those of maps.
fn mixes() -> (Vec<String>, Vec<String>) {
    let probes =
        |text: &str| branch(&format!("[ {{ {text} }} ]")).mixes()[0].1.mix.inputs() == Inputs::InputGradient;
    let (masks, linear): (Vec<_>, Vec<_>) =
        variants().into_iter().filter(|(text, _)| !probes(text)).partition(|(_, spatial)| *spatial);
    let texts = |from: Vec<(String, bool)>| from.into_iter().map(|(text, _)| text).collect();
    (texts(linear), texts(masks))
}

const TAPS: [&str; 3] = ["input", "stage1", "penultimate"];

/// One of up to four nodes: a mix at some tap, at times under a chance, in a chain of its own or as a choice between two.
fn node(mix: &str, other: Option<&str>, taps: &[&str], rng: &mut Rng) -> String {
    let tap = |rng: &mut Rng| taps[rng.below(taps.len() as u32) as usize];
    let node = format!("{{ {mix}, at: {} }}", tap(rng));
    match (rng.below(6), other) {
        (0, _) => format!("{{ policies: [ {node} ], p: 0.5 }}"),
        (1, Some(other)) => {
            format!("{{ one_of: [ {node}, {{ {other}, at: {}, weight: 2 }} ] }}", tap(rng))
        }
        (2, _) => format!("{{ policies: [ {{ {mix} }} ], at: [ {} ] }}", taps.join(", ")),
        _ => node,
    }
}

/// Input, the means of 2 × 2 pixels, the means of all: what pooling does to averages over places is nothing.
fn walked<'a>(branch: &'a Branch, rows: &'a Rows, step: u64, input: Tensor) -> (Tensor, BranchPass<'a>) {
    let mut pass = branch.begin(rows, seed(step), PROGRESS);
    let input = pass.at(TAPS[0], input).unwrap();
    let (n, c, height, width) = input.dims4().unwrap();
    let pooled =
        input.reshape((n, c, height / 2, 2, width / 2, 2)).unwrap().mean(5).unwrap().mean(3).unwrap();
    let maps = pass.at(TAPS[1], pooled).unwrap();
    let features = pass.at(TAPS[2], maps.mean((2, 3)).unwrap()).unwrap();
    assert_eq!(pass.due().count(), 0);
    (features, pass)
}

/// Exact: before the mask every row is the same at all places, and after it rows are mixed whole.
#[test]
fn a_random_chain_with_one_mask_is_the_product_of_its_shares() {
    const SIDES: [[usize; 2]; 3] = [[6, 10], [8, 2], [4, 4]];
    const STEPS: u64 = 2;
    let (linear, masks) = mixes();
    let first: Vec<(&String, bool)> =
        linear.iter().map(|text| (text, false)).chain(masks.iter().map(|text| (text, true))).collect();
    let n_chains = 4 * first.len();
    let (mut visited, mut lengths, mut applied, mut at) = (0, [0; 5], BTreeSet::new(), BTreeMap::new());
    for index in 0..n_chains {
        let mut rng = Seed::new(6).fold("chain", index as u64).rng();
        let one = |from: &[String], rng: &mut Rng| from[rng.below(from.len() as u32) as usize].clone();
        // Each variant leads four chains; a chain led by a linear mix has a mask in three of four cases.
        let (lead, mut masked) = first[index % first.len()];
        let taps = |mask: bool| if mask { &TAPS[..2] } else { &TAPS };
        let mut nodes = vec![node(lead, None, taps(masked), &mut rng)];
        for _ in 0..rng.below(4) {
            let mask = !masked && rng.bernoulli(0.5);
            let from = if mask { &masks } else { &linear };
            let (mix, other) = (one(from, &mut rng), one(from, &mut rng));
            nodes.push(node(&mix, Some(&other), taps(mask), &mut rng));
            masked |= mask;
        }
        rng.shuffle(&mut nodes);
        let chain = format!("[ {} ]", nodes.join(", "));
        let (branch, sides) = (branch(&chain), SIDES[index / first.len() % SIDES.len()]);
        for (rows, step) in batches().iter().flat_map(|rows| (0..STEPS).map(move |step| (rows, step))) {
            let (out, pass) = walked(&branch, rows, step, painted(rows.len(), DType::F64, &sides));
            let what = format!("{chain}, {} rows of {sides:?}, step {step}", rows.len());
            arrived(&out, pass.shares(), 1e-14, &what);
            let mass: f64 = pass.targets().iter().sum();
            close(mass, pass.shares().len() as f64, 1e-12);
            for mix in pass.record() {
                applied.insert(mix.policy.clone());
                *at.entry(mix.tap.clone()).or_insert(0) += 1;
            }
            visited += 1;
        }
        lengths[nodes.len()] += 1;
    }
    assert_eq!(visited, n_chains * batches().len() * STEPS as usize);
    let named: BTreeSet<String> = Registry::builtin().mixes().map(|spec| spec.name.to_owned()).collect();
    assert_eq!(applied, named, "every mix happened in a chain");
    println!("{n_chains} chains, {visited} walks; by length {lengths:?}; mixes by tap {at:?}");
    assert!(lengths[1..].iter().all(|count| *count > n_chains / 8), "{lengths:?}");
    assert!(TAPS.iter().all(|tap| at[*tap] > visited / 4), "{at:?}");
}

#[test]
fn a_choice_and_a_chance_are_chains_too() {
    let text = "[ { mixup: {}, p: 0.5 }, { one_of: [ { cutmix: {} }, { zeta_mixup: {} } ] }, { mixup: {}, p: 0.5 } ]";
    let (branch, mut mixes) = (branch(text), Vec::new());
    for rows in batches() {
        for step in 0..12 {
            let (out, pass) = through(&branch, &rows, step, &painted(rows.len(), DType::F64, &[5, 7]));
            arrived(&out, pass.shares(), 1e-14, text);
            mixes.push(pass.record().len());
        }
    }
    // The choice always, and each chance in about half of 60 walks: 15 of 1, 30 of 2, 15 of 3 are expected.
    let by_number = [0, 1, 2, 3].map(|n| mixes.iter().filter(|mixes| **mixes == n).count());
    assert!(by_number[0] == 0 && by_number[1..].iter().all(|walks| *walks >= 5), "{by_number:?}");
    assert_eq!(mixes.len(), batches().len() * 12);
}

#[test]
fn two_masks_are_exact_but_for_where_they_overlap() {
    // x_i → x_j in the first box, then the result of row k in the second: what the second takes of a row is the share of
    // that row on average over places, not at this place. Rows sum to 1 all the same.
    let (branch, rows) =
        (branch("[ { cutmix: {}, pairing: roll }, { cutmix: {}, pairing: roll } ]"), rows(&[0, 1, 2, 3], 4));
    let mut apart_by = 0f64;
    for step in 0..50 {
        let (out, pass) = through(&branch, &rows, step, &painted(4, DType::F64, &[6, 6]));
        let means = flat(&out.mean((2, 3)).unwrap());
        means.chunks(4).chain(pass.targets().chunks(4)).for_each(|row| close(row.iter().sum(), 1.0, 1e-12));
        apart_by = apart_by.max(apart(&means, &pass.shares().dense()));
    }
    assert!(apart_by > 0.05, "two boxes never overlapped: {apart_by}");
}
