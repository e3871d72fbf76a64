//! Elastic deformation.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::gaussian::{blur, weights};
use crate::pixels::region::invalid_draw;
use crate::schema::quantity::{BlurDeviation, Colour, Strength, read};
use crate::{Build, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "elastic",
    summary: "each pixel is seen at a place α / 2 · G_σ ∗ u away, u uniform in [−1, 1] for each pixel and direction; bilinear",
    source: "Simard et al. 2003 (ICDAR); torchvision.transforms.v2.ElasticTransform",
    parameters: &[
        (
            "alpha",
            "50; from 0 to 10000, pixels",
            "strength: twice what a shift of 1 in the blurred field moves",
        ),
        (
            "sigma",
            "5; from 0.01 to 200, pixels",
            "standard deviation of the Gaussian; its kernel has 8σ + 1 pixels, made odd",
        ),
        ("fill", "0; from 0 to 255", "what comes from outside: a byte, or [red, green, blue]"),
    ],
    example: "{ elastic: { alpha: 250, sigma: 8 } }",
    cost: "two random numbers for each pixel, two fields blurred by 8σ + 1 taps along x and along y, one pass with four pixels read for each",
    spatial: true,
    build: Build::Image(build),
};

parameters! {
    /// Draws u along x for each pixel, then along y.
    ///
    /// A pixel that is seen partly outside is blended with `fill` by the part outside. torchvision, if it is given a fill (0
    /// is one), weighs the part inside twice, so that such pixels are nearer to the fill there.
    struct Elastic {
        alpha: Strength = Strength(50.0),
        sigma: BlurDeviation = BlurDeviation(5.0),
        fill: Colour = Colour::default(),
    }
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(read::<Elastic>(value, "alpha")?))
}

impl ImagePolicy for Elastic {
    fn draw(&self, size: (u32, u32), rng: &mut Rng) -> Numbers {
        (0..size.0 as usize * size.1 as usize * 2).map(|_| rng.uniform_in(-1.0, 1.0)).collect()
    }

    /// Within 1 of 255 of torchvision without a fill: its places have single precision on [−1, 1].
    fn apply(&self, image: Image, draw: &Numbers) -> Result<Image> {
        let area = image.pixels.len() / 3;
        if draw.len() != area * 2 {
            let draw = &draw[..draw.len().min(4)];
            return Err(invalid_draw(SPEC.name, "two numbers for each pixel", draw, &image));
        }
        let (along_x, along_y) = draw.split_at(area);
        let field: Vec<f32> = along_x.iter().zip(along_y).flat_map(|(x, y)| [*x as f32, *y as f32]).collect();
        let kernel = weights((8.0 * self.sigma.0 + 1.0) as u32 | 1, self.sigma.0);
        let shifts = blur::<2>(&field, (image.width, image.height), &kernel);
        let reach = (self.alpha.0 / 2.0) as f32;
        let mut pixels = Vec::with_capacity(image.pixels.len());
        for (row, y) in shifts.chunks_exact(image.width as usize * 2).zip(0..) {
            for ([dx, dy], x) in row.as_chunks::<2>().0.iter().zip(0..) {
                pixels.extend(self.seen(&image, x as f32 + dx * reach, y as f32 + dy * reach));
            }
        }
        Ok(Image { pixels, ..image })
    }
}

impl Elastic {
    /// The four pixels about a place in pixels from the centre of the first, blended.
    fn seen(&self, image: &Image, x: f32, y: f32) -> [u8; 3] {
        let (width, height) = (image.width as i64, image.height as i64);
        let pixels = image.pixels.as_chunks::<3>().0;
        let (left, top) = (x.floor(), y.floor());
        let (dx, dy) = (x - left, y - top);
        let pixel = |right: i64, below: i64| {
            let (x, y) = (left as i64 + right, top as i64 + below);
            let inside = (0..width).contains(&x) && (0..height).contains(&y);
            if inside { pixels[(y * width + x) as usize] } else { self.fill.0 }
        };
        let corners = [pixel(0, 0), pixel(1, 0), pixel(0, 1), pixel(1, 1)];
        let shares = [(1.0 - dx) * (1.0 - dy), dx * (1.0 - dy), (1.0 - dx) * dy, dx * dy];
        std::array::from_fn(|c| {
            let blended: f32 =
                corners.iter().zip(shares).map(|(pixel, share)| share * f32::from(pixel[c])).sum();
            blended.round_ties_even() as u8
        })
    }
}
