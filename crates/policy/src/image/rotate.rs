//! Rotation about the centre.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::quantity::{Colour, Degrees, read};
use crate::region::misfit;
use crate::{Build, Mistake, Result, Spec};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "rotate",
    summary: "turns the image about its centre by a uniform angle; the size stays",
    source: "torchvision.transforms.v2.RandomRotation; pixels as Pillow's Image.rotate(BILINEAR)",
    parameters: &[
        ("degrees", "required", "d: from −d to d, counter-clockwise; or [low, high]"),
        ("fill", "0", "what comes from outside: a byte, or [red, green, blue]"),
    ],
    spatial: true,
    build: Build::Image(build),
};

/// Draws (angle in degrees, counter-clockwise).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotate {
    degrees: Degrees,
    #[serde(default)]
    fill: Colour,
}

fn build(value: &Value, _: &ModelInput) -> std::result::Result<Box<dyn ImagePolicy>, Vec<Mistake>> {
    Ok(Box::new(read::<Rotate>(value, "degrees")?))
}

impl ImagePolicy for Rotate {
    fn draw(&self, _: (u32, u32), rng: &mut Rng) -> Numbers {
        vec![rng.uniform_in(self.degrees.0, self.degrees.1)]
    }

    fn apply(&self, mut image: Image, draw: &Numbers) -> Result<Image> {
        let [degrees] = *draw.as_slice() else {
            return Err(misfit(SPEC.name, "one angle", draw, &image));
        };
        let degrees = degrees.rem_euclid(360.0);
        if degrees == 0.0 {
            return Ok(image);
        }
        if degrees == 180.0 {
            image.pixels.as_chunks_mut::<3>().0.reverse();
            return Ok(image);
        }
        Ok(turn(&image, degrees, self.fill.0))
    }
}

/// Each output pixel's centre is turned back into the image; outside it is `fill`, inside the four nearest pixels are
/// blended (repeated at the border) and the fraction is cut off.
fn turn(image: &Image, degrees: f64, fill: [u8; 3]) -> Image {
    let (width, height) = (f64::from(image.width), f64::from(image.height));
    let (sin, cos) = sine_cosine(degrees);
    let (left, top) =
        (cos * (-width / 2.0) + sin * (-height / 2.0), -sin * (-width / 2.0) + cos * (-height / 2.0));
    let (left, top) = (left + width / 2.0, top + height / 2.0);
    let mut pixels = Vec::with_capacity(image.pixels.len());
    for y in 0..image.height {
        for x in 0..image.width {
            let (x, y) = (f64::from(x) + 0.5, f64::from(y) + 0.5);
            let (u, v) = (cos * x + sin * y + left, -sin * x + cos * y + top);
            let inside = u >= 0.0 && u < width && v >= 0.0 && v < height;
            pixels.extend(if inside { blend(image, u - 0.5, v - 0.5) } else { fill });
        }
    }
    Image { width: image.width, height: image.height, pixels }
}

/// Of −degrees, rounded to 15 decimals as Pillow does: multiples of 90° are exact.
fn sine_cosine(degrees: f64) -> (f64, f64) {
    let (sin, cos) = (-degrees.to_radians()).sin_cos();
    let round = |number: f64| (number * 1e15).round_ties_even() / 1e15;
    (round(sin), round(cos))
}

/// The colour at (u, v), in units of pixels from the centre of the first.
fn blend(image: &Image, u: f64, v: f64) -> [u8; 3] {
    let (x, y) = (u.floor(), v.floor());
    let (dx, dy) = (u - x, v - y);
    let column = |x: f64| x.clamp(0.0, f64::from(image.width - 1)) as usize * 3;
    let row = |y: f64| {
        &image.pixels[y.clamp(0.0, f64::from(image.height - 1)) as usize * image.width as usize * 3..]
    };
    let (left, right, above, below) = (column(x), column(x + 1.0), row(y), row(y + 1.0));
    std::array::from_fn(|c| {
        let along = |row: &[u8]| {
            let (a, b) = (f64::from(row[left + c]), f64::from(row[right + c]));
            a + (b - a) * dx
        };
        let (a, b) = (along(above), along(below));
        (a + (b - a) * dy) as u8
    })
}
