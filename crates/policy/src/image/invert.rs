//! The negative.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::{Build, Parsed, Result, Spec, parameters};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "invert",
    summary: "v → 255 − v",
    source: "torchvision.transforms.v2.RandomInvert with p = 1",
    parameters: &[],
    example: "{ invert: {}, p: 0.1 }",
    cost: "one pass, a look-up",
    spatial: true,
    build: Build::Image(build),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invert {}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(parameters::<Invert>(value)?))
}

impl ImagePolicy for Invert {
    fn draw(&self, _: (u32, u32), _: &mut Rng) -> Numbers {
        Numbers::new()
    }

    fn apply(&self, mut image: Image, _: &Numbers) -> Result<Image> {
        invert(&mut image);
        Ok(image)
    }

    fn random(&self) -> bool {
        false
    }
}

pub(crate) fn invert(image: &mut Image) {
    image.pixels.iter_mut().for_each(|byte| *byte = 255 - *byte);
}
