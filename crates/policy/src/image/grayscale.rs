//! The image without its colours.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::colour::grey;
use crate::{Build, Parsed, Result, Spec, parameters};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "grayscale",
    summary: "each pixel becomes its luma, 0.299 · red + 0.587 · green + 0.114 · blue, in all three channels",
    source: "torchvision.transforms.v2.Grayscale(3); pixels as Pillow's mode L",
    parameters: &[],
    example: "{ grayscale: {}, p: 0.2 }",
    cost: "one pass",
    spatial: true,
    build: Build::Image(build),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Grayscale {}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(parameters::<Grayscale>(value)?))
}

impl ImagePolicy for Grayscale {
    fn draw(&self, _: (u32, u32), _: &mut Rng) -> Numbers {
        Numbers::new()
    }

    fn apply(&self, mut image: Image, _: &Numbers) -> Result<Image> {
        grayscale(&mut image);
        Ok(image)
    }

    fn random(&self) -> bool {
        false
    }
}

fn grayscale(image: &mut Image) {
    image.pixels.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| *pixel = [grey(*pixel); 3]);
}
