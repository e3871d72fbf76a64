//! Random erasing.

use super::random_resized_crop::sides;
use super::{ImagePolicy, ModelInput, Numbers};
use crate::quantity::{Colour, Ratio, Scale, read};
use crate::region::{Region, paint};
use crate::{Build, Fraction, Parsed, Result, Spec};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "random_erasing",
    summary: "with probability p, a rectangle of random area and aspect is painted in the mean colour",
    source: "Zhong et al. 2017 (arXiv:1708.04896); torchvision.transforms.v2.RandomErasing",
    parameters: &[
        ("p", "0.5; in [0, 1]", "probability"),
        ("scale", "[0.02, 0.33]; in (0, 1]", "area of the rectangle over that of the image: uniform"),
        ("ratio", "[0.3, 3.3]; positive", "height over width: uniform in its logarithm"),
        ("fill", "the model's mean", "a byte, or [red, green, blue]"),
    ],
    example: "{ random_erasing: { scale: [0.02, 0.2] } }",
    cost: "the pixels of the rectangle",
    spatial: true,
    build: Build::Image(build),
};

/// Draws (left, top, width, height), or nothing to leave the image as it is.
///
/// The mean as a byte is 0 after normalisation up to half a level (0.5 / 255 / std ≈ 0.009): torchvision's `value=0`.
struct RandomErasing {
    p: f64,
    scale: Scale,
    ratio: Ratio,
    fill: [u8; 3],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    p: Option<Fraction>,
    scale: Option<Scale>,
    ratio: Option<Ratio>,
    fill: Option<Colour>,
}

fn build(value: &Value, model: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    let Parameters { p, scale, ratio, fill } = read(value, "p")?;
    Ok(Box::new(RandomErasing {
        p: p.map_or(0.5, |p| p.0),
        scale: scale.unwrap_or(Scale(0.02, 0.33)),
        ratio: ratio.unwrap_or(Ratio(0.3, 3.3)),
        fill: fill.map_or(model.mean_bytes(), |fill| fill.0),
    }))
}

impl ImagePolicy for RandomErasing {
    fn draw(&self, size: (u32, u32), rng: &mut Rng) -> Numbers {
        let tries = if rng.bernoulli(self.p) { 10 } else { 0 };
        for _ in 0..tries {
            let (height, width) = sides(size, self.scale, self.ratio, rng);
            // torchvision erases no rectangle that is as wide or as high as the image.
            if height < f64::from(size.1) && width < f64::from(size.0) {
                let (width, height) = (width as u32, height as u32);
                let top = rng.below(size.1 - height + 1);
                let left = rng.below(size.0 - width + 1);
                return if width * height > 0 {
                    Region { left, top, width, height }.numbers()
                } else {
                    Numbers::new()
                };
            }
        }
        Numbers::new()
    }

    fn apply(&self, mut image: Image, draw: &Numbers) -> Result<Image> {
        if !draw.is_empty() {
            let region = Region::read(SPEC.name, draw, &image)?;
            paint(&mut image, region, self.fill);
        }
        Ok(image)
    }
}
