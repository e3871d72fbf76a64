//! Sharpening and smoothing.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::colour::mix;
use crate::pixels::region::invalid_draw;
use crate::schema::quantity::{Factors, read};
use crate::{Build, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "sharpness",
    summary: "smooth + factor · (image − smooth), the factor uniform: 0 smooths, 1 changes nothing, 2 sharpens",
    source: "torchvision.transforms.v2.RandomAdjustSharpness; pixels as Pillow's ImageEnhance.Sharpness",
    parameters: &[(
        "factor",
        "[0, 2]; from 0 to 100",
        "d: from max(0, 1 − d) to 1 + d; or [low, high]; torchvision's fixed factor is [f, f]",
    )],
    example: "{ sharpness: [0.2, 3] }",
    cost: "one pass, nine pixels read for each",
    spatial: true,
    build: Build::Image(build),
};

parameters! {
    /// Draws (factor).
    struct Sharpness {
        factor: Factors = Factors(0.0, 2.0),
    }
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(read::<Sharpness>(value, "factor")?))
}

impl ImagePolicy for Sharpness {
    fn draw(&self, _: (u32, u32), rng: &mut Rng) -> Numbers {
        vec![rng.uniform_in(self.factor.0, self.factor.1)]
    }

    fn apply(&self, mut image: Image, draw: &Numbers) -> Result<Image> {
        let [factor] = *draw.as_slice() else {
            return Err(invalid_draw(SPEC.name, "one factor", draw, &image));
        };
        sharpness(&mut image, factor);
        Ok(image)
    }
}

/// Blends each pixel with (its eight neighbours + 5 · itself) / 13, rounded. The outermost pixels stay.
pub(crate) fn sharpness(image: &mut Image, factor: f64) {
    let stride = image.width as usize * 3;
    if image.width < 3 || image.height < 3 {
        return;
    }
    let (mut above, mut here) = (Vec::new(), image.pixels[..stride].to_vec());
    let mut sums = vec![0; stride];
    for y in 1..image.height as usize - 1 {
        above = std::mem::replace(&mut here, above);
        here.clear();
        here.extend_from_slice(&image.pixels[y * stride..(y + 1) * stride]);
        let (row, below) = image.pixels[y * stride..(y + 2) * stride].split_at_mut(stride);
        for (sum, ((a, b), c)) in sums.iter_mut().zip(above.iter().zip(&here).zip(&*below)) {
            *sum = u32::from(*a) + u32::from(*b) + u32::from(*c);
        }
        for i in 3..stride - 3 {
            let sum = sums[i - 3] + sums[i] + sums[i + 3] + 4 * u32::from(here[i]);
            let smooth = ((2 * sum + 13) / 26) as u8; // a thirteenth is never a tie
            row[i] = mix(smooth, here[i], factor as f32);
        }
    }
}
