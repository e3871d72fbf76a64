//! `linear`, and the named mixes that are points in it: the same shares to the bit, and the draws by hand.

use crate::properties::batches;
use crate::setting::*;
use tallow_policy::weights::Weights;
use tallow_policy::{Pairing, Rows, Shares};
use tallow_seed::{Rng, Seed};

fn shares(text: &str, rows: &Rows, step: u64) -> Shares {
    let branch = branch(&format!("[ {{ {text} }} ]"));
    through(&branch, rows, step, &noise("linear", &[rows.len(), 3])).1.shares().clone()
}

#[test]
fn the_named_mixes_are_points_in_it() {
    let cases = [
        ("mixup: {}", "linear: {}"),
        ("mixup: { alpha: 0.4 }", "linear: { weights: { beta: { alpha: 0.4 } } }"),
        (
            "mixup: { per_sample: true }",
            "linear: { rows: each, partners: paired, weights: beta, own: first, per_sample: true }",
        ),
        ("zeta_mixup: {}", "linear: { partners: all, weights: { p_series: { gamma: 2.8 } } }"),
        ("zeta_mixup: {}", "linear: { partners: all, weights: p_series, own: largest, per_sample: true }"),
        (
            "zeta_mixup: { gamma: 2.4, samples: 4 }",
            "linear: { partners: 3, weights: { p_series: { gamma: 2.4 } } }",
        ),
        ("zeta_mixup: { samples: 2 }", "linear: { partners: 1, weights: { p_series: {} } }"),
        ("dirichlet_mixup: {}", "linear: { partners: all, weights: uniform_simplex, per_sample: true }"),
        (
            "dirichlet_mixup: { alpha: 0.5, samples: 3 }",
            "linear: { partners: 2, weights: { dirichlet: { alpha: 0.5 } }, per_sample: true }",
        ),
        ("intra_class: {}", "linear: { rows: one_per_class, weights: normalised_uniform, per_sample: true }"),
        (
            "intra_class: {}",
            "linear: { rows: one_per_class, partners: same_class, weights: normalised_uniform, per_sample: true }",
        ),
    ];
    let mut visited = 0;
    for (named, general) in cases {
        for rest in ["", ", pairing: { within_group: false }"] {
            for rows in batches() {
                for step in 0..20 {
                    let (a, b) = (
                        shares(&format!("{named}{rest}"), &rows, step),
                        shares(&format!("{general}{rest}"), &rows, step),
                    );
                    assert!(bits(&a) == bits(&b), "{named} and {general}, step {step}: {a:?}, {b:?}");
                    visited += 1;
                }
            }
        }
    }
    assert_eq!(visited, 11 * 2 * 5 * 20);
}

fn bits(shares: &Shares) -> Vec<u64> {
    shares.dense().into_iter().map(f64::to_bits).collect()
}

/// Each named mix, drawn here by its formula from the numbers of its key.
#[test]
fn the_draws_by_hand() {
    let p_series = |n: usize| -> Vec<f64> {
        let terms: Vec<f64> = (1..=n).map(|rank| (rank as f64).powf(-2.8)).collect();
        let sum: f64 = terms.iter().rev().sum();
        terms.into_iter().map(|term| term / sum).collect()
    };
    type Draw<'a> = &'a dyn Fn(&Rows, &[u32], &mut Rng) -> Vec<Vec<(u32, f64)>>;
    let mixup: Draw = &|_, partners, rng| {
        let lambda = rng.beta(1.0, 1.0);
        partners.iter().enumerate().map(|(i, &j)| vec![(i as u32, lambda), (j, 1.0 - lambda)]).collect()
    };
    let zeta: Draw = &|rows, _, rng| {
        let row = |i: u32| {
            let others: Vec<u32> = (0..rows.len() as u32).filter(|&j| j != i).collect();
            let order = rng.sample(others.len() as u32, others.len() as u32);
            let order = order.into_iter().map(|place| others[place as usize]);
            std::iter::once(i).chain(order).zip(p_series(rows.len())).collect()
        };
        (0..rows.len() as u32).map(row).collect()
    };
    let dirichlet: Draw = &|rows, _, rng| {
        let n = rows.len() as u32;
        let row = |i: u32| {
            let order = std::iter::once(i).chain((0..n).filter(|&j| j != i));
            let gammas: Vec<f64> = if n == 1 { vec![1.0] } else { (0..n).map(|_| rng.gamma(1.0)).collect() };
            let sum: f64 = gammas.iter().sum();
            order.zip(gammas.into_iter().map(|gamma| gamma / sum)).collect()
        };
        (0..n).map(row).collect()
    };
    let intra: Draw = &|rows, _, rng| {
        let present = (0..rows.n_classes as u32).filter(|class| rows.classes.contains(class));
        let row = |class: u32| {
            let members: Vec<u32> =
                (0..rows.len() as u32).filter(|&i| rows.classes[i as usize] == class).collect();
            let draws: Vec<f64> = members.iter().map(|_| 1.0 - rng.uniform()).collect();
            let sum: f64 = draws.iter().sum();
            members.into_iter().zip(draws.into_iter().map(|u| u / sum)).collect()
        };
        present.map(row).collect()
    };
    let mixes = [
        ("mixup: {}", mixup),
        ("zeta_mixup: {}", zeta),
        ("dirichlet_mixup: {}", dirichlet),
        ("intra_class: {}", intra),
    ];
    // 150 rows are drawn in pieces.
    let large = Rows::one_hot((0..150).map(|i| i % 7).collect(), vec![None; 150], 7);
    for (text, draw) in mixes {
        for rows in batches().into_iter().chain([large.clone()]) {
            for step in 0..20 {
                let partners = Pairing::default().partners(&rows.groups, &mut rng(step, "pairing"));
                let expected = Shares::new(rows.len(), draw(&rows, &partners, &mut rng(step, "draw")));
                assert!(bits(&shares(text, &rows, step)) == bits(&expected), "{text}, step {step}");
            }
        }
    }
}

#[test]
fn moments_of_the_weights() {
    let mut rng = Seed::new(8).fold("weights", 0).rng();
    let n = 40_000;
    let cases = [
        // Beta(α, α): 1/2, 1 / (4(2α + 1)).
        (Weights::Beta(0.5), 2, 0.5, 0.125),
        (Weights::Beta(2.0), 2, 0.5, 0.05),
        // Dirichlet(α) of n: 1/n, (n − 1) / (n²(nα + 1)).
        (Weights::Dirichlet(0.5), 3, 1.0 / 3.0, 2.0 / (9.0 * 2.5)),
        (Weights::Dirichlet(3.0), 4, 0.25, 3.0 / (16.0 * 13.0)),
        (Weights::UniformSimplex, 2, 0.5, 1.0 / 12.0),
        (Weights::UniformSimplex, 5, 0.2, 4.0 / (25.0 * 6.0)),
        // u / Σu of two: 3/4 − ln 2.
        (Weights::NormalisedUniform, 2, 0.5, 0.75 - 2f64.ln()),
        (Weights::PSeries(0.0), 4, 0.25, 0.0),
        (Weights::PSeries(2.8), 2, 0.87444133, 0.0),
        (Weights::Fixed(vec![0.5, 0.3, 0.2]), 3, 0.5, 0.0),
        // The first two of three, divided by their sum.
        (Weights::Fixed(vec![0.5, 0.3, 0.2]), 2, 0.625, 0.0),
    ];
    for (weights, rows, mean, variance) in cases {
        let mut first = Vec::new();
        for _ in 0..n {
            let drawn = weights.draw(rows, &mut rng);
            assert!(drawn.len() == rows && drawn.iter().all(|w| (0.0..=1.0).contains(w)), "{weights:?}");
            close(drawn.iter().sum(), 1.0, 1e-12);
            first.push(drawn[0]);
        }
        let (got, spread) = moments(&first);
        close(got, mean, 4.0 * (variance / n as f64).sqrt() + 1e-8);
        // The sd of a sample variance is at most √(μ₄ / n), and μ₄ ≤ σ² for numbers in [0, 1].
        close(spread, variance, 4.0 * (variance / n as f64).sqrt().min(0.0025) + 1e-12);
        assert_eq!(weights.draw(1, &mut rng), [1.0]);
    }
}

fn at(shares: &Shares, row: usize, column: u32) -> f64 {
    shares.row(row).iter().find(|(j, _)| *j == column).map_or(0.0, |(_, share)| *share)
}

/// The share of the own row over `steps` draws on three rows.
fn own(text: &str, steps: u64) -> Vec<f64> {
    let rows = rows(&[0, 1, 2], 3);
    (0..steps)
        .flat_map(|step| {
            let s = shares(text, &rows, step);
            (0..3).map(move |i| at(&s, i, i as u32)).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn what_the_own_row_keeps() {
    let n = 3000;
    // E max of a uniform point of the simplex of three: (1 + 1/2 + 1/3) / 3 = 11/18; its sd is under 1/5.
    let largest =
        own("linear: { partners: all, weights: uniform_simplex, own: largest, per_sample: true }", n);
    close(moments(&largest).0, 11.0 / 18.0, 4.0 * 0.2 / 9000f64.sqrt());
    assert!(largest.iter().all(|share| *share >= 1.0 / 3.0));
    // E max(λ, 1 − λ) of a uniform λ: 3/4.
    let largest = own("linear: { partners: 1, own: largest, per_sample: true }", n);
    close(moments(&largest).0, 0.75, 4.0 * (1.0f64 / 48.0 / 9000.0).sqrt());
    // A rank at random: the mean of the weights, 1/3; the variance that of the three weights.
    let random = own("linear: { partners: all, weights: p_series, own: random }", n);
    let weights = Weights::PSeries(2.8).draw(3, &mut Seed::new(0).rng());
    let variance = weights.iter().map(|w| (w - 1.0 / 3.0).powi(2)).sum::<f64>() / 3.0;
    close(moments(&random).0, 1.0 / 3.0, 4.0 * (variance / 9000.0).sqrt());
    close(moments(&random).1, variance, 0.005);
    // The first: rank 1, always.
    assert!(own("linear: { partners: all, weights: p_series }", 50).iter().all(|share| *share == weights[0]));
    assert!(
        own("linear: { partners: 2, weights: { fixed: [0.2, 0.3, 0.5] } }", 50)
            .iter()
            .all(|share| *share == 0.2)
    );
    assert!(
        own("linear: { partners: 2, weights: { fixed: [0.2, 0.3, 0.5] }, own: largest }", 50)
            .iter()
            .all(|share| *share == 0.5)
    );
}

#[test]
fn partners_are_of_their_kind_and_equally_likely() {
    let (classes, groups) = ([0, 0, 1, 1, 1, 2], [Some(0), Some(1), Some(0), None, Some(1), Some(1)]);
    let rows = Rows::one_hot(classes.to_vec(), groups.to_vec(), 3);
    type Kind = fn(&[u32; 6], &[Option<u32>; 6], usize, usize) -> bool;
    let cases: [(&str, Kind); 5] = [
        ("2", |_, _, _, _| true),
        ("same_class", |c, _, i, j| c[i] == c[j]),
        ("other_class", |c, _, i, j| c[i] != c[j]),
        ("same_group", |_, g, i, j| g[i].is_some() && g[i] == g[j]),
        ("{ count: 1, among: other_class }", |c, _, i, j| c[i] != c[j]),
    ];
    for (partners, kind) in cases {
        let count = match partners {
            "2" => 2,
            "{ count: 1, among: other_class }" => 1,
            _ => 9,
        };
        let text = format!("linear: {{ partners: {partners}, weights: uniform_simplex }}");
        let mut met = [[0u32; 6]; 6];
        let steps = 2000;
        for step in 0..steps {
            for (i, row) in shares(&text, &rows, step).rows().iter().enumerate() {
                row.iter().for_each(|(j, _)| met[i][*j as usize] += 1);
            }
        }
        for (i, met) in met.iter().enumerate() {
            let able: Vec<usize> = (0..6).filter(|&j| j != i && kind(&classes, &groups, i, j)).collect();
            let p = (count as f64 / able.len() as f64).min(1.0);
            for (j, &met) in met.iter().enumerate() {
                let p = if j == i {
                    1.0
                } else if able.contains(&j) {
                    p
                } else {
                    0.0
                };
                // 4 sd of a binomial of 2000.
                close(f64::from(met) / steps as f64, p, 4.0 * (p * (1.0 - p) / steps as f64).sqrt());
            }
        }
    }
}

#[test]
fn one_draw_for_the_batch_or_one_for_each_row() {
    let rows = rows(&[0, 1, 2, 0, 1, 2], 3);
    let different = |text: &str| {
        let shares = shares(text, &rows, 0);
        let mut own: Vec<u64> = (0..6).map(|i| at(&shares, i, i as u32).to_bits()).collect();
        own.sort();
        own.dedup();
        own.len()
    };
    assert_eq!(different("linear: { partners: 2, weights: uniform_simplex }"), 1);
    assert_eq!(different("linear: { partners: 2, weights: uniform_simplex, per_sample: true }"), 6);
}
