//! The draws of the policies for skin, of elastic and of center_to_border; what strokes cover.

use crate::draws::{draws, mean_is, uniform_is};
use crate::policy;
use tallow_data::Image;

#[test]
fn elastic_draws_two_uniform_numbers_for_each_pixel() {
    let drawn = draws("elastic", "{}", (2, 3));
    assert!(drawn.iter().all(|d| d.len() == 12));
    for i in 0..12 {
        uniform_is(drawn.iter().map(|d| d[i]), -1.0, 1.0);
        mean_is(drawn.iter().map(|d| d[i] * d[(i + 1) % 12]), 0.0, 0.0);
    }
}

#[test]
fn center_to_border_goes_every_part_of_the_way_in_every_direction() {
    for (yaml, low, high) in [("{}", 0.0, 1.0), ("{range: [0.25, 0.5]}", 0.25, 0.5), ("{range: 1}", 1.0, 1.0)]
    {
        let drawn = draws("center_to_border", yaml, (600, 450));
        uniform_is(drawn.iter().map(|d| d[0].abs().max(d[1].abs())), low, high);
        for i in 0..2 {
            mean_is(drawn.iter().map(|d| d[i]), 0.0, 0.0);
            // The border of the square: half of it at ±1, half uniform: (1 + ⅓) / 2 of the mean square of the distance.
            let squares = (low * low + low * high + high * high) / 3.0;
            mean_is(drawn.iter().map(|d| d[i].powi(2)), squares * 2.0 / 3.0, 1e-12);
        }
        mean_is(drawn.iter().map(|d| d[0] * d[1]), 0.0, 0.0);
    }
}

#[test]
fn hairs_have_the_stated_distributions() {
    let yaml =
        "{number: [2, 5], width: [0.01, 0.02], length: [0.5, 0.8], bend: [-30, 60], opacity: [0.2, 1]}";
    let drawn = draws("hair", yaml, (300, 200));
    let numbers: Vec<f64> = drawn.iter().map(|d| d.len() as f64 / 9.0).collect();
    mean_is(numbers.iter().copied(), 3.5, 0.0);
    mean_is(numbers.iter().map(|n| (n - 3.5).powi(2)), 1.25, 0.0); // (4² − 1) / 12
    assert!(numbers.iter().all(|n| [2.0, 3.0, 4.0, 5.0].contains(n)));
    let ranges = [
        (0.0, 300.0),
        (0.0, 200.0),
        (0.0, 360.0),
        (100.0, 160.0),
        (-30.0, 60.0),
        (-30.0, 60.0),
        (2.0, 4.0),
        (0.0, 1.0),
        (0.2, 1.0),
    ];
    for (i, (low, high)) in ranges.into_iter().enumerate() {
        uniform_is(drawn.iter().map(|d| d[i]), low, high);
        uniform_is(drawn.iter().map(|d| d[9 + i]), low, high);
        mean_is(
            drawn.iter().map(|d| (d[i] - (low + high) / 2.0) * (d[9 + i] - (low + high) / 2.0)),
            0.0,
            0.0,
        );
    }
    assert!(draws("hair", "0", (9, 9)).iter().all(|d| d.is_empty()));
}

#[test]
fn rulers_have_the_stated_distributions() {
    let yaml = "{spacing: [0.1, 0.2], length: [0.05, 0.1], width: [0.01, 0.03], inset: [0.1, 0.3], tilt: 8}";
    let drawn = draws("ruler", yaml, (300, 200));
    for side in [0.0, 1.0, 2.0, 3.0] {
        mean_is(drawn.iter().map(|d| f64::from(u8::from(d[0] == side))), 0.25, 0.0);
    }
    let ranges = [
        (0.0, 10.0),
        (20.0, 40.0),
        (10.0, 20.0),
        (2.0, 6.0),
        (20.0, 60.0),
        (-8.0, 8.0),
        (0.0, 1.0),
        (0.6, 0.95),
    ];
    for (i, (low, high)) in ranges.into_iter().enumerate() {
        uniform_is(drawn.iter().map(|d| d[1 + i]), low, high);
    }
}

/// A white image, and how much a black policy takes from it, in whole pixels.
fn blackened(name: &str, draw: &[f64]) -> f64 {
    let white = Image { width: 120, height: 90, pixels: vec![255; 120 * 90 * 3] };
    let image = policy(name, "{dark: 0, light: 0}").apply(white, &draw.to_vec()).unwrap();
    image.pixels.iter().map(|byte| f64::from(255 - byte)).sum::<f64>() / 255.0 / 3.0
}

#[test]
fn a_stroke_covers_its_area() {
    // A hair of length 60 whose width falls from w to w / 2: 45 w, and the rounded ends, half discs: π/8 (w² + w²/4).
    for width in [0.6, 1.0, 2.5, 6.0] {
        let ends = std::f64::consts::PI / 8.0 * 1.25 * width * width;
        for (direction, bend) in [(0.0, 0.0), (30.0, 0.0), (-45.0, 0.0), (10.0, 60.0)] {
            let area = blackened("hair", &[20.5, 45.3, direction, 60.0, bend, -bend, width, 0.0, 1.0]);
            let expected = 45.0 * width + ends;
            assert!(
                (area / expected - 1.0).abs() < 0.05,
                "{width} {direction} {bend}: {area}, not {expected}"
            );
        }
    }
    // Along the pixels, a mark covers exactly its width: 90 px of a border, 6 px apart.
    let area = blackened("ruler", &[3.0, 0.5, 6.0, 4.0, 1.5, 10.0, 0.0, 0.0, 1.0]);
    let marks = 15.0 * (4.0 + 0.5 * 4.0 / 10.0 + 4.0 / 10.0) * 1.5; // 1 of 10 is twice as long, 1 of 10 half as much longer
    let ends = 15.0 * std::f64::consts::PI / 4.0 * 1.5 * 1.5;
    assert!((area / (marks + ends) - 1.0).abs() < 0.15, "{area}, not {}", marks + ends);
}

#[test]
fn color_constancy_makes_the_light_grey() {
    // A grey scene under a light of (1, 0.8, 0.5) becomes grey again, up to rounding.
    let pixel = |level: u32| [level, level * 4 / 5, level / 2].map(|byte| byte as u8);
    let pixels = (20..=240).step_by(10).flat_map(pixel).collect();
    let image = Image { width: 23, height: 1, pixels };
    let grey = policy("color_constancy", "{}").apply(image, &Vec::new()).unwrap();
    assert!(
        grey.pixels.as_chunks::<3>().0.iter().all(|p| p[0].abs_diff(p[1]) <= 1 && p[0].abs_diff(p[2]) <= 1)
    );
}
