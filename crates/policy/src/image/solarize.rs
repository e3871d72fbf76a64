//! The negative of what is bright.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::colour::{apply_table, table};
use crate::schema::quantity::{Byte, read};
use crate::{Build, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "solarize",
    summary: "v → 255 − v where v ≥ threshold",
    source: "torchvision.transforms.v2.RandomSolarize with p = 1; Pillow's ImageOps.solarize",
    parameters: &[("threshold", "128; from 0 to 255", "the darkest level that is inverted")],
    example: "{ solarize: 128, p: 0.2 }",
    cost: "one pass, a look-up",
    spatial: true,
    build: Build::Image(build),
};

parameters! {
    struct Solarize {
        threshold: Byte = Byte(128),
    }
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(read::<Solarize>(value, "threshold")?))
}

impl ImagePolicy for Solarize {
    fn draw(&self, _: (u32, u32), _: &mut Rng) -> Numbers {
        Numbers::new()
    }

    fn apply(&self, mut image: Image, _: &Numbers) -> Result<Image> {
        solarize(&mut image, self.threshold.0.into());
        Ok(image)
    }

    fn random(&self) -> bool {
        false
    }
}

pub(crate) fn solarize(image: &mut Image, threshold: f64) {
    apply_table(image, &table(|byte| if f64::from(byte) < threshold { byte } else { 255 - byte }));
}
