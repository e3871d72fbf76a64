//! Mirror images.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::schema::quantity::{choice, read};
use crate::{Build, Fraction, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "flip",
    summary: "mirrors the image with probability p",
    source: "torchvision.transforms.v2.RandomHorizontalFlip, RandomVerticalFlip",
    parameters: &[
        (
            "axis",
            "horizontal; vertical",
            "horizontal: left and right change places; vertical: top and bottom",
        ),
        ("p", "0.5; from 0 to 1", "probability"),
    ],
    example: "{ flip: { axis: vertical } }",
    cost: "one pass, in the half of the images",
    spatial: true,
    build: Build::Image(build),
};

parameters! {
    /// Draws (1) to flip, (0) not to.
    struct Flip {
        axis: Axis = Axis::Horizontal,
        p: Fraction = Fraction(0.5),
    }
}

choice! {
    /// What changes places: left and right, or top and bottom.
    enum Axis {
        Horizontal = "horizontal",
        Vertical = "vertical",
    }
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(read::<Flip>(value, "axis")?))
}

impl ImagePolicy for Flip {
    fn draw(&self, _: (u32, u32), rng: &mut Rng) -> Numbers {
        vec![f64::from(u8::from(rng.bernoulli(self.p.0)))]
    }

    fn apply(&self, mut image: Image, draw: &Numbers) -> Result<Image> {
        if draw.first().is_some_and(|&flip| flip != 0.0) {
            let row = image.width as usize * 3;
            match self.axis {
                Axis::Horizontal => image.pixels.chunks_exact_mut(row).for_each(mirror),
                Axis::Vertical => {
                    let (upper, lower) = image.pixels.split_at_mut(image.height as usize / 2 * row);
                    let lower = lower.chunks_exact_mut(row).rev();
                    upper.chunks_exact_mut(row).zip(lower).for_each(|(a, b)| a.swap_with_slice(b));
                }
            }
        }
        Ok(image)
    }
}

/// The pixels of a row in the opposite order.
fn mirror(row: &mut [u8]) {
    let (pixels, _) = row.as_chunks_mut::<3>();
    pixels.reverse();
}
