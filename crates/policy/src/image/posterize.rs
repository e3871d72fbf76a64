//! Fewer levels.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::colour::{apply_table, table};
use crate::schema::quantity::{Bits, read};
use crate::{Build, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "posterize",
    summary: "keeps the upper bits of each byte; the others become 0",
    source: "torchvision.transforms.v2.RandomPosterize with p = 1; Pillow's ImageOps.posterize",
    parameters: &[("bits", "4; from 1 to 8", "how many are kept")],
    example: "{ posterize: 3, p: 0.5 }",
    cost: "one pass, a look-up",
    spatial: true,
    build: Build::Image(build),
};

parameters! {
    struct Posterize {
        bits: Bits = Bits(4),
    }
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(read::<Posterize>(value, "bits")?))
}

impl ImagePolicy for Posterize {
    fn draw(&self, _: (u32, u32), _: &mut Rng) -> Numbers {
        Numbers::new()
    }

    fn apply(&self, mut image: Image, _: &Numbers) -> Result<Image> {
        posterize(&mut image, self.bits.0);
        Ok(image)
    }

    fn random(&self) -> bool {
        false
    }
}

pub(crate) fn posterize(image: &mut Image, bits: u32) {
    apply_table(image, &table(|byte| byte & !(0xff_u32 >> bits) as u8));
}
