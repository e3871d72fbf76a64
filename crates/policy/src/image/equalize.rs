//! Equal shares of all levels.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::colour::{apply_tables, histograms, table};
use crate::{Build, Parsed, Result, Spec, parameters};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "equalize",
    summary: "v → ⌊(step / 2 + pixels below v) / step⌋, step a 255th of the pixels below the brightest level; each channel by itself",
    source: "torchvision.transforms.v2.RandomEqualize with p = 1; pixels as Pillow's ImageOps.equalize",
    parameters: &[],
    example: "{ equalize: {}, p: 0.5 }",
    cost: "two passes: the levels, a look-up",
    spatial: true,
    build: Build::Image(build),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Equalize {}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(parameters::<Equalize>(value)?))
}

impl ImagePolicy for Equalize {
    fn draw(&self, _: (u32, u32), _: &mut Rng) -> Numbers {
        Numbers::new()
    }

    fn apply(&self, mut image: Image, _: &Numbers) -> Result<Image> {
        equalize(&mut image);
        Ok(image)
    }

    fn random(&self) -> bool {
        false
    }
}

/// A channel of one level, or of too few pixels for a step, stays.
pub(crate) fn equalize(image: &mut Image) {
    let tables = histograms(image).map(|counts| {
        let brightest = counts.iter().rev().find(|count| **count > 0).copied().unwrap_or(0);
        let step = (counts.iter().sum::<u32>() - brightest) / 255;
        if step == 0 {
            return table(|byte| byte);
        }
        let mut below = step / 2;
        counts.map(|count| {
            let level = (below / step).min(255) as u8;
            below += count;
            level
        })
    });
    apply_tables(image, &tables);
}
