//! Golden numbers of the papers and of the authors' code.

use crate::setting::*;
use candle_core::{DType, Device, Tensor};
use serde_json::Value;
use std::path::Path;
use tallow_policy::mix::cutmix::cut;
use tallow_policy::weights::{normalised, p_series};
use tallow_policy::{Rect, Shares};

/// The shares of a ζ-mixup draw given as the rank of each column in each row.
fn zeta(gamma: f64, ranks: &[Vec<usize>]) -> Shares {
    let weights = p_series(gamma, ranks.len());
    let row = |(own, ranks): (usize, &Vec<usize>)| {
        let mut order: Vec<u32> = (0..ranks.len() as u32).collect();
        order.sort_by_key(|&column| ranks[column as usize]);
        assert_eq!(order[0] as usize, own, "rank 1 is on the diagonal");
        order.into_iter().zip(weights.iter().copied()).collect()
    };
    Shares::new(ranks.len(), ranks.iter().enumerate().map(row).collect())
}

/// Values and labels through the engine, with given shares.
fn mixed(shares: &Shares, values: &Tensor, labels: &[u32], classes: usize) -> (Vec<f64>, Vec<f64>) {
    let entries = serde_json::to_string(shares.rows()).unwrap();
    let branch = branch(&format!("[ {{ fixed: {{ shares: {entries} }} }} ]"));
    let rows = rows(labels, classes);
    let (mixed, pass) = through(&branch, &rows, 0, values);
    (flat(&mixed), pass.targets())
}

// γ, N, C_N, H in nats, Σw², and the first weights.
type Series = (f64, usize, f64, f64, f64, &'static [f64]);
const SERIES: [Series; 8] = [
    (1.72865, 2, 1.3017341722, 0.54143498, 0.643869, &[0.76820600, 0.23179400]),
    (1.72865, 4, 1.5424785594, 0.99353982, 0.471471, &[0.64830723, 0.19561644, 0.09705216, 0.05902417]),
    (1.72865, 8, 1.7116279347, 1.35029707, 0.385561, &[0.58423912, 0.17628491, 0.08746111, 0.05319118]),
    (2.4, 4, 1.2969607294, 0.74068640, 0.619647, &[0.77103337, 0.14608351, 0.05520548, 0.02767765]),
    (2.8, 2, 1.1435872944, 0.37785585, 0.780413, &[0.87444133, 0.12555867]),
    (2.8, 3, 1.1897254773, 0.52725145, 0.722561, &[0.84053004, 0.12068943, 0.03878053]),
    (2.8, 4, 1.2103427884, 0.60453102, 0.698444, &[0.82621222, 0.11863358, 0.03811993, 0.01703427]),
    (2.8, 8, 1.2352684122, 0.71667467, 0.670668, &[0.80954066, 0.11623975, 0.03735073, 0.01669055]),
];

#[test]
fn weights_of_zeta_mixup() {
    for (gamma, n, constant, nats, squares, first) in SERIES {
        let weights = p_series(gamma, n);
        assert!(apart(&weights[..first.len()], first) < 5e-9, "γ {gamma}, N {n}: {weights:?}");
        close(1.0 / weights[0], constant, 5e-11); // w_1 = 1 / C_N
        close(entropy(&weights), nats, 5e-9);
        close(weights.iter().map(|w| w * w).sum(), squares, 5e-7);
        close(weights.iter().sum(), 1.0, 1e-15);
    }
    assert!(apart(&p_series(2.0, 4), &[0.70243902, 0.17560976, 0.07804878, 0.04390244]) < 5e-9);
    assert!(apart(&p_series(4.0, 4), &[0.92699718, 0.05793732, 0.01144441, 0.00362108]) < 5e-9);
    assert_eq!(p_series(0.0, 4), [0.25; 4]);
    assert!(p_series(200.0, 4)[0] == 1.0);
    let large = [(1.72865, 32, 0.52871000), (1.72865, 128, 0.51017588), (1.72865, 512, 0.50366713)];
    let larger = [
        (1.72865, 4096, 0.50080281),
        (1.72865, 65536, 0.50010742),
        (2.8, 32, 0.80258340),
        (2.8, 128, 0.80196156),
    ];
    for (gamma, n, first) in large.into_iter().chain(larger) {
        close(p_series(gamma, n)[0], first, 5e-9);
    }
    close(entropy(&p_series(1.72865, 128)), 2.05734886, 5e-9);
    close(entropy(&p_series(2.8, 128)), 0.79154068, 5e-9);
    // The bound of Theorem 1: over γ_min the first weight exceeds all others together, under it not for every N.
    assert!(p_series(1.72, 65536)[0] < 0.5);
}

const FIGURE: [[usize; 4]; 4] = [[1, 3, 4, 2], [3, 1, 2, 4], [4, 2, 1, 3], [4, 3, 2, 1]];

#[test]
fn the_worked_example_of_the_zeta_mixup_paper() {
    let ranks = FIGURE.map(|row| row.to_vec());
    let shares = zeta(2.4, &ranks);
    let (a, b, c, d) = (0.7710, 0.1461, 0.0552, 0.0277);
    assert!(apart(&shares.dense(), &[a, c, d, b, c, a, b, d, d, b, a, c, d, c, b, a]) < 5e-5);
    let x = Tensor::new(&[[1f64], [2.], [3.], [4.]], &Device::Cpu).unwrap();
    let (_, targets) = mixed(&shares, &x, &[1, 2, 1, 0], 3);
    let expected =
        [0.1461, 0.7987, 0.0552, 0.0277, 0.2013, 0.7710, 0.0552, 0.7987, 0.1461, 0.7710, 0.1738, 0.0552];
    assert!(apart(&targets, &expected) < 1e-4); // 0.7987 and 0.1738 are sums of rounded numbers
    let (values, targets) = mixed(&zeta(2.8, &ranks), &x, &[0, 1, 0, 2], 3);
    assert!(apart(&values, &[1.42808921, 2.11458220, 2.88541780, 3.75402374]) < 5e-9);
    let first = [0.84324649, 0.03811993, 0.11863358, 0.15675351, 0.82621222, 0.01703427];
    let last = [0.84324649, 0.11863358, 0.03811993, 0.13566785, 0.03811993, 0.82621222];
    assert!(apart(&targets, &[first, last].concat()) < 5e-9);
    let (values, _) = mixed(&zeta(1.72865, &ranks), &x, &[0, 1, 0, 2], 3);
    assert!(apart(&values, &[1.80194983, 2.21661262, 2.78338738, 3.43320674]) < 5e-9);
}

#[test]
fn two_samples_are_mixup() {
    // λ = 2^γ / (1 + 2^γ)
    for (lambda, gamma) in
        [(0.5, 0.0), (0.6, 0.58496250), (0.75, 1.58496250), (0.8, 2.0), (0.9, 3.16992500), (0.99, 6.62935662)]
    {
        close(p_series(gamma, 2)[0], lambda, 5e-9);
    }
    for (gamma, lambda) in [(1.72865, 0.76820600), (2.4, 0.84071441), (2.8, 0.87444133)] {
        close(p_series(gamma, 2)[0], lambda, 5e-9);
    }
    // Through the engine: each row is λ of itself and 1 − λ of one other, the numbers that mixup computes.
    let (branch, rows) =
        (branch("[ { zeta_mixup: { gamma: 2.8, samples: 2 } } ]"), rows(&[0, 1, 2, 0, 1], 3));
    let values = noise("two", &[5, 4]);
    let (out, pass) = through(&branch, &rows, 3, &values);
    let lambda = 2f64.powf(2.8) / (1.0 + 2f64.powf(2.8));
    let (given, out): (Vec<Vec<f64>>, Vec<Vec<f64>>) = (values.to_vec2().unwrap(), out.to_vec2().unwrap());
    for i in 0..5 {
        let [(a, x), (b, y)] = *pass.shares().row(i) else { panic!("two rows in row {i}") };
        let (other, own, rest) = if a as usize == i { (b, x, y) } else { (a, y, x) };
        close(own, lambda, 1e-15);
        close(rest, 1.0 - lambda, 1e-15);
        let expected: Vec<f64> =
            (0..4).map(|k| lambda * given[i][k] + (1.0 - lambda) * given[other as usize][k]).collect();
        assert!(apart(&out[i], &expected) < 1e-15);
    }
}

#[test]
fn boxes_of_cutmix() {
    let rect = |top, bottom, left, right| Rect { top, bottom, left, right };
    let cases = [
        (32, 0.75, (16, 16), rect(8, 24, 8, 24), 0.75),
        (32, 0.75, (0, 0), rect(0, 8, 0, 8), 0.9375),
        (32, 0.75, (31, 31), rect(23, 32, 23, 32), 0.9208984375),
        (32, 0.75, (3, 20), rect(0, 11, 12, 28), 0.828125),
        (32, 0.3, (16, 16), rect(3, 29, 3, 29), 0.33984375),
        (32, 0.5, (16, 16), rect(5, 27, 5, 27), 0.52734375),
        (32, 0.9, (16, 16), rect(11, 21, 11, 21), 0.90234375),
        (32, 0.95, (16, 16), rect(13, 19, 13, 19), 0.96484375),
        (32, 0.0, (16, 16), rect(0, 32, 0, 32), 0.0),
        (32, 0.0, (0, 0), rect(0, 16, 0, 16), 0.75),
        (32, 1.0, (16, 16), rect(16, 16, 16, 16), 1.0),
        (32, 0.9995, (5, 9), rect(5, 5, 9, 9), 1.0),
        (28, 0.6, (14, 14), rect(6, 22, 6, 22), 0.6734693878),
        (224, 0.5, (112, 112), rect(33, 191, 33, 191), 0.5024713010),
        (224, 0.25, (10, 200), rect(0, 106, 104, 224), 0.7464923469),
    ];
    for (side, lambda, centre, expected, own) in cases {
        let got = cut((side, side), lambda, centre);
        assert_eq!(got, expected, "{side}, λ {lambda}, {centre:?}");
        close(1.0 - got.area() as f64 / (side * side) as f64, own, 5e-11);
    }
}

pub fn authors(mix: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/policy/cases.json");
    let cases: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    cases[mix].as_array().unwrap().clone()
}

pub fn list<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

pub fn tensor(case: &Value) -> Tensor {
    Tensor::from_vec(list::<Vec<f64>>(&case["values"]), list::<Vec<usize>>(&case["shape"]), &Device::Cpu)
        .unwrap()
}

/// The authors' code runs in f32 and its results are rounded to 5 decimals.
pub const AUTHORS: f64 = 1e-5;

#[test]
fn zeta_mixup_as_the_authors_code() {
    let cases = authors("zeta_mixup");
    for case in &cases {
        let shares = zeta(case["gamma"].as_f64().unwrap(), &list::<Vec<Vec<usize>>>(&case["ranks"]));
        assert!(apart(&shares.dense(), &list::<Vec<f64>>(&case["shares"])) < AUTHORS);
        let classes = case["classes"].as_u64().unwrap() as usize;
        let (values, targets) = mixed(&shares, &tensor(case), &list::<Vec<u32>>(&case["labels"]), classes);
        assert!(apart(&values, &list::<Vec<f64>>(&case["mixed"])) < AUTHORS);
        assert!(apart(&targets, &list::<Vec<f64>>(&case["targets"])) < AUTHORS);
    }
    assert_eq!(cases.len(), 7);
}

#[test]
fn intra_class_as_the_authors_code() {
    let cases = authors("intra_class");
    for case in &cases {
        let (labels, present) = (list::<Vec<u32>>(&case["labels"]), list::<Vec<u32>>(&case["classes"]));
        let draws = list::<Vec<Vec<f64>>>(&case["draws"]);
        let row = |(class, draws): (&u32, Vec<f64>)| -> Vec<(u32, f64)> {
            let members = (0..labels.len() as u32).filter(|&i| labels[i as usize] == *class);
            members.zip(normalised(draws)).collect()
        };
        let shares = Shares::new(labels.len(), present.iter().zip(draws).map(row).collect());
        let (values, targets) = mixed(&shares, &tensor(case), &labels, 7);
        assert!(apart(&values, &list::<Vec<f64>>(&case["mixed"])) < AUTHORS);
        let one_hot: Vec<f64> =
            present.iter().flat_map(|&p| (0..7).map(move |c| f64::from(u8::from(c == p)))).collect();
        assert!(apart(&targets, &one_hot) < 1e-12);
        // The policy itself gives one row to each of these classes, in this order.
        let (branch, rows) = (branch("[ { intra_class: {} } ]"), rows(&labels, 7));
        let (_, pass) = through(&branch, &rows, 0, &tensor(case));
        assert!(apart(&pass.targets(), &one_hot) < 1e-12);
    }
    assert_eq!(cases.len(), 4);
}

#[test]
fn boxes_as_the_authors_code() {
    let cases = authors("cutmix");
    for case in &cases {
        let (size, centre) = (list::<(usize, usize)>(&case["size"]), list::<(usize, usize)>(&case["centre"]));
        let got = cut(size, case["lambda"].as_f64().unwrap(), centre);
        assert_eq!([got.top, got.bottom, got.left, got.right], list::<[usize; 4]>(&case["box"]), "{case}");
        close(1.0 - got.area() as f64 / (size.0 * size.1) as f64, case["own"].as_f64().unwrap(), 1e-12);
    }
    assert_eq!(cases.len(), 48);
}

#[test]
fn the_pasted_area_is_the_label() {
    // What the original CutMix, kornia and MONAI got wrong at one time: the share is that of the pixels which arrived.
    let (branch, rows) =
        (branch("[ { cutmix: { per_sample: true }, pairing: roll } ]"), rows(&[0, 1, 2, 3, 4], 5));
    let mut clipped = 0;
    for step in 0..50 {
        let (out, pass) = through(&branch, &rows, step, &painted(5, DType::F64, &[6, 6]));
        let pixels: Vec<Vec<Vec<Vec<f64>>>> =
            (0..5).map(|i| out.get(i).unwrap().to_vec3().unwrap()).collect();
        for (i, row) in pixels.iter().enumerate() {
            let partner = (i + 4) % 5;
            let count: f64 = row[partner].iter().flatten().sum();
            close(pass.targets()[i * 5 + partner], count / 36.0, 1e-15);
            clipped += usize::from(count.sqrt().fract() != 0.0);
        }
    }
    assert!(clipped > 20, "boxes that are not square were clipped: {clipped}");
}
