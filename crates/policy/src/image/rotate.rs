//! Rotation about the centre.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::quantity::{Colour, Degrees, read};
use crate::region::misfit;
use crate::{Build, Parsed, Result, Spec};
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

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
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

/// The colour at (u, v), in pixels from the centre of the first; both at least −½.
fn blend(image: &Image, u: f64, v: f64) -> [u8; 3] {
    let ((left, right, dx), (above, below, dy)) = (neighbours(u, image.width), neighbours(v, image.height));
    let stride = image.width as usize * 3;
    let pixel = |x: usize, y: usize| &image.pixels[y * stride + x * 3..][..3];
    let (a, b, c, d) = (pixel(left, above), pixel(right, above), pixel(left, below), pixel(right, below));
    std::array::from_fn(|channel| {
        let along = |from: &[u8], to: &[u8]| {
            let (from, to) = (f64::from(from[channel]), f64::from(to[channel]));
            from + (to - from) * dx
        };
        let (above, below) = (along(a, b), along(c, d));
        (above + (below - above) * dy) as u8
    })
}

/// The two pixels around a place at least −½, and how far it is from the first to the second; the border is repeated.
fn neighbours(place: f64, n: u32) -> (usize, usize, f64) {
    if place < 0.0 {
        return (0, 0, place + 1.0);
    }
    let first = place as usize;
    (first, (first + 1).min(n as usize - 1), place - first as f64)
}
