//! JPEG compression.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::jpeg_codec::compressed;
use crate::pixels::region::invalid_draw;
use crate::schema::quantity::{quantity, read};
use crate::{Build, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "jpeg",
    summary: "what is left of the image after JPEG compression of a quality drawn uniformly",
    source: "torchvision.transforms.v2.JPEG; pixels as libjpeg-turbo's (4:2:0, the slow integer transform, fancy upsampling)",
    parameters: &[("quality", "[30, 95]; from 1 to 100", "a whole number, or [low, high]: 100 is best")],
    example: "{ jpeg: [5, 30] }",
    cost: "two cosine transforms of every block of 8 × 8, three passes; nothing is encoded",
    spatial: true,
    build: Build::Image(build),
};

parameters! {
    /// Draws (quality).
    struct Jpeg {
        quality: Quality = Quality(30, 95),
    }
}

/// 1 ≤ low ≤ high ≤ 100; a number is both.
#[derive(Clone, Copy, Debug)]
struct Quality(u32, u32);

quantity!(Quality, "a whole number from 1 to 100, or [low, high] of such", |value| {
    let whole = |value: &Value| {
        value.as_u64().filter(|quality| (1..=100).contains(quality)).map(|quality| quality as u32)
    };
    match value.as_sequence().map(Vec::as_slice) {
        Some([low, high]) => Some(Quality(whole(low)?, whole(high)?)).filter(|range| range.0 <= range.1),
        _ => whole(value).map(|quality| Quality(quality, quality)),
    }
});

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(read::<Jpeg>(value, "quality")?))
}

impl ImagePolicy for Jpeg {
    fn draw(&self, _: (u32, u32), rng: &mut Rng) -> Numbers {
        let Quality(low, high) = self.quality;
        vec![f64::from(low + rng.below(high - low + 1))]
    }

    fn apply(&self, image: Image, draw: &Numbers) -> Result<Image> {
        match *draw.as_slice() {
            [quality] if (1.0..=100.0).contains(&quality) && quality.fract() == 0.0 => {
                Ok(compressed(&image, quality as u32))
            }
            _ => Err(invalid_draw(SPEC.name, "a quality from 1 to 100", draw, &image)),
        }
    }
}
