//! Chains: their shares are the product of those of their mixes, and say where the pixels came from.

use crate::properties::{arrived, batches};
use crate::setting::*;
use candle_core::DType;
use std::collections::BTreeSet;
use tallow_policy::{Needs, Registry};
use tallow_seed::Seed;

const LINEAR: [&str; 8] = [
    "{ mixup: {} }",
    "{ mixup: { per_sample: true }, pairing: derangement }",
    "{ zeta_mixup: {} }",
    "{ zeta_mixup: { gamma: 1.0, samples: 3 }, p: 0.5 }",
    "{ dirichlet_mixup: { samples: 2 } }",
    "{ intra_class: {} }",
    "{ linear: { partners: other_class, weights: uniform_simplex, own: largest, per_sample: true } }",
    "{ linear: { rows: one_per_class, weights: { p_series: {} } } }",
];
const MASKS: [&str; 7] = [
    "{ cutmix: {} }",
    "{ cutmix: { per_sample: true }, pairing: roll }",
    "{ resizemix: { per_sample: true } }",
    "{ fmix: {} }",
    "{ smoothmix: { per_sample: true } }",
    "{ gridmix: {}, p: 0.5 }",
    "{ saliencymix: {} }",
];

#[test]
fn every_mix_without_a_probe_is_in_a_chain() {
    let named = |text: &&str| text[2..].split(':').next().unwrap().to_owned();
    let chained: BTreeSet<String> = LINEAR.iter().chain(&MASKS).map(named).collect();
    assert_eq!(chained, Registry::builtin().mixes().map(|spec| spec.name.to_owned()).collect());
    let probes = LINEAR.iter().chain(&MASKS).map(|text| branch(&format!("[ {text} ]")));
    assert!(probes.into_iter().all(|branch| branch.mixes()[0].1.mix.needs() != Needs::InputGradient));
}

#[test]
fn a_random_chain_with_one_mask_is_the_product_of_its_shares() {
    // Exact: before the mask every row is the same at all places, and after it rows are mixed whole.
    let (mut visited, mut lengths, mut masked) = (0, [0; 5], 0);
    for index in 0..120 {
        let mut rng = Seed::new(6).fold("chain", index).rng();
        let length = 1 + rng.below(4) as usize;
        let mask = rng.bernoulli(0.8).then(|| rng.below(length as u32) as usize);
        let pick =
            |from: &[&'static str], rng: &mut tallow_seed::Rng| from[rng.below(from.len() as u32) as usize];
        let chain: Vec<&str> = (0..length)
            .map(|place| if mask == Some(place) { pick(&MASKS, &mut rng) } else { pick(&LINEAR, &mut rng) })
            .collect();
        let branch = branch(&format!("[ {} ]", chain.join(", ")));
        for rows in batches() {
            for step in 0..2 {
                let (out, passage) = through(&branch, &rows, step, &painted(rows.len(), DType::F64));
                arrived(&out, passage.shares(), 1e-14);
                let mass: f64 = passage.targets().iter().sum();
                close(mass, passage.shares().len() as f64, 1e-12);
                visited += 1;
            }
        }
        lengths[length] += 1;
        masked += usize::from(mask.is_some());
    }
    assert_eq!(visited, 120 * 5 * 2);
    assert!(lengths[1..].iter().all(|count| *count > 15) && masked > 80, "{lengths:?}, {masked} with a mask");
}

#[test]
fn a_choice_and_a_chance_are_chains_too() {
    let text = "[ { mixup: {}, p: 0.5 }, { one_of: [ { cutmix: {} }, { zeta_mixup: {} } ] }, { mixup: {}, p: 0.5 } ]";
    let branch = branch(text);
    for rows in batches() {
        for step in 0..12 {
            let (out, passage) = through(&branch, &rows, step, &painted(rows.len(), DType::F64));
            arrived(&out, passage.shares(), 1e-14);
        }
    }
}

#[test]
fn two_masks_are_exact_but_for_where_they_overlap() {
    // x_i → x_j in the first box, then the result of row k in the second: what the second takes of a row is the share of
    // that row on average over places, not at this place. Rows sum to 1 all the same.
    let (branch, rows) =
        (branch("[ { cutmix: {}, pairing: roll }, { cutmix: {}, pairing: roll } ]"), rows(&[0, 1, 2, 3], 4));
    let mut apart_by = 0f64;
    for step in 0..50 {
        let (out, passage) = through(&branch, &rows, step, &painted(4, DType::F64));
        let means = flat(&out.mean((2, 3)).unwrap());
        means
            .chunks(4)
            .chain(passage.targets().chunks(4))
            .for_each(|row| close(row.iter().sum(), 1.0, 1e-12));
        apart_by = apart_by.max(apart(&means, &passage.shares().dense()));
    }
    assert!(apart_by > 0.05, "two boxes never overlapped: {apart_by}");
}
