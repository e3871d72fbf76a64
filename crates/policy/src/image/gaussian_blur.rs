//! Gaussian blur.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::gaussian::{blur, weights};
use crate::pixels::region::invalid_draw;
use crate::schema::quantity::{BlurDeviations, OddSize, read};
use crate::{Build, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "gaussian_blur",
    summary: "convolves with a Gaussian of uniform σ, cut off at the kernel's border; the image is mirrored around itself",
    source: "torchvision.transforms.v2.GaussianBlur; defaults: Chen et al. 2020 (arXiv:2002.05709, a tenth of 224 pixels)",
    parameters: &[
        ("sigma", "[0.1, 2]; from 0.01 to 200, pixels", "standard deviation: [low, high], or a number"),
        ("kernel_size", "23; from 1 to 999, odd, pixels", "side of the kernel"),
    ],
    example: "{ gaussian_blur: { sigma: [0.1, 2], kernel_size: 23 }, p: 0.5 }",
    cost: "two passes, along x and along y, kernel_size pixels read for each",
    spatial: true,
    build: Build::Image(build),
};

parameters! {
    /// Draws (σ).
    struct GaussianBlur {
        sigma: BlurDeviations = BlurDeviations(0.1, 2.0),
        kernel_size: OddSize = OddSize(23),
    }
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(read::<GaussianBlur>(value, "sigma")?))
}

impl ImagePolicy for GaussianBlur {
    fn draw(&self, _: (u32, u32), rng: &mut Rng) -> Numbers {
        vec![rng.uniform_in(self.sigma.0, self.sigma.1)]
    }

    /// Within 1 of 255 of torchvision, which sums the two-dimensional kernel at once and so rounds otherwise.
    fn apply(&self, mut image: Image, draw: &Numbers) -> Result<Image> {
        let sigma = match *draw.as_slice() {
            [sigma] if sigma > 0.0 => sigma,
            _ => return Err(invalid_draw(SPEC.name, "one positive σ", draw, &image)),
        };
        let values: Vec<f32> = image.pixels.iter().map(|byte| f32::from(*byte)).collect();
        let blurred = blur::<3>(&values, (image.width, image.height), &weights(self.kernel_size.0, sigma));
        image.pixels.iter_mut().zip(blurred).for_each(|(byte, value)| *byte = value.round_ties_even() as u8);
        Ok(image)
    }
}
