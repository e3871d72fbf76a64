//! What the drawn dataset promises.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn pixels(data: &Synthetic, index: usize) -> Image {
    match data.image(index).unwrap() {
        Encoded::Pixels(image) => image,
        other => panic!("expected pixels, got {other:?}"),
    }
}

/// FNV-1a of bytes.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

/// The first image of every class.
fn firsts(data: &Synthetic) -> Vec<usize> {
    (0..7).map(|class| (0..data.len()).find(|&i| data.label(i) == class).unwrap()).collect()
}

#[test]
fn golden_pixels() {
    let mut lines = Vec::new();
    for size in [32, 128] {
        let data = Synthetic::new(140, size, Seed::new(1));
        for index in firsts(&data) {
            let image = pixels(&data, index);
            assert_eq!(
                (image.width, image.height, image.pixels.len()),
                (size, size, 3 * (size * size) as usize)
            );
            let name = &CLASS_NAMES[data.label(index) as usize];
            lines.push(format!("{size} {name} {} {:016x}", data.id(index), digest(&image.pixels)));
        }
    }
    assert_eq!(lines.join("\n"), include_str!("golden.txt").trim(), "drawings changed");
}

#[test]
fn order_and_threads_change_nothing() {
    let forwards = Synthetic::new(60, 24, Seed::new(5));
    let backwards = Synthetic::new(60, 24, Seed::new(5));
    let last_first: Vec<Image> = (0..60).rev().map(|i| pixels(&backwards, i)).collect();
    std::thread::scope(|scope| {
        for start in 0..3 {
            let (forwards, last_first) = (&forwards, &last_first);
            scope.spawn(move || {
                for index in (start..60).step_by(2) {
                    assert_eq!(pixels(forwards, index), last_first[59 - index], "image {index}");
                }
            });
        }
    });
}

#[test]
fn cached_and_drawn_anew_are_the_same() {
    let data = Synthetic::new(20, 32, Seed::new(1));
    let first = pixels(&data, 3);
    assert_eq!(first, pixels(&data, 3)); // from the cache
    assert_eq!(first, data.render(3));
    // 20 000 images of 224 × 224 × 3 bytes are 3 GB: not kept
    assert!(Synthetic::new(20_000, 224, Seed::new(1)).cache.is_empty());
}

#[test]
fn the_tail_is_long() {
    // 10 015 images: exactly the counts of ISIC 2018
    assert_eq!(counts(10_015), CLASS_COUNTS);
    // 2400: DF 2400 · 115 / 10 015 = 27.6
    assert_eq!(counts(2400), [266, 1609, 123, 78, 263, 27, 34]);
    // 480: DF 5.5 and VASC 6.8 are raised to 10
    assert_eq!(counts(480), [53, 316, 24, 15, 52, 10, 10]);
    for images in [0, 1, 13, 14, 70, 100, 480, 2401] {
        let counts = counts(images);
        assert_eq!(counts.iter().sum::<usize>(), images);
        assert!(counts.iter().all(|&count| count >= (images / 14).min(10)), "{images}: {counts:?}");
        let data = Synthetic::new(images, 8, Seed::new(1));
        let mut found = [0; 7];
        (0..data.len()).for_each(|i| found[data.label(i) as usize] += 1);
        assert_eq!(found, counts);
    }
}

#[test]
fn lesions_have_one_class_and_often_several_images() {
    let data = Synthetic::new(4000, 8, Seed::new(1));
    let mut lesions: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for index in 0..data.len() {
        lesions.entry(data.group(index).unwrap()).or_default().push(data.label(index));
        assert!(data.id(index).starts_with(data.group(index).unwrap()));
        ids.insert(data.id(index));
    }
    assert_eq!(ids.len(), 4000);
    assert!(lesions.values().all(|labels| labels.iter().all(|label| *label == labels[0])));
    let mean = 4000.0 / lesions.len() as f64; // 0.74 + 2 · 0.19 + 3 · 0.06 + 4 · 0.01 = 1.34
    assert!((mean - 1.34).abs() < 0.05, "{mean}");
    // several views of a lesion differ
    let twice = (1..data.len()).find(|&i| data.group(i) == data.group(i - 1)).unwrap();
    assert_ne!(pixels(&data, twice), pixels(&data, twice - 1));
}

#[test]
fn parts_share_no_lesion_and_no_image() {
    let parts = [Part::Train, Part::Validation, Part::Test];
    let parts = parts.map(|part| Synthetic::part(part, 100, 16, Seed::new(1)));
    let (mut groups, mut images) = (BTreeMap::new(), BTreeSet::new());
    for (number, part) in parts.iter().enumerate() {
        for index in 0..part.len() {
            assert_eq!(*groups.entry(part.group(index).unwrap().to_owned()).or_insert(number), number);
            images.insert(pixels(part, index).pixels);
        }
    }
    assert_eq!(images.len(), 300);
}

#[test]
fn another_seed_is_fresh_data() {
    let (one, two) = (Synthetic::new(50, 16, Seed::new(1)), Synthetic::new(50, 16, Seed::new(2)));
    assert!((0..50).all(|i| pixels(&one, i) != pixels(&two, i)));
}

/// Mean colours tell nothing: between classes they differ by a part of what they vary within one.
#[test]
fn classes_have_the_same_colours() {
    let data = Synthetic::new(700, 16, Seed::new(3));
    let mut means = vec![Vec::new(); 7];
    for index in 0..data.len() {
        let image = pixels(&data, index);
        let mean = image.pixels.iter().map(|&v| f64::from(v)).sum::<f64>() / image.pixels.len() as f64;
        means[data.label(index) as usize].push(mean);
    }
    let moments = |x: &[f64]| {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        (mean, (x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / x.len() as f64).sqrt())
    };
    let (nevus, spread) = moments(&means[1]);
    for class in [0, 2, 4] {
        let (mean, _) = moments(&means[class]); // 36 images and more: the error of the mean is spread / 6
        assert!(
            (mean - nevus).abs() < 0.7 * spread,
            "{}: {mean}, NV: {nevus} ± {spread}",
            CLASS_NAMES[class]
        );
    }
}

#[test]
fn noise_has_its_range_and_turns_are_turns() {
    for i in 0..1000 {
        let t = i as f32 * 0.0137 - 6.0;
        let [c, s] = noise::turn(t);
        let angle = f64::from(t) * std::f64::consts::TAU;
        assert!(
            (f64::from(c) - angle.cos()).abs() < 2e-5 && (f64::from(s) - angle.sin()).abs() < 2e-5,
            "{t}"
        );
        let p = [c * 7.3, s * 5.1];
        assert!(noise::value(9, p).abs() <= 1.0 && noise::cloud(9, p).abs() <= 1.0);
        let cell = noise::cell(9, p, 1.0);
        assert!(cell.centre < 1.2 && cell.edge >= 0.0, "{cell:?}");
    }
}
