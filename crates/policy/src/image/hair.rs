//! Hairs over the skin.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::region::invalid_draw;
use crate::pixels::stroke::{Point, between, stroke};
use crate::schema::quantity::{Colour, Counts, Degrees, Interval, Scale, read};
use crate::{Build, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "hair",
    summary: "draws hairs: curves of random place, direction, bend, width and colour, at the tip half as wide as at the root",
    source: "the idea of Mirzaalian, Lee, Hamarneh, IEEE Transactions on Image Processing 23(12):5486 (2014), who test hair removal on simulated hairs; the curves and their distributions are ours",
    parameters: &[
        ("number", "[1, 15]; from 0 to 1000", "how many: uniform in [low, high]; or a number"),
        (
            "width",
            "[0.003, 0.01]; from 0.001 to 1",
            "width at the root over the shorter side of the image: uniform",
        ),
        ("length", "[0.3, 1]; from 0.001 to 1", "length over the shorter side: uniform"),
        (
            "bend",
            "45; from −360 to 360",
            "degrees that each half turns: d: from −d to d; or [low, high]; uniform",
        ),
        (
            "dark",
            "[20, 14, 12]; from 0 to 255",
            "the darkest colour; each hair is a uniform mixture of the two",
        ),
        ("light", "[110, 80, 60]; from 0 to 255", "the lightest colour"),
        ("opacity", "[0.6, 0.95]; from 0 to 1", "1 hides the skin: uniform"),
    ],
    example: "{ hair: { number: [3, 15] }, p: 0.5 }",
    cost: "the pixels of the hairs",
    spatial: true,
    build: Build::Image(build),
};

parameters! {
    /// Draws for each hair (x and y of the root, direction, length, bend of the first half, of the second, width, shade from
    /// dark, 0, to light, 1, opacity): pixels and degrees.
    struct Hair {
        number: Counts = Counts(1, 15),
        width: Scale = Scale(0.003, 0.01),
        length: Scale = Scale(0.3, 1.0),
        bend: Degrees = Degrees(-45.0, 45.0),
        dark: Colour = Colour([20, 14, 12]),
        light: Colour = Colour([110, 80, 60]),
        opacity: Interval = Interval(0.6, 0.95),
    }
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(read::<Hair>(value, "number")?))
}

impl ImagePolicy for Hair {
    fn draw(&self, (width, height): (u32, u32), rng: &mut Rng) -> Numbers {
        let side = f64::from(width.min(height));
        let Counts(low, high) = self.number;
        let mut one = || {
            let (x, y) = (rng.uniform_in(0.0, f64::from(width)), rng.uniform_in(0.0, f64::from(height)));
            let direction = rng.uniform_in(0.0, 360.0);
            let length = side * rng.uniform_in(self.length.0, self.length.1);
            let bends = [(); 2].map(|()| rng.uniform_in(self.bend.0, self.bend.1));
            let width = side * rng.uniform_in(self.width.0, self.width.1);
            let shade = rng.uniform();
            let opacity = rng.uniform_in(self.opacity.0, self.opacity.1);
            [x, y, direction, length, bends[0], bends[1], width, shade, opacity]
        };
        // The number comes last, so that it moves none of the hairs.
        let hairs: Vec<[f64; 9]> = (0..high).map(|_| one()).collect();
        let number = low + rng.below(high - low + 1);
        hairs.into_iter().take(number as usize).flatten().collect()
    }

    fn apply(&self, mut image: Image, draw: &Numbers) -> Result<Image> {
        let (hairs, rest) = draw.as_chunks::<9>();
        if !rest.is_empty() || hairs.iter().any(|hair| hair[3] < 0.0 || hair[6] < 0.0) {
            return Err(invalid_draw(SPEC.name, "nine numbers for each hair", draw, &image));
        }
        for hair in hairs {
            let [.., shade, opacity] = *hair;
            let colour = between(self.dark.0, self.light.0, shade);
            stroke(&mut image, &curve(hair), colour, opacity);
        }
        Ok(image)
    }
}

/// A hair as straight pieces of at most four pixels, at least eight, each in the direction of its middle.
fn curve(&[x, y, direction, length, first, second, width, ..]: &[f64; 9]) -> Vec<Point> {
    let pieces = ((length / 8.0).ceil() as u32).clamp(4, 4096) * 2;
    let mut point = Point { x, y, width };
    let mut points = vec![point];
    for piece in 0..pieces {
        let middle = (f64::from(piece) + 0.5) / f64::from(pieces);
        let turned = if middle < 0.5 { 2.0 * middle * first } else { first + (2.0 * middle - 1.0) * second };
        let (sin, cos) = (direction + turned).to_radians().sin_cos();
        let step = length / f64::from(pieces);
        let width = width * (1.0 - 0.5 * f64::from(piece + 1) / f64::from(pieces));
        point = Point { x: point.x + cos * step, y: point.y + sin * step, width };
        points.push(point);
    }
    points
}
