//! The image as a tilted plane.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::affine_map::{Projection, project};
use crate::pixels::region::invalid_draw;
use crate::pixels::resample::Interpolation;
use crate::schema::quantity::{Colour, read};
use crate::{Build, Fraction, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "perspective",
    summary: "with probability p, each corner moves inwards by up to distortion_scale / 2 of the sides, and the image with them",
    source: "torchvision.transforms.v2.RandomPerspective; pixels as Pillow's Image.transform(PERSPECTIVE)",
    parameters: &[
        ("p", "0.5; from 0 to 1", "probability"),
        ("distortion_scale", "0.5; from 0 to 1", "how far a corner goes at most, over half of the side"),
        ("interpolation", "bilinear; bicubic, nearest", "the filter"),
        ("fill", "0; from 0 to 255", "what comes from outside: a byte, or [red, green, blue]"),
    ],
    example: "{ perspective: { distortion_scale: 0.5, p: 1 } }",
    cost: "one pass, two divisions and four pixels read for each (bilinear), sixteen with bicubic",
    spatial: true,
    build: Build::Image(build),
};

parameters! {
    /// Draws where the upper left, upper right, lower right and lower left corner go, (x, y) each in whole pixels; or nothing.
    struct Perspective {
        p: Fraction = Fraction(0.5),
        distortion_scale: Fraction = Fraction(0.5),
        interpolation: Interpolation = Interpolation::Bilinear,
        fill: Colour = Colour::default(),
    }
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(read::<Perspective>(value, "p")?))
}

impl ImagePolicy for Perspective {
    fn draw(&self, (width, height): (u32, u32), rng: &mut Rng) -> Numbers {
        if !rng.bernoulli(self.p.0) {
            return Numbers::new();
        }
        let mut inwards = |side: u32| {
            let most = self.distortion_scale.0 * f64::from(side / 2);
            f64::from(rng.below(most as u32 + 1))
        };
        let (right, bottom) = (f64::from(width - 1), f64::from(height - 1));
        let corners = [(0.0, 0.0), (right, 0.0), (right, bottom), (0.0, bottom)];
        let mut moved = |at: f64, side: u32| (at - inwards(side)).abs(); // from 0 it goes up, from the end down
        corners.into_iter().flat_map(|(x, y)| [moved(x, width), moved(y, height)]).collect()
    }

    /// Where the corners allow no projection (an image of one row or column, three corners on a line), it stays. Corners that do not
    /// move give the image itself, where rounding in torchvision loses up to a level.
    fn apply(&self, image: Image, draw: &Numbers) -> Result<Image> {
        if draw.is_empty() {
            return Ok(image);
        }
        let Ok(corners) = <[f64; 8]>::try_from(draw.as_slice()) else {
            return Err(invalid_draw(SPEC.name, "x, y of four corners", draw, &image));
        };
        Ok(match projection((image.width, image.height), corners) {
            Some(projection) => project(&image, &projection, self.interpolation, self.fill.0),
            None => image,
        })
    }
}

/// From the moved corners back to those of the image, (a·x + b·y + c, d·x + e·y + f) / (g·x + h·y + 1), in single precision as
/// torchvision has it.
fn projection((width, height): (u32, u32), moved: [f64; 8]) -> Option<Projection> {
    let (right, bottom) = (f64::from(width) - 1.0, f64::from(height) - 1.0);
    let corners = [(0.0, 0.0), (right, 0.0), (right, bottom), (0.0, bottom)];
    let mut rows = [[0.0; 9]; 8];
    for (i, (&[x, y], (u, v))) in moved.as_chunks::<2>().0.iter().zip(corners).enumerate() {
        rows[2 * i] = [x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u];
        rows[2 * i + 1] = [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v];
    }
    solved(rows).map(|solution| solution.map(|number| f64::from(number as f32)))
}

/// Gauss and Jordan's elimination of eight equations with their right side, the largest pivot first; `None` if they are
/// dependent.
fn solved(mut rows: [[f64; 9]; 8]) -> Option<[f64; 8]> {
    for column in 0..8 {
        let largest = (column..8).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
        rows.swap(column, largest);
        let pivot = rows[column];
        if pivot[column].abs() < 1e-9 {
            return None;
        }
        for (_, row) in rows.iter_mut().enumerate().filter(|(i, _)| *i != column) {
            let factor = row[column] / pivot[column];
            row.iter_mut().zip(pivot).for_each(|(number, pivot)| *number -= factor * pivot);
        }
    }
    Some(std::array::from_fn(|i| rows[i][8] / rows[i][i]))
}
