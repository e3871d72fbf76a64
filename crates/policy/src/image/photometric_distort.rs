//! Photometric distortion.

use super::channel_permutation::{self, permute};
use super::color_jitter::{BRIGHTNESS, CONTRAST, HUE, SATURATION, adjust};
use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::region::invalid_draw;
use crate::schema::quantity::{Factors, Hues};
use crate::{Build, Fraction, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "photometric_distort",
    summary: "brightness, contrast, saturation, hue and the order of the channels, each changed with probability p; contrast \
              stands before saturation and hue or after them",
    source: "Liu et al. 2016, SSD (arXiv:1512.02325); torchvision.transforms.v2.RandomPhotometricDistort; pixels as Pillow's",
    parameters: &[
        ("p", "0.5; from 0 to 1", "probability of each of the five"),
        (
            "brightness",
            "[0.875, 1.125]; from 0 to 100",
            "d: a factor from max(0, 1 − d) to 1 + d; or [low, high]",
        ),
        ("contrast", "[0.5, 1.5]; from 0 to 100", "likewise, about the mean grey"),
        ("saturation", "[0.5, 1.5]; from 0 to 100", "likewise, about the grey image"),
        ("hue", "0.05; from −0.5 to 0.5", "d: a shift from −d to d of the colour circle; or [low, high]"),
    ],
    example: "{ photometric_distort: { p: 0.5 } }",
    cost: "one pass for each of the five that happens, two for contrast",
    spatial: true,
    build: Build::Image(build),
};

parameters! {
    /// Draws (which, factor) of each adjustment that happens, in the order of application, as color_jitter does; 4 is a
    /// permutation of the channels, by its number.
    struct PhotometricDistort {
        p: Fraction = Fraction(0.5),
        brightness: Factors = Factors(0.875, 1.125),
        contrast: Factors = Factors(0.5, 1.5),
        saturation: Factors = Factors(0.5, 1.5),
        hue: Hues = Hues(-0.05, 0.05),
    }
}

const PERMUTATION: usize = 4;

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(parameters::<PhotometricDistort>(value)?))
}

impl ImagePolicy for PhotometricDistort {
    fn draw(&self, _: (u32, u32), rng: &mut Rng) -> Numbers {
        let mut one = |which: usize, low: f64, high: f64| {
            rng.bernoulli(self.p.0).then(|| [which as f64, rng.uniform_in(low, high)])
        };
        let brightness = one(BRIGHTNESS, self.brightness.0, self.brightness.1);
        let contrast = one(CONTRAST, self.contrast.0, self.contrast.1);
        let saturation = one(SATURATION, self.saturation.0, self.saturation.1);
        let hue = one(HUE, self.hue.0, self.hue.1);
        let (before, after) = if rng.bernoulli(0.5) { (contrast, None) } else { (None, contrast) };
        let order = rng.bernoulli(self.p.0).then(|| [PERMUTATION as f64, channel_permutation::draw(rng)]);
        [brightness, before, saturation, hue, after, order].into_iter().flatten().flatten().collect()
    }

    fn apply(&self, mut image: Image, draw: &Numbers) -> Result<Image> {
        let (adjustments, rest) = draw.as_chunks::<2>();
        let done = |&[which, factor]: &[f64; 2]| {
            if which == PERMUTATION as f64 {
                permute(&mut image, factor)
            } else {
                adjust(&mut image, which, factor)
            }
        };
        if rest.is_empty() && adjustments.iter().all(done) {
            return Ok(image);
        }
        Err(invalid_draw(SPEC.name, "pairs of adjustment (0 to 4) and factor or order", draw, &image))
    }
}
