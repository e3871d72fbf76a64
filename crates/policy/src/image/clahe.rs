//! Equalisation within tiles, its contrast limited.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::lab::{from_lab, to_lab};
use crate::pixels::region::{PaddingMode, invalid_draw, source};
use crate::schema::quantity::{Contrasts, Tiles, read};
use crate::{Build, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "clahe",
    summary: "equalizes the lightness L of CIELAB in each of tiles × tiles regions, no level counting more than clip_limit times the \
              mean; a pixel interpolates between the maps of the four nearest",
    source: "Zuiderveld 1994 (Graphics Gems IV); Albumentations' CLAHE; levels as OpenCV's createCLAHE",
    parameters: &[
        (
            "clip_limit",
            "[1, 4]; from 1 to 1000",
            "drawn uniformly; a number is both bounds; [2, 2] under `evaluation`",
        ),
        ("tiles", "8; from 1 to 256", "regions along each side"),
    ],
    example: "{ clahe: { clip_limit: [1, 4], tiles: 8 }, p: 0.5 }",
    cost: "to CIELAB and back, the levels of each tile, four look-ups a pixel",
    spatial: true,
    build: Build::Image(build),
};

parameters! {
    /// Draws (clip_limit).
    struct Clahe {
        clip_limit: Contrasts = Contrasts(1.0, 4.0),
        tiles: Tiles = Tiles(8),
    }
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(read::<Clahe>(value, "clip_limit")?))
}

impl ImagePolicy for Clahe {
    fn draw(&self, _: (u32, u32), rng: &mut Rng) -> Numbers {
        vec![rng.uniform_in(self.clip_limit.0, self.clip_limit.1)]
    }

    fn apply(&self, mut image: Image, draw: &Numbers) -> Result<Image> {
        let [clip_limit] = *draw.as_slice() else {
            return Err(invalid_draw(SPEC.name, "one limit", draw, &image));
        };
        let lab: Vec<[u8; 3]> = image.pixels.as_chunks::<3>().0.iter().map(|pixel| to_lab(*pixel)).collect();
        let lightness: Vec<u8> = lab.iter().map(|[l, ..]| *l).collect();
        let size = (image.width as usize, image.height as usize);
        let equalized = equalized(&lightness, size, clip_limit, self.tiles.0 as usize);
        for ((pixel, [_, a, b]), l) in image.pixels.as_chunks_mut::<3>().0.iter_mut().zip(lab).zip(equalized)
        {
            *pixel = from_lab([l, a, b]);
        }
        Ok(image)
    }

    fn random(&self) -> bool {
        self.clip_limit.0 < self.clip_limit.1
    }
}

type Levels = [u8; 256];

/// OpenCV's arithmetic, in f32: levels of each tile of the image, mirrored on to whole tiles at the right and below, clipped and what
/// was cut off spread over all levels; then the maps of four tiles, bilinearly.
fn equalized(levels: &[u8], (width, height): (usize, usize), clip_limit: f64, tiles: usize) -> Vec<u8> {
    // OpenCV adds a whole tile's worth to a side that is divisible where the other one is not.
    let is_whole = width.is_multiple_of(tiles) && height.is_multiple_of(tiles);
    let whole = |n: usize| if is_whole { n } else { n + tiles - n % tiles };
    let (tile_width, tile_height) = (whole(width) / tiles, whole(height) / tiles);
    let area = (tile_width * tile_height) as i32;
    let limit = ((clip_limit * f64::from(area) / 256.0) as i32).max(1);
    let inside = |at: usize, n: usize| {
        let place = source(at as i64, n as u32, PaddingMode::Reflect);
        place.expect("a mirror has a source for every place")
    };
    let columns: Vec<usize> = (0..whole(width)).map(|x| inside(x, width)).collect();
    let mut maps: Vec<Levels> = Vec::with_capacity(tiles * tiles);
    for top in (0..tiles).map(|tile| tile * tile_height) {
        for left in (0..tiles).map(|tile| tile * tile_width) {
            let mut counts = [0_i32; 256];
            for y in top..top + tile_height {
                let row = &levels[inside(y, height) * width..][..width];
                columns[left..left + tile_width].iter().for_each(|x| counts[usize::from(row[*x])] += 1);
            }
            maps.push(map(clipped(counts, limit), 255.0 / area as f32));
        }
    }
    let about = |at: usize, size: usize| {
        let place = at as f32 * (1.0 / size as f32) - 0.5;
        let first = place.floor();
        let (low, high) = (first.max(0.0) as usize, ((first + 1.0) as usize).min(tiles - 1));
        (low, high, place - first)
    };
    let across: Vec<(usize, usize, f32)> = (0..width).map(|x| about(x, tile_width)).collect();
    let mut out = Vec::with_capacity(levels.len());
    for (y, row) in levels.chunks_exact(width).enumerate() {
        let (above, below, down) = about(y, tile_height);
        let (above, below) = (&maps[above * tiles..][..tiles], &maps[below * tiles..][..tiles]);
        for (level, (left, right, along)) in row.iter().zip(&across) {
            let of = |maps: &[Levels]| {
                let [a, b] = [left, right].map(|tile| f32::from(maps[*tile][usize::from(*level)]));
                a * (1.0 - along) + b * along
            };
            out.push((of(above) * (1.0 - down) + of(below) * down).round_ties_even() as u8);
        }
    }
    out
}

/// No level above the limit; what is cut off goes to all levels alike, the rest to single ones at even distances.
fn clipped(mut counts: [i32; 256], limit: i32) -> [i32; 256] {
    let mut excess = 0;
    for count in &mut counts {
        excess += (*count - limit).max(0);
        *count = (*count).min(limit);
    }
    let (each, rest) = (excess / 256, excess % 256);
    counts.iter_mut().for_each(|count| *count += each);
    if rest > 0 {
        counts
            .iter_mut()
            .step_by((256 / rest as usize).max(1))
            .take(rest as usize)
            .for_each(|count| *count += 1);
    }
    counts
}

/// The running sum, scaled to 0 … 255.
fn map(counts: [i32; 256], scale: f32) -> Levels {
    let mut sum = 0;
    counts.map(|count| {
        sum += count;
        (sum as f32 * scale).round_ties_even() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// OpenCV's `createCLAHE(clipLimit, (tiles, tiles)).apply(grey)`, to the bit: `clahes` of `tests/golden/image.py`.
    #[test]
    fn levels_are_opencvs() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/image/clahe.json");
        let golden: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let bytes = |value: &Value| -> Vec<u8> {
            value.as_array().unwrap().iter().map(|byte| byte.as_u64().unwrap() as u8).collect()
        };
        let cases = golden["cases"].as_array().unwrap();
        assert!(cases.len() >= 8);
        for case in cases {
            let number = |key: &str| case[key].as_u64().unwrap() as usize;
            let size = (number("width"), number("height"));
            let got = equalized(
                &bytes(&case["given"]),
                size,
                case["clip_limit"].as_f64().unwrap(),
                number("tiles"),
            );
            assert_eq!(got, bytes(&case["expected"]), "{size:?} {}", case["clip_limit"]);
        }
    }
}
