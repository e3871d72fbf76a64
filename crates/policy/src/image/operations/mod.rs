//! The operations that automatic policies choose from, and how strong they are; torchvision's, on PIL images.

use crate::Result;
use crate::image::autocontrast::autocontrast;
use crate::image::color_jitter::{brightness, contrast, saturation};
use crate::image::equalize::equalize;
use crate::image::invert::invert;
use crate::image::posterize::posterize;
use crate::image::rotate::turn;
use crate::image::sharpness::sharpness;
use crate::image::solarize::solarize;
use crate::pixels::affine_map::{inverse, warp};
use crate::pixels::region::invalid_draw;
use crate::pixels::resample::Interpolation;
use tallow_data::Image;
use tallow_seed::Rng;

/// An enum whose variants are numbered in the order written, and `ALL`: each at its number.
macro_rules! numbered {
    ($(#[$attribute:meta])* $visibility:vis enum $type:ident { $($(#[$of_variant:meta])* $variant:ident),* $(,)? }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $visibility enum $type {
            $($(#[$of_variant])* $variant,)*
        }

        impl $type {
            $visibility const ALL: &'static [$type] = &[$($type::$variant),*];
        }
    };
}

pub mod timm;

numbered! {
    /// What is done to the image, by a magnitude m. Its place in this list is its number in a draw.
    pub enum Operation {
        Identity,
        /// x moves by m · y, about the upper left corner.
        ShearX,
        ShearY,
        /// By m pixels, cut to a whole number.
        TranslateX,
        TranslateY,
        /// By m degrees, counter-clockwise.
        Rotate,
        /// By a factor of 1 + m; likewise the next three. `Color` is saturation.
        Brightness,
        Color,
        Contrast,
        Sharpness,
        /// To m bits.
        Posterize,
        /// From 255 · m on.
        Solarize,
        AutoContrast,
        Equalize,
        Invert,
    }
}
use Operation::*;

/// How far each operation goes at its strongest.
pub struct MagnitudeRanges {
    pub shear: f64,
    pub translate: MaxShift,
    /// Degrees.
    pub rotate: f64,
    /// Of brightness, colour, contrast and sharpness, beside 1.
    pub factor: f64,
    /// At the weakest, at the strongest.
    pub bits: (f64, f64),
}

/// The farthest shift.
pub enum MaxShift {
    /// Over the side of the image.
    Fraction(f64),
    Pixels(f64),
}

/// That of AutoAugment and RandAugment.
pub const RANGES: MagnitudeRanges = MagnitudeRanges {
    shear: 0.3,
    translate: MaxShift::Fraction(150.0 / 331.0),
    rotate: 30.0,
    factor: 0.9,
    bits: (8.0, 4.0),
};

impl MagnitudeRanges {
    /// The number of `operation` and its magnitude at `step` of 0 to `bins` − 1 (linear; bits rounded to even on ties), its
    /// sign drawn where it has one.
    pub fn draw(
        &self,
        operation: Operation,
        (step, bins): (f64, u32),
        size: (u32, u32),
        rng: &mut Rng,
    ) -> [f64; 2] {
        let reach = |side: u32| match self.translate {
            MaxShift::Fraction(share) => share * f64::from(side),
            MaxShift::Pixels(pixels) => pixels,
        };
        let along = |from: f64, to: f64| from + (to - from) * step / f64::from(bins - 1);
        let magnitude = match operation {
            Identity | AutoContrast | Equalize | Invert => 0.0,
            Posterize => along(self.bits.0, self.bits.1).round_ties_even(),
            Solarize => along(1.0, 0.0),
            signed => {
                let most = match signed {
                    ShearX | ShearY => self.shear,
                    TranslateX => reach(size.0),
                    TranslateY => reach(size.1),
                    Rotate => self.rotate,
                    _ => self.factor,
                };
                if rng.bernoulli(0.5) { -along(0.0, most) } else { along(0.0, most) }
            }
        };
        [f64::from(operation as u8), magnitude]
    }
}

/// One of a list, uniformly.
pub fn choose<T: Copy>(list: &[T], rng: &mut Rng) -> T {
    list[rng.below(list.len() as u32) as usize]
}

/// How pixels are moved: the filter, and what comes from outside.
#[derive(Clone, Copy)]
pub struct Warp {
    pub interpolation: Interpolation,
    pub fill: [u8; 3],
}

impl Warp {
    /// One operation after another, as numbers (operation, magnitude).
    ///
    /// # Errors
    /// Of `policy`, for numbers that are no such pairs.
    pub fn all(self, policy: &str, image: Image, draw: &[f64]) -> Result<Image> {
        let (pairs, rest) = draw.as_chunks::<2>();
        let known =
            |number: f64| number.fract() == 0.0 && (0.0..Operation::ALL.len() as f64).contains(&number);
        if !rest.is_empty() || !pairs.iter().all(|[number, _]| known(*number)) {
            return Err(invalid_draw(policy, "pairs of operation (0 to 14) and magnitude", draw, &image));
        }
        let one = |image, &[number, magnitude]: &[f64; 2]| {
            self.one(image, Operation::ALL[number as usize], magnitude)
        };
        Ok(pairs.iter().fold(image, one))
    }

    fn one(self, mut image: Image, operation: Operation, magnitude: f64) -> Image {
        let Warp { interpolation, fill } = self;
        let moved =
            |shift, shear| warp(&image, &inverse((0.0, 0.0), 0.0, shift, 1.0, shear), interpolation, fill);
        let angle = magnitude.atan().to_degrees();
        match operation {
            Identity => {}
            ShearX => return moved((0.0, 0.0), (angle, 0.0)),
            ShearY => return moved((0.0, 0.0), (0.0, angle)),
            TranslateX => return moved((magnitude.trunc(), 0.0), (0.0, 0.0)),
            TranslateY => return moved((0.0, magnitude.trunc()), (0.0, 0.0)),
            Rotate => return turn(image, magnitude, interpolation, fill),
            Brightness => brightness(&mut image, 1.0 + magnitude),
            Color => saturation(&mut image, 1.0 + magnitude),
            Contrast => contrast(&mut image, 1.0 + magnitude),
            Sharpness => sharpness(&mut image, 1.0 + magnitude),
            Posterize => posterize(&mut image, magnitude as u32),
            Solarize => solarize(&mut image, 255.0 * magnitude),
            AutoContrast => autocontrast(&mut image),
            Equalize => equalize(&mut image),
            Invert => invert(&mut image),
        }
        image
    }
}
