//! A crop of fixed size that lies between the middle and the border.

use super::center_crop::start;
use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::region::{PaddingMode, crop_padded, invalid_draw};
use crate::schema::quantity::{Interval, Size, read};
use crate::{Build, Parsed, Result, Spec};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "center_to_border",
    summary: "a crop whose centre lies a uniform part of the distance from the middle to where the crop meets the border",
    source: "crops of one size as Gessert et al. 2020 (MethodsX 7:100864); the distribution, denser in the middle, is ours",
    parameters: &[
        ("size", "the model's input; from 1 to 16384, pixels", "n: a square; or [height, width]"),
        (
            "range",
            "[0, 1]; from 0 to 1",
            "the part of the distance: 0 is the centre crop, 1 touches the border; [low, high], or a number",
        ),
    ],
    example: "{ center_to_border: {} }",
    cost: "a copy of the part",
    spatial: true,
    build: Build::Image(build),
};

/// Draws (across, down), each in [−1, 1]: the crop starts at (1 + across) / 2 of the places from left to right.
///
/// (across, down) = distance · a point that is uniform on the border of the square [−1, 1]², the distance uniform in `range`. Along a side that is shorter than
/// the crop, the image lies in the middle of black.
struct CenterToBorder {
    /// (width, height)
    size: (u32, u32),
    range: Interval,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    size: Option<Size>,
    range: Option<Interval>,
}

fn build(value: &Value, model: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    let Parameters { size, range } = read(value, "size")?;
    let size = size.unwrap_or(Size::of(model)).square();
    Ok(Box::new(CenterToBorder { size, range: range.unwrap_or(Interval(0.0, 1.0)) }))
}

impl ImagePolicy for CenterToBorder {
    fn draw(&self, _: (u32, u32), rng: &mut Rng) -> Numbers {
        let distance = rng.uniform_in(self.range.0, self.range.1);
        let (along, side) = (rng.uniform_in(-1.0, 1.0), rng.below(4));
        let end = if side < 2 { -1.0 } else { 1.0 };
        let (across, down) = if side % 2 == 0 { (along, end) } else { (end, along) };
        vec![distance * across, distance * down]
    }

    fn apply(&self, image: Image, draw: &Numbers) -> Result<Image> {
        let place = |across: f64, image: u32, crop: u32| match i64::from(image) - i64::from(crop) {
            over if over > 0 => (over as f64 * (1.0 + across) / 2.0).round_ties_even() as i64,
            _ => start(image, crop),
        };
        match *draw.as_slice() {
            [across, down] if across.abs() <= 1.0 && down.abs() <= 1.0 => {
                let left = place(across, image.width, self.size.0);
                let top = place(down, image.height, self.size.1);
                Ok(crop_padded(image, left, top, self.size, PaddingMode::Zero))
            }
            _ => Err(invalid_draw(SPEC.name, "across and down from -1 to 1", draw, &image)),
        }
    }

    fn output(&self, _: Option<(u32, u32)>) -> Option<(u32, u32)> {
        Some(self.size)
    }
}
