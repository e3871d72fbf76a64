//! Cuts off the dark surroundings of what a dermoscope sees.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::colour::grey;
use crate::pixels::region::{Region, cut};
use crate::schema::quantity::read;
use crate::{Build, Fraction, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "field_of_view",
    summary: "crops to a square about the bright disc if what is outside it is dark; other images stay as they are",
    source: "Gessert et al. 2020 (MethodsX 7:100864), github.com/ngessert/isic2019 (MIT)",
    parameters: &[
        (
            "margin",
            "0.1; from 0 to 1",
            "part of the radius that is cut off: the square has sides of 2 · (1 − margin) · radius",
        ),
        ("darkness", "0.3; from 0 to 1", "crops where mean outside ≤ darkness · mean inside"),
    ],
    example: "{ field_of_view: { margin: 0.1, darkness: 0.7 } }",
    cost: "four readings of the image as grey: its levels, its moments, inside and outside; then a copy of the part",
    spatial: true,
    build: Build::Image(build),
};

parameters! {
    /// Bright is a luma above a fifth of Otsu's threshold. The disc has the centroid of the bright pixels, and as its diameter
    /// the mean of the axes, 4 √λ, of the ellipse with their second moments λ; the square is clipped to the image. Where the
    /// authors take the largest connected part of a blurred image, all bright pixels count here.
    struct FieldOfView {
        margin: Fraction = Fraction(0.1),
        darkness: Fraction = Fraction(0.3),
    }
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(read::<FieldOfView>(value, "margin")?))
}

impl ImagePolicy for FieldOfView {
    fn draw(&self, _: (u32, u32), _: &mut Rng) -> Numbers {
        Numbers::new()
    }

    fn apply(&self, image: Image, _: &Numbers) -> Result<Image> {
        let lumas: Vec<u8> = image.pixels.as_chunks::<3>().0.iter().map(|pixel| grey(*pixel)).collect();
        let square = self.square(&lumas, image.width, image.height);
        let dark = |square: &Region| self.is_dark_outside(*square, &lumas, image.width);
        Ok(match square.filter(dark) {
            Some(square) => cut(image, square),
            None => image,
        })
    }

    fn output(&self, _: Option<(u32, u32)>) -> Option<(u32, u32)> {
        None
    }

    fn random(&self) -> bool {
        false
    }
}

impl FieldOfView {
    /// The square, clipped to the image; `None` if it holds no pixel.
    fn square(&self, lumas: &[u8], width: u32, height: u32) -> Option<Region> {
        let threshold = 0.2 * otsu(lumas);
        let (mut n, mut x1, mut y1, mut xx, mut yy, mut xy) = (0_u64, 0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
        for (row, y) in lumas.chunks_exact(width as usize).zip(0..) {
            for x in (0..).zip(row).filter(|(_, luma)| f64::from(**luma) > threshold).map(|(x, _)| x) {
                (n, x1, y1) = (n + 1, x1 + x, y1 + y);
                (xx, yy, xy) = (xx + x * x, yy + y * y, xy + x * y);
            }
        }
        let mean = |sum: u64| sum as f64 / n.max(1) as f64;
        let (x, y) = (mean(x1), mean(y1));
        // A pixel is a square of side 1: a twelfth.
        let (xx, yy) = (mean(xx) - x * x + 1.0 / 12.0, mean(yy) - y * y + 1.0 / 12.0);
        let (half, spread) = ((xx + yy) / 2.0, ((xx - yy) / 2.0).hypot(mean(xy) - x * y));
        let radius = (half + spread).sqrt() + (half - spread).max(0.0).sqrt(); // (4 √λ₁ + 4 √λ₂) / 2 / 2
        let reach = (1.0 - self.margin.0) * radius;
        let clip = |centre: f64, n: u32| {
            let place = |at: f64| (at + 0.5).round().clamp(0.0, f64::from(n)) as u32;
            (place(centre - reach), place(centre + reach))
        };
        let ((left, right), (top, bottom)) = (clip(x, width), clip(y, height));
        (n > 0 && right > left && bottom > top).then(|| Region {
            left,
            top,
            width: right - left,
            height: bottom - top,
        })
    }

    fn is_dark_outside(&self, square: Region, lumas: &[u8], width: u32) -> bool {
        let sum = |row: &[u8]| row.iter().map(|luma| u64::from(*luma)).sum::<u64>();
        let (left, right) = (square.left as usize, (square.left + square.width) as usize);
        let rows = lumas.chunks_exact(width as usize);
        let inside: u64 = rows
            .skip(square.top as usize)
            .take(square.height as usize)
            .map(|row| sum(&row[left..right]))
            .sum();
        let area = square.width as usize * square.height as usize;
        let (outside, rest) = (sum(lumas) - inside, lumas.len() - area);
        rest > 0 && outside as f64 / rest as f64 <= self.darkness.0 * inside as f64 / area as f64
    }
}

/// The level that divides the others into two classes with the largest variance between them; the first of several.
fn otsu(lumas: &[u8]) -> f64 {
    let mut counts = [0_u64; 256];
    lumas.iter().for_each(|luma| counts[usize::from(*luma)] += 1);
    let all: u64 = counts.iter().zip(0..).map(|(count, level)| count * level).sum();
    let (mut below, mut sum, mut best) = (0, 0, (0.0, 0));
    for (level, count) in counts.into_iter().enumerate() {
        (below, sum) = (below + count, sum + count * level as u64);
        let above = lumas.len() as u64 - below;
        if below > 0 && above > 0 {
            let apart = sum as f64 / below as f64 - (all - sum) as f64 / above as f64;
            let between = below as f64 * above as f64 * apart * apart;
            best = if between > best.0 { (between, level) } else { best };
        }
    }
    best.1 as f64
}
