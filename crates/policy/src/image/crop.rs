//! A random crop of fixed size.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::region::{PaddingMode, crop_padded, invalid_draw};
use crate::schema::quantity::{Pixels, Size, read};
use crate::{Build, Parsed, Result, Spec};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "crop",
    summary: "a crop at a random place of the padded image",
    source: "torchvision.transforms.v2.RandomCrop(padding, pad_if_needed=True)",
    parameters: &[
        ("size", "the model's input; from 1 to 16384, pixels", "n: a square; or [height, width]"),
        ("padding", "0; from 0 to 16384, pixels", "on each side"),
        ("mode", "zero; reflect", "what the padding shows: black, or the image mirrored"),
    ],
    example: "{ crop: { padding: 8, mode: reflect } }",
    cost: "a copy of the part",
    spatial: true,
    build: Build::Image(build),
};

/// Draws (left, top) of the crop relative to the image without padding.
struct Crop {
    /// (width, height)
    size: (u32, u32),
    padding: u32,
    padding_mode: PaddingMode,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    size: Option<Size>,
    #[serde(default)]
    padding: Pixels,
    #[serde(default)]
    mode: PaddingMode,
}

fn build(value: &Value, model: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    let Parameters { size, padding, mode } = read(value, "size")?;
    Ok(Box::new(Crop {
        size: size.unwrap_or(Size::of(model)).square(),
        padding: padding.0,
        padding_mode: mode,
    }))
}

impl Crop {
    /// (first, last) place of the crop along one side. A padded image that is still too small is padded on both sides by
    /// all that is missing, so that it can lie anywhere in the crop.
    fn places(&self, image: u32, crop: u32) -> (i64, i64) {
        let padded = i64::from(image) + 2 * i64::from(self.padding);
        let missing = (i64::from(crop) - padded).max(0);
        let first = -i64::from(self.padding) - missing;
        (first, first + padded + 2 * missing - i64::from(crop))
    }
}

impl ImagePolicy for Crop {
    fn draw(&self, size: (u32, u32), rng: &mut Rng) -> Numbers {
        let mut place = |image: u32, crop: u32| {
            let (first, last) = self.places(image, crop);
            (first + i64::from(rng.below((last - first) as u32 + 1))) as f64
        };
        let top = place(size.1, self.size.1);
        vec![place(size.0, self.size.0), top]
    }

    fn apply(&self, image: Image, draw: &Numbers) -> Result<Image> {
        let inside = |at: f64, image: u32, crop: u32| {
            let (first, last) = self.places(image, crop);
            (first as f64..=last as f64).contains(&at)
        };
        match *draw.as_slice() {
            [left, top]
                if inside(left, image.width, self.size.0) && inside(top, image.height, self.size.1) =>
            {
                Ok(crop_padded(image, left as i64, top as i64, self.size, self.padding_mode))
            }
            _ => Err(invalid_draw(SPEC.name, "left, top inside the padded image", draw, &image)),
        }
    }

    fn output(&self, _: Option<(u32, u32)>) -> Option<(u32, u32)> {
        Some(self.size)
    }
}
