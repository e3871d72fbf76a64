//! Brightness, contrast, saturation and hue.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::colour::{apply_table, grey, mix, table};
use crate::pixels::region::invalid_draw;
use crate::schema::quantity::{Factors, Hues};
use crate::{Build, Parsed, Result, Spec, parameters};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "color_jitter",
    summary: "brightness, contrast, saturation and hue by uniform factors, in random order",
    source: "torchvision.transforms.v2.ColorJitter; pixels as Pillow's ImageEnhance and HSV",
    parameters: &[
        ("brightness", "0; from 0 to 100", "d: a factor from max(0, 1 − d) to 1 + d; or [low, high]"),
        ("contrast", "0; from 0 to 100", "likewise, about the mean grey"),
        ("saturation", "0; from 0 to 100", "likewise, about the grey image"),
        ("hue", "0; from −0.5 to 0.5", "d: a shift from −d to d of the colour circle; or [low, high]"),
    ],
    example: "{ color_jitter: { brightness: 0.3, contrast: 0.3, saturation: 0.3, hue: 0.05 } }",
    cost: "one pass for each adjustment that is on, two for contrast",
    spatial: true,
    build: Build::Image(build),
};

/// In the order of `SPEC.parameters`.
pub(crate) const BRIGHTNESS: usize = 0;
pub(crate) const CONTRAST: usize = 1;
pub(crate) const SATURATION: usize = 2;
pub(crate) const HUE: usize = 3;

/// Draws (which, factor) of each adjustment, in the order of application; those that change nothing are left out.
struct ColorJitter {
    ranges: [Option<(f64, f64)>; 4],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    brightness: Option<Factors>,
    contrast: Option<Factors>,
    saturation: Option<Factors>,
    hue: Option<Hues>,
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    let Parameters { brightness, contrast, saturation, hue } = parameters(value)?;
    let factors = |range: Option<Factors>| range.filter(|r| *r != Factors(1.0, 1.0)).map(|r| (r.0, r.1));
    let hue = hue.filter(|range| *range != Hues(0.0, 0.0)).map(|range| (range.0, range.1));
    Ok(Box::new(ColorJitter { ranges: [factors(brightness), factors(contrast), factors(saturation), hue] }))
}

impl ImagePolicy for ColorJitter {
    fn draw(&self, _: (u32, u32), rng: &mut Rng) -> Numbers {
        let order = rng.permutation(4);
        let drawn = order.into_iter().filter_map(|which| {
            let (low, high) = self.ranges[which as usize]?;
            Some([f64::from(which), rng.uniform_in(low, high)])
        });
        drawn.flatten().collect()
    }

    fn apply(&self, mut image: Image, draw: &Numbers) -> Result<Image> {
        let (adjustments, rest) = draw.as_chunks::<2>();
        if rest.is_empty() && adjustments.iter().all(|&[which, factor]| adjust(&mut image, which, factor)) {
            return Ok(image);
        }
        Err(invalid_draw(SPEC.name, "pairs of adjustment (0 to 3) and factor", draw, &image))
    }
}

/// One adjustment; whether there is one of this number.
pub(crate) fn adjust(image: &mut Image, which: f64, factor: f64) -> bool {
    match which as usize {
        _ if which < 0.0 => return false,
        BRIGHTNESS => brightness(image, factor),
        CONTRAST => contrast(image, factor),
        SATURATION => saturation(image, factor),
        HUE => shift_hue(image, (factor * 255.0) as i32 as u8),
        _ => return false,
    }
    true
}

/// Blends with black.
pub(crate) fn brightness(image: &mut Image, factor: f64) {
    apply_table(image, &table(|byte| mix(0, byte, factor as f32)));
}

/// Blends with the mean grey, ⌊mean luma + ½⌋.
pub(crate) fn contrast(image: &mut Image, factor: f64) {
    let pixels = image.pixels.as_chunks::<3>().0;
    let sum: u64 = pixels.iter().map(|&pixel| u64::from(grey(pixel))).sum();
    let mean = (sum as f64 / pixels.len() as f64 + 0.5) as u8;
    apply_table(image, &table(|byte| mix(mean, byte, factor as f32)));
}

/// Blends each pixel with its own grey.
pub(crate) fn saturation(image: &mut Image, factor: f64) {
    for pixel in image.pixels.as_chunks_mut::<3>().0 {
        let grey = grey(*pixel);
        pixel.iter_mut().for_each(|byte| *byte = mix(grey, *byte, factor as f32));
    }
}

/// Adds to the hue, 256 levels to the circle: Pillow's 8-bit HSV and back.
fn shift_hue(image: &mut Image, shift: u8) {
    for pixel in image.pixels.as_chunks_mut::<3>().0 {
        let [hue, saturation, value] = hsv(*pixel);
        *pixel = rgb([hue.wrapping_add(shift), saturation, value]);
    }
}

fn hsv([red, green, blue]: [u8; 3]) -> [u8; 3] {
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    if most == least {
        return [0, 0, most];
    }
    // Single and double precision where Pillow's C has them.
    let range = f32::from(most - least);
    let below = |channel: u8| f32::from(most - channel) / range;
    let (r, g, b) = (below(red), below(green), below(blue));
    let sixth = if red == most {
        b - g
    } else if green == most {
        (2.0 + f64::from(r) - f64::from(b)) as f32
    } else {
        (4.0 + f64::from(g) - f64::from(r)) as f32
    };
    let turn = f64::from(sixth) / 6.0 + 1.0; // 5/6 to 11/6
    let hue = (if turn < 1.0 { turn } else { turn - 1.0 }) as f32;
    let saturation = range / f32::from(most);
    [(f64::from(hue) * 255.0) as u8, (f64::from(saturation) * 255.0) as u8, most]
}

fn rgb([hue, saturation, value]: [u8; 3]) -> [u8; 3] {
    if saturation == 0 {
        return [value; 3];
    }
    let sixth = f64::from(hue) * 6.0 / 255.0;
    let sector = sixth as u8;
    let (f, s) =
        (f64::from((sixth - f64::from(sector)) as f32), f64::from((f64::from(saturation) / 255.0) as f32));
    let level = |share: f64| (f64::from(value) * share + 0.5) as u8;
    let (p, q, t) = (level(1.0 - s), level(1.0 - s * f), level(1.0 - s * (1.0 - f)));
    match sector % 6 {
        0 => [value, t, p],
        1 => [q, value, p],
        2 => [p, value, t],
        3 => [p, q, value],
        4 => [t, p, value],
        _ => [value, p, q],
    }
}
