//! Golden values (a change of generator or distribution must be a decision) and moments.

use crate::{Rng, Seed};

fn rng(purpose: &str) -> Rng {
    Seed::new(7).fold(purpose, 0).rng()
}

/// Mean and variance of `n` draws.
fn moments(n: usize, mut draw: impl FnMut() -> f64) -> (f64, f64) {
    let draws: Vec<f64> = (0..n).map(|_| draw()).collect();
    let mean = draws.iter().sum::<f64>() / n as f64;
    (mean, draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64)
}

fn close(got: f64, expected: f64, tolerance: f64) {
    assert!((got - expected).abs() < tolerance, "got {got}, expected {expected} ± {tolerance}");
}

#[test]
fn golden_values() {
    let mut rng = Seed::new(1).fold("golden", 3).rng();
    let bits: Vec<u64> = (0..3).map(|_| rng.bits()).collect();
    let values =
        [rng.uniform(), rng.normal(), rng.gamma(0.3), rng.gamma(2.5), rng.beta(1.0, 1.0), rng.beta(0.2, 0.2)];
    let rest = (rng.below(1000), rng.permutation(6), rng.derangement(6), rng.sample(10, 4));
    assert_eq!(format!("{bits:?} {values:?} {rest:?}"), include_str!("golden.txt").trim());
}

#[test]
fn the_stream_is_chacha8_of_the_reference() {
    // ChaCha8, key = 0, nonce = 0, first block: the test vector of draft-strombergson-chacha-test-vectors, TC1.
    use rand::{Rng as _, SeedableRng};
    let mut reference = rand::rngs::ChaCha8Rng::from_seed([0; 32]);
    let mut block = [0u8; 8];
    reference.fill_bytes(&mut block);
    assert_eq!(block, [0x3e, 0x00, 0xef, 0x2f, 0x89, 0x5f, 0x40, 0xd6]);
}

#[test]
fn children_depend_on_purpose_and_index_only() {
    let root = Seed::new(1);
    assert_eq!(root.fold("a", 5), root.fold("a", 5));
    let mut keys = vec![root];
    for purpose in ["a", "b", "image", "batch"] {
        for index in [0, 1, 2, u64::MAX / 16, u64::MAX] {
            keys.push(root.fold(purpose, index));
            keys.push(root.fold("nested", 0).fold(purpose, index));
        }
    }
    for (i, a) in keys.iter().enumerate() {
        assert!(keys[..i].iter().all(|b| b != a), "two children are the same");
    }
}

#[test]
fn uniform_moments() {
    let mut r = rng("uniform");
    let (mean, variance) = moments(200_000, || r.uniform());
    close(mean, 0.5, 0.003);
    close(variance, 1.0 / 12.0, 0.001);
}

#[test]
fn normal_moments() {
    let mut r = rng("normal");
    let (mean, variance) = moments(200_000, || r.normal());
    close(mean, 0.0, 0.01);
    close(variance, 1.0, 0.02);
}

#[test]
fn gamma_moments() {
    let mut r = rng("gamma");
    for shape in [0.1, 0.5, 1.0, 4.0] {
        let (mean, variance) = moments(200_000, || r.gamma(shape)); // mean = variance = shape
        close(mean, shape, 0.03 * shape.max(0.3));
        close(variance, shape, 0.06 * shape.max(0.3));
    }
}

#[test]
fn beta_moments() {
    let mut r = rng("beta");
    for alpha in [0.2, 1.0, 2.0] {
        let (mean, variance) = moments(200_000, || r.beta(alpha, alpha));
        close(mean, 0.5, 0.005);
        close(variance, 1.0 / (4.0 * (2.0 * alpha + 1.0)), 0.003);
    }
}

#[test]
fn beta_of_tiny_parameters_is_a_number() {
    let mut r = rng("tiny");
    for _ in 0..2000 {
        let x = r.beta(1e-300, 1e-300);
        assert!((0.0..=1.0).contains(&x), "{x}");
    }
}

#[test]
fn dirichlet_sums_to_one() {
    let mut r = rng("dirichlet");
    let mut first = 0.0;
    for _ in 0..20_000 {
        let weights = r.dirichlet(&[1.0, 2.0, 3.0]);
        close(weights.iter().sum(), 1.0, 1e-12);
        first += weights[0] / 20_000.0;
    }
    close(first, 1.0 / 6.0, 0.005); // a_1 / Σ a = 1 / 6
    close(r.dirichlet(&[1e-300; 4]).iter().sum(), 1.0, 1e-12);
}

#[test]
fn below_is_uniform() {
    let mut r = rng("below");
    let mut counts = [0; 7];
    (0..70_000).for_each(|_| counts[r.below(7) as usize] += 1);
    assert!(counts.iter().all(|&c| (9_600..10_400).contains(&c)), "{counts:?}"); // 10 000 ± 4 sd
}

#[test]
fn weighted_follows_its_weights() {
    let mut r = rng("weighted");
    let mut counts = [0; 4];
    (0..40_000).for_each(|_| counts[r.weighted(&[1.0, 0.0, 2.0, 1.0])] += 1);
    assert_eq!(counts[1], 0);
    assert!((19_600..20_400).contains(&counts[2]), "{counts:?}");
}

#[test]
fn permutations_are_uniform() {
    let mut r = rng("permutation");
    let mut counts = std::collections::BTreeMap::new();
    (0..24_000).for_each(|_| *counts.entry(r.permutation(4)).or_insert(0) += 1);
    assert_eq!(counts.len(), 24); // 4!
    assert!(counts.values().all(|&c| (850..1150).contains(&c)), "{counts:?}");
}

#[test]
fn derangements_have_no_fixed_point() {
    let mut r = rng("derangement");
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..2000 {
        let order = r.derangement(4);
        assert!(order.iter().enumerate().all(|(i, &p)| i as u32 != p));
        seen.insert(order);
    }
    assert_eq!(seen.len(), 9); // !4 = 9
    assert_eq!(r.derangement(1), [0]);
    assert!(r.derangement(0).is_empty());
}

#[test]
fn a_sample_takes_its_words_one_by_one() {
    let (mut r, mut by_hand) = (rng("words"), rng("words"));
    let drawn = r.sample(200, 150);
    let mut items: Vec<u32> = (0..200).collect();
    for i in 0..150 {
        items.swap(i, i + by_hand.below(200 - i as u32) as usize);
    }
    assert_eq!(drawn, items[..150]);
    assert_eq!(r.position(), by_hand.position());
    // Of 3 · 2³⁰ items that take no room a quarter of the words is refused.
    const MANY: u32 = 3 << 30;
    let begun = r.position();
    r.choose(&mut [(); MANY as usize], 300);
    (0..300).for_each(|i| _ = by_hand.below(MANY - i));
    assert_eq!(r.position(), by_hand.position());
    let words = r.position() - begun;
    assert!((352..448).contains(&words), "{words}"); // 300 / ¾ = 400, sd 12
}

#[test]
fn a_stream_is_found_further_on() {
    for (begun, words) in [(0, 0), (1, 5), (15, 1), (16, 64), (64, 1000), (63, 127)] {
        let mut r = rng("ahead");
        (0..begun).for_each(|_| _ = r.below(1 << 31));
        let mut ahead = r.ahead(words);
        (0..words).for_each(|_| _ = r.below(1 << 31));
        assert_eq!((r.position(), r.bits()), (ahead.position(), ahead.bits()), "{begun} + {words}");
    }
}

#[test]
fn samples_do_not_repeat() {
    let mut r = rng("sample");
    for _ in 0..1000 {
        let mut drawn = r.sample(10, 4);
        drawn.sort();
        drawn.dedup();
        assert_eq!(drawn.len(), 4);
    }
    assert_eq!(r.sample(5, 5).len(), 5);
}
