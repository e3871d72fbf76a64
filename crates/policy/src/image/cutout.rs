//! Cutout.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::region::{Region, invalid_draw, paint};
use crate::schema::quantity::{Count, Size, read};
use crate::{Build, Parsed, Result, Spec};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "cutout",
    summary: "black rectangles whose centres are uniform over the image, clipped at its border",
    source: "DeVries & Taylor 2017 (arXiv:1708.04552); wxitxy/synermix utils/cutout.py",
    parameters: &[
        (
            "size",
            "half the shorter side of the model's input; from 1 to 16384, pixels",
            "n: a square; or [height, width]",
        ),
        ("holes", "1; from 1 to 1000", "how many"),
    ],
    example: "{ cutout: { size: 48, holes: 1 } }",
    cost: "the pixels of the holes",
    spatial: true,
    build: Build::Image(build),
};

/// Draws (x, y) of the centre of each hole.
///
/// An odd side is cut whole; the authors' code, with ⌊side / 2⌋ on both sides, makes it one pixel smaller.
struct Cutout {
    /// (width, height)
    size: (u32, u32),
    holes: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    size: Option<Size>,
    holes: Option<Count>,
}

fn build(value: &Value, model: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    let Parameters { size, holes } = read(value, "size")?;
    // 16 of the 32 pixels of CIFAR-10: the paper's choice there.
    let half = (model.size.0.min(model.size.1) / 2).max(1);
    let size = size.unwrap_or(Size::Side(half)).square();
    Ok(Box::new(Cutout { size, holes: holes.map_or(1, |holes| holes.0) }))
}

impl ImagePolicy for Cutout {
    fn draw(&self, size: (u32, u32), rng: &mut Rng) -> Numbers {
        let mut centre = || {
            let y = f64::from(rng.below(size.1));
            [f64::from(rng.below(size.0)), y]
        };
        (0..self.holes).flat_map(|_| centre()).collect()
    }

    fn apply(&self, mut image: Image, draw: &Numbers) -> Result<Image> {
        let fits = |centre: &[f64]| {
            (0.0..f64::from(image.width)).contains(&centre[0])
                && (0.0..f64::from(image.height)).contains(&centre[1])
        };
        if !draw.len().is_multiple_of(2) || !draw.chunks_exact(2).all(fits) {
            return Err(invalid_draw(SPEC.name, "centres x, y inside the image", draw, &image));
        }
        for centre in draw.chunks_exact(2) {
            let (left, width) = clip(centre[0] as u32, self.size.0, image.width);
            let (top, height) = clip(centre[1] as u32, self.size.1, image.height);
            paint(&mut image, Region { left, top, width, height }, [0; 3]);
        }
        Ok(image)
    }
}

/// (start, length) of what is inside the image: from `centre − ⌊side / 2⌋`, `side` pixels.
fn clip(centre: u32, side: u32, image: u32) -> (u32, u32) {
    let start = i64::from(centre) - i64::from(side / 2);
    let end = (start + i64::from(side)).min(i64::from(image));
    (start.max(0) as u32, (end - start.max(0)) as u32)
}
