//! The marks of a ruler along a border.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::region::invalid_draw;
use crate::pixels::stroke::{Point, between, stroke};
use crate::schema::quantity::{Colour, Degrees, Interval, Scale, read};
use crate::{Build, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "ruler",
    summary: "draws the marks of a ruler along one border, inwards, every fifth 1.5 and every tenth 2 times as long",
    source: "an artefact named by Bissoto et al. 2020 (arXiv:2004.11457); the marks and their distributions are ours",
    parameters: &[
        (
            "spacing",
            "[0.03, 0.08]; from 0.001 to 1",
            "between the marks, over the shorter side of the image: uniform",
        ),
        ("length", "[0.03, 0.06]; from 0.001 to 1", "of a short mark, likewise"),
        ("width", "[0.003, 0.008]; from 0.001 to 1", "of a mark, likewise"),
        ("inset", "[0, 0.08]; from 0 to 1", "from the border to the marks, likewise"),
        (
            "tilt",
            "5; from −360 to 360",
            "degrees of the ruler to the border: d: from −d to d; or [low, high]; uniform",
        ),
        ("dark", "15; from 0 to 255", "the darkest colour; a ruler is a uniform mixture of the two"),
        ("light", "90; from 0 to 255", "the lightest colour"),
        ("opacity", "[0.6, 0.95]; from 0 to 1", "1 hides the skin: uniform"),
    ],
    example: "{ ruler: {}, p: 0.3 }",
    cost: "the pixels of the marks",
    spatial: true,
    build: Build::Image(build),
};

parameters! {
    /// Draws (side: 0 top, 1 right, 2 bottom, 3 left; phase in marks, 0 to 10; spacing, length, width, inset in pixels; tilt in
    /// degrees; shade from dark, 0, to light, 1; opacity).
    struct Ruler {
        spacing: Scale = Scale(0.03, 0.08),
        length: Scale = Scale(0.03, 0.06),
        width: Scale = Scale(0.003, 0.008),
        inset: Interval = Interval(0.0, 0.08),
        tilt: Degrees = Degrees(-5.0, 5.0),
        dark: Colour = Colour([15; 3]),
        light: Colour = Colour([90; 3]),
        opacity: Interval = Interval(0.6, 0.95),
    }
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(read::<Ruler>(value, "spacing")?))
}

impl ImagePolicy for Ruler {
    fn draw(&self, (width, height): (u32, u32), rng: &mut Rng) -> Numbers {
        let shorter = f64::from(width.min(height));
        let (side, phase) = (f64::from(rng.below(4)), rng.uniform_in(0.0, 10.0));
        let lengths = [self.spacing, self.length, self.width].map(|Scale(low, high)| (low, high));
        let mut numbers = vec![side, phase];
        for (low, high) in lengths.into_iter().chain([(self.inset.0, self.inset.1)]) {
            numbers.push(shorter * rng.uniform_in(low, high));
        }
        numbers.extend([rng.uniform_in(self.tilt.0, self.tilt.1), rng.uniform()]);
        numbers.push(rng.uniform_in(self.opacity.0, self.opacity.1));
        numbers
    }

    fn apply(&self, mut image: Image, draw: &Numbers) -> Result<Image> {
        let [side, phase, spacing, length, width, inset, tilt, shade, opacity] = *draw.as_slice() else {
            return Err(invalid_draw(SPEC.name, "nine numbers", draw, &image));
        };
        if ![0.0, 1.0, 2.0, 3.0].contains(&side) || spacing <= 0.0 || length < 0.0 || width < 0.0 {
            return Err(invalid_draw(SPEC.name, "a side of 0 to 3 and positive lengths", draw, &image));
        }
        let colour = between(self.dark.0, self.light.0, shade);
        // The ruler turns about the point `inset` inwards from the middle of its side; unturned, the marks of side 0 go down.
        let (w, h) = (f64::from(image.width), f64::from(image.height));
        let (x, y) = match side as u8 {
            0 => (w / 2.0, inset),
            1 => (w - inset, h / 2.0),
            2 => (w / 2.0, h - inset),
            _ => (inset, h / 2.0),
        };
        let (sin, cos) = (90.0 * side + tilt).to_radians().sin_cos();
        let marks = (w.hypot(h) / 2.0 / spacing).ceil().min(1e5) as i64;
        for mark in -marks..=marks {
            let along = (mark as f64 + phase.fract()) * spacing;
            let long = match (mark - phase as i64).rem_euclid(10) {
                0 => 2.0 * length,
                5 => 1.5 * length,
                _ => length,
            };
            let (x, y) = (x + cos * along, y + sin * along);
            let end = Point { x: x - sin * long, y: y + cos * long, width };
            stroke(&mut image, &[Point { x, y, width }, end], colour, opacity);
        }
        Ok(image)
    }
}
