//! The middle of an image.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::region::{PaddingMode, crop_padded};
use crate::schema::quantity::{Size, read};
use crate::{Build, Parsed, Result, Spec};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "center_crop",
    summary: "the middle of the image; black around it where the image is smaller",
    source: "torchvision.transforms.v2.CenterCrop",
    parameters: &[("size", "the model's input; from 1 to 16384, pixels", "n: a square; or [height, width]")],
    example: "{ center_crop: {} }",
    cost: "a copy of the part",
    spatial: true,
    build: Build::Image(build),
};

struct CenterCrop {
    /// (width, height)
    size: (u32, u32),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    size: Option<Size>,
}

fn build(value: &Value, model: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    let Parameters { size } = read(value, "size")?;
    Ok(Box::new(CenterCrop { size: size.unwrap_or(Size::of(model)).square() }))
}

impl ImagePolicy for CenterCrop {
    fn draw(&self, _: (u32, u32), _: &mut Rng) -> Numbers {
        Numbers::new()
    }

    fn apply(&self, image: Image, _: &Numbers) -> Result<Image> {
        let (left, top) = (start(image.width, self.size.0), start(image.height, self.size.1));
        Ok(crop_padded(image, left, top, self.size, PaddingMode::Zero))
    }

    fn output(&self, _: Option<(u32, u32)>) -> Option<(u32, u32)> {
        Some(self.size)
    }

    fn random(&self) -> bool {
        false
    }
}

/// Where the crop starts: half of what is left over, to even on a tie (Python's `round`); of what is missing, the lower
/// half goes first, as torchvision pads.
pub(crate) fn start(image: u32, crop: u32) -> i64 {
    match i64::from(image) - i64::from(crop) {
        over if over >= 0 => (over as f64 / 2.0).round_ties_even() as i64,
        missing => -(-missing / 2),
    }
}
