//! How many planted copies are found, and how many pairs that are none, on real images: the tables of `docs/data_check.md`.
//!
//! `TALLOW_DATA=data cargo test -p tallow-data --lib -- --ignored measured --nocapture`; TALLOW_SHEETS=DIR also gets pictures of
//! the pairs of real images that are most alike.

use std::path::Path;
use std::sync::Arc;

use image::imageops::{
    FilterType, crop_imm, flip_horizontal, flip_vertical, resize, rotate90, rotate180, rotate270,
};
use image::{ImageFormat, RgbImage};
use tallow_seed::{Rng, Seed};

use super::align::correlation;
use super::candidates::candidates;
use super::look::Look;
use super::near::{COARSE, probability};
use super::signature::Signer;
use crate::identical::in_threads;
use crate::written::{options, real};
use crate::{Dataset, Encoded, decode, find};

const COPIES: usize = 300;

/// One change of a picture; JPEG is told apart from the others by its quality.
#[derive(Clone, Copy)]
enum Change {
    Jpeg(u8),
    Resize(f64, f64),
    Crop(f64, f64),
    Flip,
    Turn,
    Levels,
}

const KINDS: [(&str, &[Change]); 14] = [
    ("JPEG, quality 90", &[Change::Jpeg(90)]),
    ("JPEG, quality 70", &[Change::Jpeg(70)]),
    ("JPEG, quality 50", &[Change::Jpeg(50)]),
    ("resized to 50 %", &[Change::Resize(0.5, 0.5)]),
    ("resized to 50–100 %", &[Change::Resize(0.5, 1.0)]),
    ("resized to 100–150 %", &[Change::Resize(1.0, 1.5)]),
    ("cropped, 2–5 % a side", &[Change::Crop(0.02, 0.05)]),
    ("cropped, 5–10 % a side", &[Change::Crop(0.05, 0.1)]),
    ("flipped", &[Change::Flip]),
    ("rotated by 90, 180 or 270°", &[Change::Turn]),
    ("brightness ± 25, contrast ± 20 %", &[Change::Levels]),
    (
        "cropped 2–10 %, resized, JPEG 70",
        &[Change::Crop(0.02, 0.1), Change::Resize(0.5, 1.5), Change::Jpeg(70)],
    ),
    ("flipped, rotated, levels, JPEG 70", &[Change::Flip, Change::Turn, Change::Levels, Change::Jpeg(70)]),
    (
        "all of these",
        &[
            Change::Crop(0.02, 0.1),
            Change::Flip,
            Change::Turn,
            Change::Resize(0.5, 1.5),
            Change::Levels,
            Change::Jpeg(70),
        ],
    ),
];

fn changed(mut picture: RgbImage, changes: &[Change], rng: &mut Rng) -> RgbImage {
    for change in changes {
        let (width, height) = picture.dimensions();
        let part = |side: u32, share: f64| (f64::from(side) * share).round() as u32;
        picture = match *change {
            Change::Jpeg(quality) => {
                let mut bytes = Vec::new();
                let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality);
                encoder.encode_image(&picture).unwrap();
                image::load_from_memory_with_format(&bytes, ImageFormat::Jpeg).unwrap().into_rgb8()
            }
            Change::Resize(from, to) => {
                let scale = rng.uniform_in(from, to + 1e-9);
                resize(&picture, part(width, scale), part(height, scale), FilterType::CatmullRom)
            }
            Change::Crop(from, to) => {
                let [left, right] = [(); 2].map(|()| part(width, rng.uniform_in(from, to)));
                let [top, bottom] = [(); 2].map(|()| part(height, rng.uniform_in(from, to)));
                crop_imm(&picture, left, top, width - left - right, height - top - bottom).to_image()
            }
            Change::Flip if rng.bernoulli(0.5) => flip_horizontal(&picture),
            Change::Flip => flip_vertical(&picture),
            Change::Turn => [rotate90, rotate180, rotate270][rng.below(3) as usize](&picture),
            Change::Levels => {
                let (contrast, brightness) = (rng.uniform_in(0.8, 1.2), rng.uniform_in(-25.0, 25.0));
                let level = |level: u8| ((f64::from(level) - 128.0) * contrast + 128.0 + brightness) as u8;
                let mut picture = picture;
                picture.iter_mut().for_each(|value| *value = level(*value));
                picture
            }
        };
    }
    picture
}

fn pixels(picture: RgbImage) -> Encoded {
    let (width, height) = picture.dimensions();
    Encoded::Pixels(crate::Image { width, height, pixels: picture.into_raw() })
}

fn picture(dataset: &dyn Dataset, index: usize) -> RgbImage {
    let image = decode(&dataset.image(index).unwrap()).unwrap();
    RgbImage::from_raw(image.width, image.height, image.pixels).unwrap()
}

/// (a, b, correlation, shorter side) of all candidates.
fn correlated(looks: &[&Look], workers: usize) -> Vec<(usize, usize, f64, u32)> {
    let small: Vec<&[u8]> = looks.iter().map(|look| &*look.small).collect();
    let pairs = candidates(&small, workers, &|_| {}).unwrap();
    let signer = Signer::new();
    in_threads(pairs.len(), workers, |at| {
        let (a, b) = (pairs[at].0 as usize, pairs[at].1 as usize);
        let side = looks[a].shorter_side().min(looks[b].shorter_side());
        Ok((a, b, correlation(&signer, small[a], small[b]), side))
    })
    .unwrap()
}

fn is_near(pair: &(usize, usize, f64, u32)) -> bool {
    probability(pair.2, pair.3) >= 0.5
}

/// Correlations of copies, and of candidates among different images, by whether they are small.
type Samples = [[Vec<f64>; 2]; 2];

fn measure(name: &str, dataset: &dyn Dataset, samples: &mut Samples) {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let began = std::time::Instant::now();
    let looks = in_threads(dataset.len(), workers, |at| {
        let image = dataset.image(at)?.load()?;
        Look::of(&image, Look::content(&image), crate::MAX_PIXELS).map(Arc::new)
    })
    .unwrap();
    let looked = began.elapsed();
    let mut known = std::collections::HashSet::new();
    let distinct: Vec<usize> = (0..looks.len()).filter(|at| known.insert(looks[*at].pixels)).collect();
    let originals: Vec<&Look> = distinct.iter().map(|at| &*looks[*at]).collect();
    let mut pairs = correlated(&originals, workers);
    println!(
        "\n{name}: {} images, {} of different pixels; looked at in {looked:.1?}, {} candidates in {:.1?}",
        looks.len(),
        originals.len(),
        pairs.len(),
        began.elapsed() - looked
    );
    pairs.sort_by(|a, b| b.2.total_cmp(&a.2));
    let near: Vec<_> = pairs.iter().filter(|pair| is_near(pair)).collect();
    println!("pairs of real images told: {}", near.len());
    for (a, b, correlation, _) in pairs.iter().take(40) {
        let (a, b) = (distinct[*a], distinct[*b]);
        let (first, second) = (dataset.id(a), dataset.id(b));
        let groups = [a, b].map(|at| dataset.group(at).unwrap_or("-"));
        println!(
            "  {correlation:.3} {first} {second} {groups:?} {}",
            ["", "same label"][usize::from(dataset.label(a) == dataset.label(b))]
        );
    }
    if let Some(folder) = std::env::var_os("TALLOW_SHEETS") {
        sheet(dataset, &distinct, &pairs, &Path::new(&folder).join(format!("{name}.png")));
    }
    let coarse = usize::from(originals[0].shorter_side() < COARSE);
    samples[coarse][1].extend(pairs.iter().filter(|pair| !is_near(pair)).map(|pair| pair.2));
    // All kinds in one search: an original seldom has copies of two.
    let count = COPIES.min(originals.len());
    let (mut chosen, mut copies): (Vec<u32>, Vec<Look>) = Default::default();
    for (kind, changes) in KINDS {
        let mut rng = Seed::new(7).fold(kind, 0).rng();
        let some: Vec<u32> = rng.sample(originals.len() as u32, count as u32);
        copies.extend(some.iter().map(|at| {
            let copy = changed(picture(dataset, distinct[*at as usize]), changes, &mut rng);
            Look::of(&pixels(copy), 0, crate::MAX_PIXELS).unwrap()
        }));
        chosen.extend(some);
    }
    let all: Vec<&Look> = originals.iter().copied().chain(&copies).collect();
    let found = correlated(&all, workers);
    let original = |at: usize| at.checked_sub(originals.len()).map_or(at, |copy| chosen[copy] as usize);
    let is_known = |a: usize, b: usize| {
        let (a, b) = (original(a).min(original(b)), original(a).max(original(b)));
        a == b || near.iter().any(|pair| (pair.0, pair.1) == (a, b))
    };
    println!(
        "| planted | found | of all told | candidates | least, 5 % of correlations |\n|---|---|---|---|---|"
    );
    for (at, (kind, _)) in KINDS.into_iter().enumerate() {
        let first = originals.len() + at * count;
        // Originals with a copy of this kind.
        let of_kind: Vec<_> = found
            .iter()
            .filter(|(a, b, ..)| *a < originals.len() && (first..first + count).contains(b))
            .collect();
        let own = of_kind.iter().filter(|(a, b, ..)| *a == original(*b));
        let mut own: Vec<f64> = own.map(|pair| pair.2).collect();
        let (mut right, mut wrong) = (0, 0);
        for (a, b, ..) in of_kind.into_iter().filter(|pair| is_near(pair)) {
            right += usize::from(*a == original(*b));
            wrong += usize::from(!is_known(*a, *b));
        }
        own.sort_by(f64::total_cmp);
        samples[coarse][0].extend(&own);
        let percent = |count: usize, of: usize| 100.0 * count as f64 / of.max(1) as f64;
        println!(
            "| {kind} | {:.1} % | {:.1} % | {:.1} % | {:.2}, {:.2} |",
            percent(right, count),
            percent(right, right + wrong),
            percent(own.len(), count),
            own.first().unwrap_or(&0.0),
            own.get(own.len() / 20).unwrap_or(&0.0)
        );
    }
}

/// The pairs most alike, side by side, from the left and downwards.
fn sheet(dataset: &dyn Dataset, distinct: &[usize], pairs: &[(usize, usize, f64, u32)], path: &Path) {
    const TILE: u32 = 112;
    let mut sheet = RgbImage::from_pixel(6 * (2 * TILE + 8), 10 * (TILE + 8), image::Rgb([255; 3]));
    for (place, (a, b, ..)) in pairs.iter().take(60).enumerate() {
        let (x, y) = ((place % 6) as u32 * (2 * TILE + 8), (place / 6) as u32 * (TILE + 8));
        for (offset, at) in [(0, *a), (TILE, *b)] {
            let tile = resize(&picture(dataset, distinct[at]), TILE, TILE, FilterType::Triangle);
            image::imageops::replace(&mut sheet, &tile, i64::from(x + offset), i64::from(y));
        }
    }
    sheet.save(path).unwrap();
}

/// (a, b) of the logistic curve of greatest likelihood, each side with the same weight, targets as Platt (1999): 1 − 1/(n + 2).
fn fitted(copies: &[f64], others: &[f64]) -> (f64, f64) {
    let (mut a, mut b) = (0.0f64, 0.0f64);
    for _ in 0..100 {
        let (mut gradient, mut normal) = ([0.0; 2], [[1e-9, 0.0], [0.0, 1e-9]]);
        for (values, is_copy) in [(copies, true), (others, false)] {
            let count = values.len() as f64;
            let target = (1.0 + if is_copy { count } else { 0.0 }) / (count + 2.0);
            for x in values {
                let p = 1.0 / (1.0 + (-(a + b * x)).exp());
                let (slope, error) = (p * (1.0 - p) / count, (target - p) / count);
                gradient = [gradient[0] + error, gradient[1] + error * x];
                normal[0][0] += slope;
                normal[0][1] += slope * x;
                normal[1][1] += slope * x * x;
            }
        }
        let determinant = normal[0][0] * normal[1][1] - normal[0][1] * normal[0][1];
        let step = [
            (normal[1][1] * gradient[0] - normal[0][1] * gradient[1]) / determinant,
            (normal[0][0] * gradient[1] - normal[0][1] * gradient[0]) / determinant,
        ];
        // Half steps stay where the curve is not yet saturated.
        (a, b) = (a + 0.5 * step[0].clamp(-4.0, 4.0), b + 0.5 * step[1].clamp(-4.0, 4.0));
    }
    (a, b)
}

#[test]
#[ignore = "minutes; real data"]
fn measured() {
    let mut samples = Samples::default();
    for (name, source, keys) in [
        ("isic2018", "isic2018", "root"),
        ("pneumoniamnist.npz", "medmnist", "path"),
        ("cifar10", "cifar10", "root"),
    ] {
        let Some(path) = real(name) else { continue };
        let parts =
            find(source).unwrap().read(&options(&format!("{{ {keys}: {} }}", path.display()))).unwrap();
        let train = parts.train.or(parts.test).unwrap();
        // Of CIFAR-10 a part is enough.
        let some = (0..train.len().min(10_000) as u32).collect();
        measure(name, &crate::Subset::new(train, some), &mut samples);
    }
    for (side, [copies, others]) in ["from 48 pixels", "smaller"].iter().zip(&samples) {
        let (a, b) = fitted(copies, others);
        println!(
            "\n{side}: {} copies, {} others; logistic a {a:.2}, b {b:.2}, even at {:.3}",
            copies.len(),
            others.len(),
            -a / b
        );
    }
}
