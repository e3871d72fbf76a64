//! The distributions of the draws, and images so small that a draw could go wrong.

use crate::{noise, policy};
use std::collections::BTreeMap;
use tallow_policy::{Numbers, Registry};
use tallow_seed::Seed;

const N: usize = 20_000;

/// N draws of a policy for images of one size.
pub fn draws(name: &str, parameters: &str, size: (u32, u32)) -> Vec<Numbers> {
    let policy = policy(name, parameters);
    let mut rng = Seed::new(5).fold(name, 0).rng();
    (0..N).map(|_| policy.draw(size, &mut rng)).collect()
}

/// The mean lies within four standard errors of what is expected, and `slack` for rounding to whole pixels.
pub fn mean_is(values: impl Iterator<Item = f64> + Clone, expected: f64, slack: f64) {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let deviation = (values.map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
    let tolerance = 4.0 * deviation / n.sqrt() + slack;
    assert!((mean - expected).abs() <= tolerance, "mean {mean}, expected {expected} ± {tolerance}");
}

/// Mean and variance are those of the uniform distribution on [low, high], and all values lie in it.
pub fn uniform_is(values: impl Iterator<Item = f64> + Clone, low: f64, high: f64) {
    let middle = (low + high) / 2.0;
    mean_is(values.clone(), middle, 1e-12);
    mean_is(values.clone().map(|x| (x - middle).powi(2)), (high - low).powi(2) / 12.0, 1e-12);
    assert!(values.clone().all(|x| (low..=high).contains(&x)));
}

/// Means of (area share, log of `aspect`) over the pairs that `fits`, by the midpoint rule on a grid of scale × log ratio.
fn quadrature(scale: (f64, f64), ratio: (f64, f64), fits: impl Fn(f64, f64) -> bool) -> (f64, f64) {
    const CELLS: usize = 1000;
    let middle = |(low, high): (f64, f64), i: usize| low + (high - low) * (i as f64 + 0.5) / CELLS as f64;
    let (mut cells, mut area, mut aspect) = (0.0, 0.0, 0.0);
    for i in 0..CELLS {
        for j in 0..CELLS {
            let (share, log) = (middle(scale, i), middle((ratio.0.ln(), ratio.1.ln()), j));
            if fits(share, log.exp()) {
                (cells, area, aspect) = (cells + 1.0, area + share, aspect + log);
            }
        }
    }
    (area / cells, aspect / cells)
}

#[test]
fn random_resized_crop_has_torchvisions_distribution() {
    let (width, height) = (600.0, 450.0);
    for (scale, parameters) in [((0.08, 1.0), "{}"), ((0.5, 1.0), "{scale: [0.5, 1.0]}")] {
        // w = √(share · W · H · r) ≤ W and h = √(share · W · H / r) ≤ H
        let fits = |share: f64, r: f64| share * height * r <= width && share * width <= height * r;
        let (area, aspect) = quadrature(scale, (3.0 / 4.0, 4.0 / 3.0), fits);
        let drawn = draws("random_resized_crop", parameters, (600, 450));
        mean_is(drawn.iter().map(|d| d[2] * d[3] / (width * height)), area, 1e-3);
        mean_is(drawn.iter().map(|d| (d[2] / d[3]).ln()), aspect, 1e-3);
        // Uniform over the places that are left.
        mean_is(drawn.iter().filter(|d| d[2] < width).map(|d| d[0] / (width - d[2])), 0.5, 0.0);
        mean_is(drawn.iter().filter(|d| d[3] < height).map(|d| d[1] / (height - d[3])), 0.5, 0.0);
        assert!(
            drawn.iter().all(|d| d[0] + d[2] <= width && d[1] + d[3] <= height && d[2] >= 1.0 && d[3] >= 1.0)
        );
        assert!(
            drawn.iter().any(|d| d[0] == 0.0) && drawn.iter().any(|d| d[0] > 0.0 && d[0] + d[2] == width)
        );
    }
}

#[test]
fn random_resized_crop_falls_back_to_the_centre() {
    let whole = "{scale: [1, 1], ratio: [1, 1]}"; // a square as large as the image fits no other shape
    assert!(draws("random_resized_crop", whole, (30, 20)).iter().all(|d| *d == [5.0, 0.0, 20.0, 20.0]));
    assert!(draws("random_resized_crop", whole, (20, 31)).iter().all(|d| *d == [0.0, 5.0, 20.0, 20.0]));
    assert!(draws("random_resized_crop", whole, (20, 20)).iter().all(|d| *d == [0.0, 0.0, 20.0, 20.0]));
    // height = round(1 / 9) = 0 becomes 1
    assert!(
        draws("random_resized_crop", "{ratio: [9, 9]}", (1, 4)).iter().all(|d| *d == [0.0, 1.0, 1.0, 1.0])
    );
}

#[test]
fn random_erasing_has_torchvisions_distribution() {
    let (width, height) = (300.0, 200.0);
    // h = √(share · W · H · r) < H and w = √(share · W · H / r) < W
    let fits = |share: f64, r: f64| share * width * r < height && share * height < width * r;
    let (area, aspect) = quadrature((0.02, 0.33), (0.3, 3.3), fits);
    let drawn = draws("random_erasing", "{}", (300, 200));
    mean_is(drawn.iter().map(|d| f64::from(u8::from(!d.is_empty()))), 0.5, 0.0);
    let erased: Vec<&Numbers> = drawn.iter().filter(|d| !d.is_empty()).collect();
    mean_is(erased.iter().map(|d| d[2] * d[3] / (width * height)), area, 1e-3);
    mean_is(erased.iter().map(|d| (d[3] / d[2]).ln()), aspect, 1e-3);
    mean_is(erased.iter().map(|d| d[0] / (width - d[2])), 0.5, 0.0);
    mean_is(erased.iter().map(|d| d[1] / (height - d[3])), 0.5, 0.0);
    assert!(draws("random_erasing", "{p: 0}", (300, 200)).iter().all(|d| d.is_empty()));
}

#[test]
fn crop_is_uniform_over_its_places() {
    let mut counts: BTreeMap<(i64, i64), usize> = BTreeMap::new();
    for d in draws("crop", "{size: 32, padding: 2}", (32, 32)) {
        *counts.entry((d[0] as i64, d[1] as i64)).or_default() += 1;
    }
    assert_eq!(counts.len(), 25); // −2 ..= 2 on both sides
    assert!(counts.keys().all(|(left, top)| left.abs() <= 2 && top.abs() <= 2));
    assert!(counts.values().all(|&n| (690..910).contains(&n)), "{counts:?}"); // 800 ± 4 · √800
    // 5 of 8 pixels: padded by 3 on both sides, so that the image is anywhere in the crop.
    let small = draws("crop", "{size: 8}", (5, 8));
    mean_is(small.iter().map(|d| d[0]), -1.5, 0.0); // −3 ..= 0
    assert!(small.iter().all(|d| (-3.0..=0.0).contains(&d[0]) && d[1] == 0.0));
}

#[test]
fn flip_has_its_probability() {
    for (parameters, p) in
        [("{}", 0.5), ("{p: 0.2}", 0.2), ("{p: 0}", 0.0), ("{p: 1}", 1.0), ("vertical", 0.5)]
    {
        mean_is(draws("flip", parameters, (4, 4)).iter().map(|d| d[0]), p, 0.0);
    }
}

#[test]
fn rotate_is_uniform() {
    let drawn = draws("rotate", "30", (4, 4));
    mean_is(drawn.iter().map(|d| d[0]), 0.0, 0.0);
    mean_is(drawn.iter().map(|d| d[0].powi(2)), 300.0, 0.0); // (2 · 30)² / 12
    assert!(draws("rotate", "[10, 20]", (4, 4)).iter().all(|d| (10.0..20.0).contains(&d[0])));
}

#[test]
fn color_jitter_is_uniform_in_factors_and_order() {
    let parameters = "{brightness: 0.4, contrast: [0.5, 0.9], saturation: 2, hue: 0.1}";
    let drawn = draws("color_jitter", parameters, (4, 4));
    let mut orders: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for d in &drawn {
        *orders.entry(d.chunks_exact(2).map(|pair| pair[0] as u8).collect()).or_default() += 1;
    }
    assert_eq!(orders.len(), 24); // 4!
    assert!(orders.values().all(|&n| (718..950).contains(&n)), "{orders:?}"); // 833 ± 4 · √833
    let factor =
        |which: f64| drawn.iter().map(move |d| d.chunks_exact(2).find(|pair| pair[0] == which).unwrap()[1]);
    // saturation: max(0, 1 − 2) to 1 + 2
    for (which, low, high) in [(0.0, 0.6, 1.4), (1.0, 0.5, 0.9), (2.0, 0.0, 3.0), (3.0, -0.1, 0.1)] {
        mean_is(factor(which), (low + high) / 2.0, 0.0);
        mean_is(
            factor(which).map(|f| (f - (low + high) / 2.0).powi(2)),
            f64::powi(high - low, 2) / 12.0,
            0.0,
        );
    }
    assert!(
        draws("color_jitter", "{hue: 0.1, contrast: 0}", (4, 4)).iter().all(|d| d.len() == 2 && d[0] == 3.0)
    );
    assert!(draws("color_jitter", "{}", (4, 4)).iter().all(|d| d.is_empty()));
}

#[test]
fn cutout_centres_are_uniform() {
    let drawn = draws("cutout", "{size: 4, holes: 2}", (10, 7));
    for hole in [0, 2] {
        mean_is(drawn.iter().map(|d| d[hole]), 4.5, 0.0); // 0 ..= 9
        mean_is(drawn.iter().map(|d| d[hole + 1]), 3.0, 0.0); // 0 ..= 6
    }
    assert!(drawn.iter().all(|d| d.len() == 4 && d[0] <= 9.0 && d[1] <= 6.0));
}

/// What is not random may stand in an evaluation. What is draws something, if not for each image.
#[test]
fn what_is_not_random_draws_nothing() {
    let (mut random, mut fixed) = (0, 0);
    for spec in Registry::builtin().images() {
        let example = serde_json::to_string(&spec.bare_example().unwrap()[spec.name]).unwrap();
        let draws = draws(spec.name, &example, (9, 9)).iter().any(|d| !d.is_empty());
        assert_eq!(policy(spec.name, &example).random(), draws, "{}", spec.name);
        *(if draws { &mut random } else { &mut fixed }) += 1;
    }
    assert!(random >= 19 && fixed >= 10, "{random} random, {fixed} fixed");
}

#[test]
fn tiny_images_pass_through_every_policy() {
    let extreme = [
        ("resize", "3"),
        ("resize", "{size: [2, 9], interpolation: bicubic}"),
        ("center_crop", "4"),
        ("random_resized_crop", "{size: 5}"),
        ("random_resized_crop", "{size: [1, 3], interpolation: nearest, scale: [0.01, 0.02]}"),
        ("crop", "{size: 6, padding: 2}"),
        ("crop", "{size: 1, padding: 9, mode: reflect}"),
        ("flip", "{p: 1}"),
        ("flip", "{p: 1, axis: vertical}"),
        ("rotate", "180"),
        ("rotate", "{degrees: 180, interpolation: nearest}"),
        ("affine", "{degrees: 90, translate: 1, scale: [0.01, 30], shear: [-89, 89, -60, 60]}"),
        ("affine", "{degrees: 9, scale: [0.5, 2], interpolation: nearest}"),
        ("affine", "{degrees: 9, translate: 0.5, interpolation: bicubic}"),
        ("posterize", "1"),
        ("solarize", "9"),
        ("gaussian_blur", "{kernel_size: 41, sigma: 9}"),
        ("gaussian_noise", "{sigma: 9, mean: -1}"),
        ("randaugment", "{num_ops: 4, magnitude: 30}"),
        ("randaugment", "{operations: timm_increasing, noise: 3, op_p: 1, num_ops: 3}"),
        ("perspective", "{p: 1, distortion_scale: 1, interpolation: nearest}"),
        ("perspective", "{p: 1, distortion_scale: 1, interpolation: bicubic}"),
        ("photometric_distort", "{p: 1}"),
        ("jpeg", "1"),
        ("jpeg", "100"),
        ("autoaugment", "svhn"),
        ("augmix", "{severity: 10, chain_depth: 4}"),
        ("elastic", "{alpha: 900, sigma: 3}"),
        ("center_to_border", "{size: [2, 5]}"),
        ("field_of_view", "{margin: 0.5, darkness: 1}"),
        ("color_constancy", "1"),
        ("hair", "{number: 30, width: [1, 1]}"),
        ("ruler", "{tilt: 90}"),
        ("color_jitter", "{brightness: 1, contrast: 1, saturation: 1, hue: 0.5}"),
        ("cutout", "{size: 3, holes: 2}"),
        ("random_erasing", "{p: 1}"),
        ("random_erasing", "{p: 1, mode: pixel, count: [0, 3], scale: [0.5, 1]}"),
        ("random_erasing", "{p: 1, mode: rand, count: 2}"),
    ];
    let registry = Registry::builtin();
    let examples: Vec<(&str, String)> = registry
        .images()
        .map(|spec| (spec.name, serde_json::to_string(&spec.bare_example().unwrap()[spec.name]).unwrap()))
        .collect();
    let all =
        extreme.into_iter().chain(examples.iter().map(|(name, parameters)| (*name, parameters.as_str())));
    for (name, parameters) in all {
        let policy = policy(name, parameters);
        for (width, height) in [(1, 1), (1, 7), (7, 1), (2, 2), (3, 2)] {
            for seed in 0..40 {
                let given = noise(width, height, seed);
                let draw = policy.draw((width, height), &mut Seed::new(seed).rng());
                let image = policy.apply(given.clone(), &draw).unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(image.pixels.len(), (image.width * image.height * 3) as usize, "{name} {draw:?}");
                let known = policy.output(Some((width, height)));
                assert!(
                    known == Some((image.width, image.height)) || name == "field_of_view" && known.is_none(),
                    "{name}"
                );
                assert_eq!(policy.apply(given, &draw).unwrap(), image, "{name} twice");
            }
        }
    }
}

#[test]
fn a_draw_that_does_not_fit_is_an_error() {
    for (name, parameters, draw) in [
        ("random_resized_crop", "{}", vec![0.0, 0.0, 9.0, 8.0]),
        ("random_resized_crop", "{}", vec![]),
        ("random_erasing", "{}", vec![-1.0, 0.0, 2.0, 2.0]),
        ("random_erasing", "{mode: rand}", vec![1.0, 0.0, 2.0, 2.0]),
        ("random_erasing", "{}", vec![1.0, 0.0, 2.0, 2.0, 1.0]),
        ("perspective", "{}", vec![0.0; 7]),
        ("channel_permutation", "{}", vec![6.0]),
        ("photometric_distort", "{}", vec![5.0, 1.0]),
        ("photometric_distort", "{}", vec![4.0, 6.0]),
        ("jpeg", "{}", vec![0.0]),
        ("jpeg", "{}", vec![50.5]),
        ("crop", "{size: 8, padding: 1}", vec![2.0, 0.0]),
        ("rotate", "9", vec![]),
        ("color_jitter", "{}", vec![4.0, 1.0]),
        ("cutout", "{}", vec![8.0, 0.0]),
        ("affine", "{}", vec![0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        ("sharpness", "{}", vec![]),
        ("gaussian_blur", "{}", vec![0.0]),
        ("gaussian_noise", "{}", vec![0.0; 7]),
        ("randaugment", "{}", vec![15.0, 0.0]),
        ("randaugment", "{operations: timm}", vec![3.0, 10.0, 3.0]),
        ("randaugment", "{operations: timm}", vec![3.0, 10.0]),
        ("trivialaugment", "{}", vec![0.5, 0.0]),
        ("autoaugment", "{}", vec![1.0]),
        ("augmix", "{}", vec![1.0, 0.5, 2.0, 0.0, 0.0]),
        ("augmix", "{}", vec![]),
        ("elastic", "{}", vec![0.0; 64]),
        ("center_to_border", "{}", vec![0.0, 1.5]),
        ("hair", "{}", vec![0.0; 8]),
        ("ruler", "{}", vec![4.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0]),
    ] {
        let error = policy(name, parameters).apply(noise(8, 8, 0), &draw).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{name}: expected ")) && error.contains("got the draw ["),
            "{error}"
        );
    }
}
