//! The draws of perspective, channels, photometric distortion, JPEG and the modes of erasing.

use crate::draws::{draws, mean_is};
use crate::{noise, policy};
use std::collections::BTreeMap;

/// How often each value occurs, held against equal shares of `n` values: within five standard deviations.
fn equally_often(values: impl Iterator<Item = i64>, n: usize) {
    let mut counts: BTreeMap<i64, f64> = BTreeMap::new();
    values.for_each(|value| *counts.entry(value).or_default() += 1.0);
    let (total, p) = (counts.values().sum::<f64>(), 1.0 / n as f64);
    let slack = 5.0 * (total * p * (1.0 - p)).sqrt();
    assert_eq!(counts.len(), n, "{counts:?}");
    assert!(counts.values().all(|count| (count - total * p).abs() <= slack), "{counts:?}");
}

#[test]
fn corners_move_inwards_uniformly() {
    // ⌊0.5 · ⌊13 / 2⌋⌋ = 3 of 13 columns, ⌊0.5 · ⌊9 / 2⌋⌋ = 2 of 9 rows.
    let drawn = draws("perspective", "{}", (13, 9));
    mean_is(drawn.iter().map(|d| f64::from(u8::from(!d.is_empty()))), 0.5, 0.0);
    let moved = || drawn.iter().filter(|d| !d.is_empty());
    for (i, (from, n)) in
        [(0, 4), (0, 3), (9, 4), (0, 3), (9, 4), (6, 3), (0, 4), (6, 3)].into_iter().enumerate()
    {
        assert!(moved().all(|d| d.len() == 8 && d[i] >= f64::from(from)));
        equally_often(moved().map(|d| d[i] as i64), n);
    }
    assert!(
        draws("perspective", "{distortion_scale: 0, p: 1}", (13, 9))
            .iter()
            .all(|d| { *d == [0.0, 0.0, 12.0, 0.0, 12.0, 8.0, 0.0, 8.0] })
    );
    assert!(draws("perspective", "{p: 0}", (13, 9)).iter().all(|d| d.is_empty()));
}

/// Corners that stay move nothing; where there is no projection the image stays.
#[test]
fn a_projection_of_nothing_is_the_image() {
    let tilt = policy("perspective", "{p: 1}");
    for (size, corners) in [
        ((13, 9), [0.0, 0.0, 12.0, 0.0, 12.0, 8.0, 0.0, 8.0]),
        ((1, 9), [0.0, 2.0, 0.0, 1.0, 0.0, 8.0, 0.0, 7.0]),
        ((13, 9), [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 0.0, 8.0]),
    ] {
        let image = noise(size.0, size.1, 1);
        assert_eq!(tilt.apply(image.clone(), &corners.to_vec()).unwrap(), image, "{corners:?}");
    }
}

#[test]
fn channels_have_six_orders() {
    let drawn = draws("channel_permutation", "{}", (2, 2));
    equally_often(drawn.iter().map(|d| d[0] as i64), 6);
    let image = noise(3, 2, 1);
    let shuffle = policy("channel_permutation", "{}");
    let mut seen: Vec<Vec<u8>> =
        (0..6).map(|order| shuffle.apply(image.clone(), &vec![f64::from(order)]).unwrap().pixels).collect();
    assert_eq!(seen[0], image.pixels);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 6);
}

#[test]
fn photometric_distortions_are_independent() {
    let drawn = draws("photometric_distort", "{p: 0.3}", (4, 4));
    let has = |d: &[f64], which: f64| d.chunks_exact(2).position(|pair| pair[0] == which);
    for which in 0..5 {
        let which = f64::from(which);
        mean_is(drawn.iter().map(|d| f64::from(u8::from(has(d, which).is_some()))), 0.3, 0.0);
    }
    for (first, second) in [(0.0, 1.0), (2.0, 3.0), (1.0, 4.0)] {
        let both = |d: &Vec<f64>| f64::from(u8::from(has(d, first).is_some() && has(d, second).is_some()));
        mean_is(drawn.iter().map(both), 0.09, 0.0);
    }
    // Contrast stands before hue or behind it; brightness is first, the order of channels last.
    let pairs = drawn.iter().filter_map(|d| Some(f64::from(u8::from(has(d, 1.0)? < has(d, 3.0)?))));
    mean_is(pairs, 0.5, 0.0);
    assert!(drawn.iter().all(|d| has(d, 0.0).is_none_or(|place| place == 0)));
    assert!(drawn.iter().all(|d| has(d, 4.0).is_none_or(|place| place + 1 == d.len() / 2)));
    let factor = |which: f64| {
        drawn
            .iter()
            .filter_map(move |d| Some(d[2 * d.chunks_exact(2).position(|pair| pair[0] == which)? + 1]))
    };
    for (which, low, high) in [(0.0, 0.875, 1.125), (1.0, 0.5, 1.5), (2.0, 0.5, 1.5), (3.0, -0.05, 0.05)] {
        mean_is(factor(which), (low + high) / 2.0, 0.0);
        let middle = (low + high) / 2.0;
        mean_is(factor(which).map(|f| (f - middle).powi(2)), f64::powi(high - low, 2) / 12.0, 0.0);
    }
    equally_often(factor(4.0).map(|order| order as i64), 6);
}

#[test]
fn qualities_are_uniform() {
    equally_often(draws("jpeg", "[11, 20]", (4, 4)).iter().map(|d| d[0] as i64 - 11), 10);
    assert!(draws("jpeg", "7", (4, 4)).iter().all(|d| *d == [7.0]));
}

/// Best quality loses what rounding and halved chroma lose, on grey almost nothing; worst leaves the means of blocks.
#[test]
fn quality_is_what_is_left() {
    let mut image = noise(21, 18, 2);
    image.pixels.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| *pixel = [pixel[0]; 3]);
    let apart = |quality: f64| {
        let made = policy("jpeg", "{}").apply(image.clone(), &vec![quality]).unwrap();
        image.pixels.iter().zip(&made.pixels).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
    };
    assert!(apart(100.0) <= 2, "{}", apart(100.0));
    assert!(apart(100.0) < apart(80.0) && apart(80.0) < apart(10.0));
}

#[test]
fn erased_rectangles_share_the_area() {
    let (width, height) = (300.0, 200.0);
    let drawn =
        draws("random_erasing", "{p: 1, count: [1, 3], scale: [0.1, 0.2], ratio: [1, 1]}", (300, 200));
    equally_often(drawn.iter().map(|d| d.len() as i64 / 4), 3);
    for count in 1..=3_u8 {
        let area = drawn
            .iter()
            .filter(|d| d.len() == 4 * usize::from(count))
            .map(|d| d.chunks_exact(4).map(|region| region[2] * region[3]).sum::<f64>() / (width * height));
        mean_is(area, 0.15, 1e-3);
    }
    // Of one colour: 4 + 3 numbers. Mean and deviation are those of a normal cut to bytes, 255 · 0.485 ± 58.4.
    let drawn = draws("random_erasing", "{p: 1, mode: rand}", (30, 20));
    let red = || drawn.iter().filter(|d| d.len() == 7).map(|d| d[4]);
    mean_is(red(), 124.0, 1.0);
    mean_is(red().map(|level| (level - 124.0).powi(2)), 3300.0, 110.0); // 58.4² = 3410, less what is cut
    assert!(red().all(|level| level.fract() == 0.0 && (0.0..=255.0).contains(&level)));
}

#[test]
fn erased_pixels_have_their_own_colours() {
    let image = noise(9, 8, 1);
    let erase = policy("random_erasing", "{mode: pixel, p: 1}");
    let colours: Vec<f64> = (0..18).map(|level| f64::from(level * 10)).collect();
    let made = erase.apply(image.clone(), &[vec![4.0, 5.0, 3.0, 2.0], colours].concat()).unwrap();
    for (i, (pixel, given)) in made.pixels.chunks_exact(3).zip(image.pixels.chunks_exact(3)).enumerate() {
        let (x, y) = (i % 9, i / 9);
        if (4..7).contains(&x) && (5..7).contains(&y) {
            let first = ((y - 5) * 3 + x - 4) as u8 * 30;
            assert_eq!(pixel, [first, first + 10, first + 20]);
        } else {
            assert_eq!(pixel, given);
        }
    }
    let drawn = draws("random_erasing", "{mode: pixel, p: 1, scale: [0.02, 0.1]}", (9, 8));
    assert!(drawn.iter().all(|d| d.is_empty() || d.len() == 4 + 3 * (d[2] * d[3]) as usize));
    assert!(drawn.iter().any(|d| d.len() > 7));
}
