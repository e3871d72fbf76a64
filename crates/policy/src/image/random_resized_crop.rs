//! A random part of an image, resized.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::region::Region;
use crate::pixels::resample::{Interpolation, resample};
use crate::schema::quantity::{Ratio, Scale, Size, read};
use crate::{Build, Parsed, Result, Spec};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "random_resized_crop",
    summary: "a rectangle of random area and aspect, resized with antialias",
    source: "Szegedy et al. 2015 (arXiv:1409.4842); torchvision.transforms.v2.RandomResizedCrop",
    parameters: &[
        ("size", "the model's input; from 1 to 16384, pixels", "n: a square; or [height, width]"),
        ("scale", "[0.08, 1]; from 0.001 to 1", "area of the rectangle over that of the image: uniform"),
        ("ratio", "[0.75, 1.3333]; from 0.01 to 100", "width over height: uniform in its logarithm"),
        ("interpolation", "bilinear; bicubic, nearest", "the filter"),
    ],
    example: "{ random_resized_crop: { scale: [0.3, 1.0] } }",
    cost: "two passes over the part, along x and along y, each output pixel a sum over the input under it",
    spatial: true,
    build: Build::Image(build),
};

/// Draws (left, top, width, height).
struct RandomResizedCrop {
    /// (width, height)
    size: (u32, u32),
    scale: Scale,
    ratio: Ratio,
    interpolation: Interpolation,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    size: Option<Size>,
    scale: Option<Scale>,
    ratio: Option<Ratio>,
    #[serde(default)]
    interpolation: Interpolation,
}

fn build(value: &Value, model: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    let Parameters { size, scale, ratio, interpolation } = read(value, "size")?;
    Ok(Box::new(RandomResizedCrop {
        size: size.unwrap_or(Size::of(model)).square(),
        scale: scale.unwrap_or(Scale(0.08, 1.0)),
        ratio: ratio.unwrap_or(Ratio(3.0 / 4.0, 4.0 / 3.0)),
        interpolation,
    }))
}

/// Sides (√(area · aspect), √(area / aspect)), rounded, to even on a tie as Python does; area = `scale` of the image's.
pub(crate) fn sides(size: (u32, u32), scale: Scale, ratio: Ratio, rng: &mut Rng) -> (f64, f64) {
    let area = f64::from(size.0) * f64::from(size.1) * rng.uniform_in(scale.0, scale.1);
    let aspect = rng.uniform_in(ratio.0.ln(), ratio.1.ln()).exp();
    ((area * aspect).sqrt().round_ties_even(), (area / aspect).sqrt().round_ties_even())
}

impl RandomResizedCrop {
    /// When ten tries gave no rectangle that fits: the largest central one whose aspect is in range.
    fn central(&self, (width, height): (u32, u32)) -> Region {
        let aspect = f64::from(width) / f64::from(height);
        let fit = |side: f64, most: u32| (side.round_ties_even() as u32).clamp(1, most);
        let (w, h) = if aspect < self.ratio.0 {
            (width, fit(f64::from(width) / self.ratio.0, height))
        } else if aspect > self.ratio.1 {
            (fit(f64::from(height) * self.ratio.1, width), height)
        } else {
            (width, height)
        };
        Region { left: (width - w) / 2, top: (height - h) / 2, width: w, height: h }
    }
}

impl ImagePolicy for RandomResizedCrop {
    fn draw(&self, size: (u32, u32), rng: &mut Rng) -> Numbers {
        for _ in 0..10 {
            let (width, height) = sides(size, self.scale, self.ratio, rng);
            if (1.0..=f64::from(size.0)).contains(&width) && (1.0..=f64::from(size.1)).contains(&height) {
                let (width, height) = (width as u32, height as u32);
                let top = rng.below(size.1 - height + 1);
                let left = rng.below(size.0 - width + 1);
                return Region { left, top, width, height }.numbers();
            }
        }
        self.central(size).numbers()
    }

    fn apply(&self, image: Image, draw: &Numbers) -> Result<Image> {
        let region = Region::read(SPEC.name, draw, &image)?;
        Ok(resample(&image, region, self.size, self.interpolation))
    }

    fn output(&self, _: Option<(u32, u32)>) -> Option<(u32, u32)> {
        Some(self.size)
    }
}
