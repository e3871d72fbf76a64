//! All levels, from black to white.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::colour::{apply_tables, histograms, table};
use crate::{Build, Parsed, Result, Spec, parameters};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "autocontrast",
    summary: "v → 255 · (v − darkest) / (brightest − darkest), cut to a byte; each channel by itself",
    source: "torchvision.transforms.v2.RandomAutocontrast with p = 1; pixels as Pillow's ImageOps.autocontrast",
    parameters: &[],
    example: "{ autocontrast: {}, p: 0.5 }",
    cost: "two passes: the levels, a look-up",
    spatial: true,
    build: Build::Image(build),
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Autocontrast {}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(parameters::<Autocontrast>(value)?))
}

impl ImagePolicy for Autocontrast {
    fn draw(&self, _: (u32, u32), _: &mut Rng) -> Numbers {
        Numbers::new()
    }

    fn apply(&self, mut image: Image, _: &Numbers) -> Result<Image> {
        autocontrast(&mut image);
        Ok(image)
    }

    fn random(&self) -> bool {
        false
    }
}

/// A channel of one level stays.
pub(crate) fn autocontrast(image: &mut Image) {
    let tables = histograms(image).map(|counts| {
        let darkest = counts.iter().position(|count| *count > 0).unwrap_or(0);
        let brightest = counts.iter().rposition(|count| *count > 0).unwrap_or(0);
        if brightest <= darkest {
            return table(|byte| byte);
        }
        let scale = 255.0 / (brightest - darkest) as f64;
        let offset = -(darkest as f64) * scale;
        table(|byte| (f64::from(byte) * scale + offset) as u8)
    });
    apply_tables(image, &tables);
}
