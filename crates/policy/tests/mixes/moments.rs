//! Moments of every draw, against the formulas.

use crate::setting::*;
use candle_core::{DType, Device, Tensor};
use tallow_policy::Shares;
use tallow_policy::mix::cutmix::cut;

/// The shares of `steps` draws of a policy on rows of these classes.
fn draws(policies: &str, classes: &[u32], steps: u64) -> Vec<Shares> {
    let (branch, rows) = (branch(policies), rows(classes, 1 + *classes.iter().max().unwrap() as usize));
    let values = Tensor::zeros((classes.len(), 1, 32, 32), DType::F32, &Device::Cpu).unwrap();
    (0..steps).map(|step| through(&branch, &rows, step, &values).1.shares().clone()).collect()
}

fn at(shares: &Shares, row: usize, column: u32) -> f64 {
    shares.row(row).iter().find(|(j, _)| *j == column).map_or(0.0, |(_, share)| *share)
}

#[test]
fn lambda_of_mixup() {
    // Var λ = 1 / (4(2α + 1)); E[H(λ)] = ψ(2α + 1) − ψ(α + 1)
    for (alpha, nats) in [(0.2, 0.22765535), (0.5, 0.38629436), (1.0, 0.5), (2.0, 0.58333333)] {
        let text = format!("[ {{ mixup: {{ alpha: {alpha}, per_sample: true }}, pairing: roll }} ]");
        let lambda: Vec<f64> =
            draws(&text, &[0; 20], 1000).iter().flat_map(|s| (0..20).map(|i| at(s, i, i as u32))).collect();
        let (mean, variance) = moments(&lambda);
        close(mean, 0.5, 0.012); // 4 sd of the mean of 20 000
        close(variance, 1.0 / (4.0 * (2.0 * alpha + 1.0)), 0.003);
        let entropies: Vec<f64> = lambda.iter().map(|&x| entropy(&[x, 1.0 - x])).collect();
        close(moments(&entropies).0, nats, 0.007);
    }
}

#[test]
fn one_lambda_or_one_for_each_row() {
    let different = |text: &str| {
        let shares = &draws(text, &[0; 6], 1)[0];
        let mut own: Vec<f64> = (0..6).map(|i| at(shares, i, i as u32)).collect();
        own.sort_by(f64::total_cmp);
        own.dedup();
        own.len()
    };
    assert_eq!(different("[ { mixup: {}, pairing: roll } ]"), 1);
    assert_eq!(different("[ { mixup: { per_sample: true }, pairing: roll } ]"), 6);
    assert_eq!(different("[ { cutmix: {}, pairing: roll } ]"), 1);
    assert!(different("[ { cutmix: { per_sample: true }, pairing: roll } ]") > 3);
}

#[test]
fn shares_of_cutmix() {
    // E[λ' | λ] = 1 − ((2h − h²/W)/W)², h = int(W√(1 − λ)) // 2: over all centres.
    for (lambda, expected) in
        [(0.1, 0.48480129), (0.3, 0.58079433), (0.5, 0.67585659), (0.7, 0.80859375), (0.9, 0.91700649)]
    {
        let centres = (0..32 * 32).map(|at| (at / 32, at % 32));
        let own: Vec<f64> =
            centres.map(|centre| 1.0 - cut((32, 32), lambda, centre).area() as f64 / 1024.0).collect();
        close(moments(&own).0, expected, 5e-9);
    }
    // λ ~ U(0, 1), W = 32: .7007
    let own: Vec<f64> = draws("[ { cutmix: { per_sample: true }, pairing: roll } ]", &[0; 20], 1000)
        .iter()
        .flat_map(|s| (0..20).map(|i| at(s, i, i as u32)))
        .collect();
    close(moments(&own).0, 0.7007, 0.008); // sd of λ' about .24: 4 sd of the mean of 20 000
}

#[test]
fn shares_of_zeta_mixup() {
    // Off the diagonal: mean (1 − w_1)/(N − 1), sd as the p-series arranges at random.
    for (n, gamma, own, mean, sd) in [
        (4, 2.8, 0.82621222, 0.05792926, 0.04377908),
        (8, 2.8, 0.80954066, 0.02720848, 0.03804078),
        (8, 1.72865, 0.58423912, 0.05939441, 0.05282323),
    ] {
        let drawn = draws(&format!("[ {{ zeta_mixup: {{ gamma: {gamma} }} }} ]"), &vec![0; n], 400);
        let (mut entry, mut all) = (Vec::new(), Vec::new());
        for shares in &drawn {
            for i in 0..n {
                close(at(shares, i, i as u32), own, 5e-9);
                let others = (0..n as u32).filter(|&j| j as usize != i).map(|j| at(shares, i, j));
                all.extend(others);
            }
            entry.push(at(shares, 0, 1)); // one entry alone: the arrangement is uniform
        }
        let (got, variance) = moments(&all);
        close(got, mean, 1e-8);
        close(variance.sqrt(), sd, 1e-8); // every row is the same numbers, rearranged
        close(moments(&entry).0, mean, 4.0 * sd / 20.0);
    }
}

#[test]
fn label_entropy_of_zeta_mixup() {
    // E[H(ŷ)] for labels drawn uniformly; the table's values are good to .002.
    let mut rng = seed(99).rng();
    for (classes, n, gamma, nats) in
        [(10, 4, 2.8, 0.529), (10, 32, 2.8, 0.653), (10, 32, 1.72865, 1.352), (7, 32, 2.8, 0.606)]
    {
        let branch = branch(&format!("[ {{ zeta_mixup: {{ gamma: {gamma} }} }} ]"));
        let mut entropies = Vec::new();
        for step in 0..(24_000 / n as u64) {
            let rows = rows(&(0..n).map(|_| rng.below(classes)).collect::<Vec<_>>(), classes as usize);
            let values = Tensor::zeros((n, 1), DType::F32, &Device::Cpu).unwrap();
            let targets = through(&branch, &rows, step, &values).1.targets();
            entropies.extend(targets.chunks(classes as usize).map(entropy));
        }
        close(moments(&entropies).0, nats, 0.01); // sd of H about .2, rows of a batch correlated
    }
}

#[test]
fn weights_of_intra_class() {
    // w = u / Σu: mean 1/n; n = 2: variance 3/4 − ln 2, not the 1/12 of a Dirichlet.
    for (n, variance, tolerance) in
        [(2, 0.75 - 2f64.ln(), 0.0015), (3, 0.03229, 0.001), (4, 0.01953, 0.0007), (8, 0.00515, 0.0003)]
    {
        let drawn = draws("[ { intra_class: {} } ]", &vec![0; n], 20_000);
        let first: Vec<f64> = drawn.iter().map(|shares| at(shares, 0, 0)).collect();
        assert!(drawn.iter().all(|shares| shares.len() == 1 && shares.row(0).len() == n));
        let (mean, spread) = moments(&first);
        close(mean, 1.0 / n as f64, 4.0 * (variance / 20_000.0).sqrt());
        close(spread, variance, tolerance);
    }
}
