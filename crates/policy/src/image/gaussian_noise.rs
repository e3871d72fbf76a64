//! Gaussian noise.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::region::invalid_draw;
use crate::schema::quantity::{Deviation, Offset, read};
use crate::{Build, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "gaussian_noise",
    summary: "v + 255 · (mean + σ · z), z normal and new for each byte; the noise is cut to a whole number, the sum to a byte",
    source: "torchvision.transforms.v2.GaussianNoise on bytes",
    parameters: &[
        ("sigma", "0.1; from 0 to 10, over the range of levels", "standard deviation"),
        ("mean", "0; from −1 to 1, over the range of levels", "mean"),
    ],
    example: "{ gaussian_noise: 0.05 }",
    cost: "one pass, a normal number for each byte",
    spatial: true,
    build: Build::Image(build),
};

parameters! {
    /// Draws z for each byte, in the order of the pixels.
    struct GaussianNoise {
        sigma: Deviation = Deviation(0.1),
        mean: Offset = Offset(0.0),
    }
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(read::<GaussianNoise>(value, "sigma")?))
}

impl ImagePolicy for GaussianNoise {
    fn draw(&self, size: (u32, u32), rng: &mut Rng) -> Numbers {
        (0..size.0 as usize * size.1 as usize * 3).map(|_| rng.normal()).collect()
    }

    fn apply(&self, mut image: Image, draw: &Numbers) -> Result<Image> {
        if draw.len() != image.pixels.len() {
            let draw = &draw[..draw.len().min(4)];
            return Err(invalid_draw(SPEC.name, "a number for each byte", draw, &image));
        }
        let (mean, sigma) = ((self.mean.0 * 255.0) as f32, (self.sigma.0 * 255.0) as f32);
        for (byte, z) in image.pixels.iter_mut().zip(draw) {
            let noise = (mean + *z as f32 * sigma) as i32; // towards 0, as torch converts
            *byte = (i32::from(*byte).saturating_add(noise)).clamp(0, 255) as u8;
        }
        Ok(image)
    }
}
