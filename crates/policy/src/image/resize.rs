//! Resize, torchvision's.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::region::Region;
use crate::pixels::resample::{Interpolation, resample};
use crate::schema::quantity::{Size, read};
use crate::{Build, Parsed, Result, Spec};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "resize",
    summary: "resizes with antialias: the shorter side to a number of pixels, or both sides",
    source: "torchvision.transforms.v2.Resize; pixels as Pillow's Image.resize",
    parameters: &[
        (
            "size",
            "the model's input, both sides; from 1 to 16384, pixels",
            "n: the shorter side, keeping the aspect; or [height, width]",
        ),
        ("interpolation", "bilinear; bicubic, nearest", "the filter"),
    ],
    example: "{ resize: 256 }",
    cost: "two passes, along x and along y, each output pixel a sum over the input under it",
    spatial: true,
    build: Build::Image(build),
};

struct Resize {
    size: Size,
    interpolation: Interpolation,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    size: Option<Size>,
    #[serde(default)]
    interpolation: Interpolation,
}

fn build(value: &Value, model: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    let Parameters { size, interpolation } = read(value, "size")?;
    Ok(Box::new(Resize { size: size.unwrap_or(Size::of(model)), interpolation }))
}

impl Resize {
    /// torchvision's rule: the longer side is ⌊side · long / short⌋.
    fn target(&self, (width, height): (u32, u32)) -> (u32, u32) {
        let longer = |side: u32, long: u32, short: u32| {
            u32::try_from(u64::from(side) * u64::from(long) / u64::from(short)).unwrap_or(u32::MAX)
        };
        match self.size {
            Size::Both(width, height) => (width, height),
            Size::Side(side) if width <= height => (side, longer(side, height, width)),
            Size::Side(side) => (longer(side, width, height), side),
        }
    }
}

impl ImagePolicy for Resize {
    fn draw(&self, _: (u32, u32), _: &mut Rng) -> Numbers {
        Numbers::new()
    }

    fn apply(&self, image: Image, _: &Numbers) -> Result<Image> {
        let size = self.target((image.width, image.height));
        if size == (image.width, image.height) {
            return Ok(image);
        }
        let whole = Region { left: 0, top: 0, width: image.width, height: image.height };
        Ok(resample(&image, whole, size, self.interpolation))
    }

    fn output(&self, input: Option<(u32, u32)>) -> Option<(u32, u32)> {
        match self.size {
            Size::Both(width, height) => Some((width, height)),
            Size::Side(_) => input.map(|size| self.target(size)),
        }
    }

    fn random(&self) -> bool {
        false
    }
}
