//! timm's operations of RandAugment and how strong they are at a share of the largest magnitude; pixels as Pillow's.

use super::choose;
use crate::Result;
use crate::image::autocontrast::autocontrast;
use crate::image::color_jitter::{brightness, contrast, saturation};
use crate::image::equalize::equalize;
use crate::image::invert::invert;
use crate::image::posterize::posterize;
use crate::image::rotate::turn;
use crate::image::sharpness::sharpness;
use crate::image::solarize::solarize;
use crate::pixels::affine_map::warp;
use crate::pixels::colour::{apply_table, table};
use crate::pixels::region::invalid_draw;
use crate::pixels::resample::Interpolation;
use tallow_data::Image;
use tallow_seed::Rng;

numbered! {
    /// What is done to the image, by an amount a. Its place in this list is its number in a draw.
    enum Operation {
        AutoContrast,
        Equalize,
        Invert,
        /// By a degrees, counter-clockwise.
        Rotate,
        /// To a bits; 0, at the largest magnitude, is black (timm fails there with Pillow 13).
        Posterize,
        /// From a on.
        Solarize,
        /// Levels below 128 rise by a.
        SolarizeAdd,
        /// By a factor of a; likewise the next three. `Color` is saturation.
        Color,
        Contrast,
        Brightness,
        Sharpness,
        /// x is seen at x + a · y, about the upper left corner.
        ShearX,
        ShearY,
        /// x is seen at x + a pixels.
        TranslateX,
        TranslateY,
    }
}
use Operation::*;

/// The set, and how pixels are moved.
#[derive(Clone, Copy)]
pub struct Operations {
    /// Whether posterize, solarize and the four factors grow with the magnitude (`inc1`) or run from one end of their range to
    /// the other (`inc0`: to more bits, to a higher threshold, from 0.1 to 1.9).
    pub increasing: bool,
    /// The filter of shear, shift and rotation; `None` is bilinear or bicubic, drawn.
    pub interpolation: Option<Interpolation>,
    pub fill: [u8; 3],
}

impl Operations {
    /// (operation, amount, filter) of one operation, uniformly, at `strength` in [0, 1] for an image of `size`.
    pub fn draw(self, strength: f64, size: (u32, u32), rng: &mut Rng) -> [f64; 3] {
        let number = rng.below(Operation::ALL.len() as u32);
        let either = |amount: f64, rng: &mut Rng| if rng.bernoulli(0.5) { -amount } else { amount };
        let of = |most: f64| (strength * most).floor();
        let amount = match Operation::ALL[number as usize] {
            AutoContrast | Equalize | Invert => 0.0,
            Rotate => either(strength * 30.0, rng),
            Posterize if self.increasing => 4.0 - of(4.0),
            Posterize => of(4.0),
            Solarize if self.increasing => 256.0 - of(256.0),
            Solarize => of(256.0),
            SolarizeAdd => of(110.0),
            Color | Contrast | Brightness | Sharpness if self.increasing => {
                (1.0 + either(strength * 0.9, rng)).max(0.1)
            }
            Color | Contrast | Brightness | Sharpness => strength * 1.8 + 0.1,
            ShearX | ShearY => either(strength * 0.3, rng),
            TranslateX => either(strength * 0.45, rng) * f64::from(size.0),
            TranslateY => either(strength * 0.45, rng) * f64::from(size.1),
        };
        let filter = self.interpolation.unwrap_or_else(|| choose(&Interpolation::ALL[1..], rng).1);
        [f64::from(number), amount, f64::from(filter as u8)]
    }

    /// One operation after another, as numbers (operation, amount, filter).
    ///
    /// # Errors
    /// Of `policy`, for numbers that are no such triples.
    pub fn all(self, policy: &str, image: Image, draw: &[f64]) -> Result<Image> {
        let (triples, rest) = draw.as_chunks::<3>();
        let known = |number: f64, n: usize| number.fract() == 0.0 && (0.0..n as f64).contains(&number);
        let fits = |[operation, amount, filter]: &[f64; 3]| {
            known(*operation, Operation::ALL.len())
                && known(*filter, Interpolation::ALL.len())
                && amount.is_finite()
        };
        if !rest.is_empty() || !triples.iter().all(fits) {
            let expected = "triples of operation (0 to 14), amount and filter (0 to 2)";
            return Err(invalid_draw(policy, expected, draw, &image));
        }
        Ok(triples.iter().fold(image, |image, &[operation, amount, filter]| {
            self.one(image, Operation::ALL[operation as usize], amount, Interpolation::ALL[filter as usize].1)
        }))
    }

    fn one(self, mut image: Image, operation: Operation, amount: f64, filter: Interpolation) -> Image {
        let moved = |map| warp(&image, &map, filter, self.fill);
        match operation {
            AutoContrast => autocontrast(&mut image),
            Equalize => equalize(&mut image),
            Invert => invert(&mut image),
            Rotate => return turn(image, amount, filter, self.fill),
            Posterize => posterize(&mut image, amount as u32),
            Solarize => solarize(&mut image, amount),
            SolarizeAdd => {
                let added = |byte: u8| if byte < 128 { byte.saturating_add(amount as u8) } else { byte };
                apply_table(&mut image, &table(added));
            }
            Color => saturation(&mut image, amount),
            Contrast => contrast(&mut image, amount),
            Brightness => brightness(&mut image, amount),
            Sharpness => sharpness(&mut image, amount),
            ShearX => return moved([1.0, amount, 0.0, 0.0, 1.0, 0.0]),
            ShearY => return moved([1.0, 0.0, 0.0, amount, 1.0, 0.0]),
            TranslateX => return moved([1.0, 0.0, amount, 0.0, 1.0, 0.0]),
            TranslateY => return moved([1.0, 0.0, 0.0, 0.0, 1.0, amount]),
        }
        image
    }
}
