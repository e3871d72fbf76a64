//! Rotation about the centre.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::affine_map::warp;
use crate::pixels::region::invalid_draw;
use crate::pixels::resample::Interpolation;
use crate::schema::quantity::{Colour, Degrees, read};
use crate::{Build, Parsed, Result, Spec};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "rotate",
    summary: "turns the image about its centre by a uniform angle; the size stays",
    source: "torchvision.transforms.v2.RandomRotation; pixels as Pillow's Image.rotate",
    parameters: &[
        ("degrees", "required; from −360 to 360", "d: from −d to d, counter-clockwise; or [low, high]"),
        ("interpolation", "bilinear; bicubic, nearest", "the filter"),
        ("fill", "0; from 0 to 255", "what comes from outside: a byte, or [red, green, blue]"),
    ],
    example: "{ rotate: 30 }",
    cost: "one pass, four pixels read for each (bilinear)",
    spatial: true,
    build: Build::Image(build),
};

/// Draws (angle in degrees, counter-clockwise).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotate {
    degrees: Degrees,
    #[serde(default)]
    interpolation: Interpolation,
    #[serde(default)]
    fill: Colour,
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(read::<Rotate>(value, "degrees")?))
}

impl ImagePolicy for Rotate {
    fn draw(&self, _: (u32, u32), rng: &mut Rng) -> Numbers {
        vec![rng.uniform_in(self.degrees.0, self.degrees.1)]
    }

    fn apply(&self, image: Image, draw: &Numbers) -> Result<Image> {
        let [degrees] = *draw.as_slice() else {
            return Err(invalid_draw(SPEC.name, "one angle", draw, &image));
        };
        Ok(turn(image, degrees, self.interpolation, self.fill.0))
    }
}

/// The image turned counter-clockwise; what comes from outside is `fill`. Half a turn is exact.
pub(crate) fn turn(mut image: Image, degrees: f64, interpolation: Interpolation, fill: [u8; 3]) -> Image {
    let degrees = degrees.rem_euclid(360.0);
    if degrees == 0.0 {
        return image;
    }
    if degrees == 180.0 {
        image.pixels.as_chunks_mut::<3>().0.reverse();
        return image;
    }
    let (width, height) = (f64::from(image.width), f64::from(image.height));
    let (sin, cos) = sine_cosine(degrees);
    let (left, top) =
        (cos * (-width / 2.0) + sin * (-height / 2.0), -sin * (-width / 2.0) + cos * (-height / 2.0));
    let map = [cos, sin, left + width / 2.0, -sin, cos, top + height / 2.0];
    warp(&image, &map, interpolation, fill)
}

/// Of −degrees, rounded to 15 decimals as Pillow does: multiples of 90° are exact.
fn sine_cosine(degrees: f64) -> (f64, f64) {
    let (sin, cos) = (-degrees.to_radians()).sin_cos();
    // As text: 10¹⁵ · sin 45° falls between two doubles that round to different numbers.
    let round = |number: f64| format!("{number:.15}").parse().unwrap_or(number);
    (round(sin), round(cos))
}
