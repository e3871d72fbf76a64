//! AutoAugment, the three learnt policies.

use super::operations::{Operation, Operation::*, RANGES, Warp, choose};
use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::resample::Interpolation;
use crate::schema::quantity::{Colour, choice, read};
use crate::{Build, Parsed, Result, Spec};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "autoaugment",
    summary: "one of 25 pairs of operations, drawn uniformly; each of the two happens with its own probability",
    source: "Cubuk et al. 2018 (arXiv:1805.09501); torchvision.transforms.v2.AutoAugment on PIL images",
    parameters: &[
        ("learnt_on", "imagenet; cifar10, svhn", "the images that the pairs were found for"),
        ("interpolation", "nearest; bilinear, bicubic", "the filter of shear, shift and rotation"),
        ("fill", "0; from 0 to 255", "what comes from outside: a byte, or [red, green, blue]"),
    ],
    example: "{ autoaugment: imagenet }",
    cost: "at most two operations, each at most two passes",
    spatial: true,
    build: Build::Image(build),
};

/// Draws (operation, magnitude) of each that happens.
struct AutoAugment {
    pairs: &'static [Pair; 25],
    moving: Warp,
}

/// Two operations, each with its probability and its magnitude, a step of 0 to 9 (of no meaning where there is none).
type Pair = ((Operation, f64, u32), (Operation, f64, u32));

choice! {
    #[derive(Default)]
    enum LearntOn {
        #[default]
        Imagenet = "imagenet",
        Cifar10 = "cifar10",
        Svhn = "svhn",
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    #[serde(default)]
    learnt_on: LearntOn,
    interpolation: Option<Interpolation>,
    #[serde(default)]
    fill: Colour,
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    let Parameters { learnt_on, interpolation, fill } = read(value, "learnt_on")?;
    let pairs = match learnt_on {
        LearntOn::Imagenet => &IMAGENET,
        LearntOn::Cifar10 => &CIFAR10,
        LearntOn::Svhn => &SVHN,
    };
    let moving = Warp { interpolation: interpolation.unwrap_or(Interpolation::Nearest), fill: fill.0 };
    Ok(Box::new(AutoAugment { pairs, moving }))
}

impl ImagePolicy for AutoAugment {
    fn draw(&self, size: (u32, u32), rng: &mut Rng) -> Numbers {
        let (first, second) = choose(self.pairs, rng);
        let mut numbers = Numbers::new();
        for (operation, probability, step) in [first, second] {
            if rng.bernoulli(probability) {
                numbers.extend(RANGES.draw(operation, (f64::from(step), 10), size, rng));
            }
        }
        numbers
    }

    fn apply(&self, image: Image, draw: &Numbers) -> Result<Image> {
        self.moving.all(SPEC.name, image, draw)
    }
}

const IMAGENET: [Pair; 25] = [
    ((Posterize, 0.4, 8), (Rotate, 0.6, 9)),
    ((Solarize, 0.6, 5), (AutoContrast, 0.6, 0)),
    ((Equalize, 0.8, 0), (Equalize, 0.6, 0)),
    ((Posterize, 0.6, 7), (Posterize, 0.6, 6)),
    ((Equalize, 0.4, 0), (Solarize, 0.2, 4)),
    ((Equalize, 0.4, 0), (Rotate, 0.8, 8)),
    ((Solarize, 0.6, 3), (Equalize, 0.6, 0)),
    ((Posterize, 0.8, 5), (Equalize, 1.0, 0)),
    ((Rotate, 0.2, 3), (Solarize, 0.6, 8)),
    ((Equalize, 0.6, 0), (Posterize, 0.4, 6)),
    ((Rotate, 0.8, 8), (Color, 0.4, 0)),
    ((Rotate, 0.4, 9), (Equalize, 0.6, 0)),
    ((Equalize, 0.0, 0), (Equalize, 0.8, 0)),
    ((Invert, 0.6, 0), (Equalize, 1.0, 0)),
    ((Color, 0.6, 4), (Contrast, 1.0, 8)),
    ((Rotate, 0.8, 8), (Color, 1.0, 2)),
    ((Color, 0.8, 8), (Solarize, 0.8, 7)),
    ((Sharpness, 0.4, 7), (Invert, 0.6, 0)),
    ((ShearX, 0.6, 5), (Equalize, 1.0, 0)),
    ((Color, 0.4, 0), (Equalize, 0.6, 0)),
    ((Equalize, 0.4, 0), (Solarize, 0.2, 4)),
    ((Solarize, 0.6, 5), (AutoContrast, 0.6, 0)),
    ((Invert, 0.6, 0), (Equalize, 1.0, 0)),
    ((Color, 0.6, 4), (Contrast, 1.0, 8)),
    ((Equalize, 0.8, 0), (Equalize, 0.6, 0)),
];

const CIFAR10: [Pair; 25] = [
    ((Invert, 0.1, 0), (Contrast, 0.2, 6)),
    ((Rotate, 0.7, 2), (TranslateX, 0.3, 9)),
    ((Sharpness, 0.8, 1), (Sharpness, 0.9, 3)),
    ((ShearY, 0.5, 8), (TranslateY, 0.7, 9)),
    ((AutoContrast, 0.5, 0), (Equalize, 0.9, 0)),
    ((ShearY, 0.2, 7), (Posterize, 0.3, 7)),
    ((Color, 0.4, 3), (Brightness, 0.6, 7)),
    ((Sharpness, 0.3, 9), (Brightness, 0.7, 9)),
    ((Equalize, 0.6, 0), (Equalize, 0.5, 0)),
    ((Contrast, 0.6, 7), (Sharpness, 0.6, 5)),
    ((Color, 0.7, 7), (TranslateX, 0.5, 8)),
    ((Equalize, 0.3, 0), (AutoContrast, 0.4, 0)),
    ((TranslateY, 0.4, 3), (Sharpness, 0.2, 6)),
    ((Brightness, 0.9, 6), (Color, 0.2, 8)),
    ((Solarize, 0.5, 2), (Invert, 0.0, 0)),
    ((Equalize, 0.2, 0), (AutoContrast, 0.6, 0)),
    ((Equalize, 0.2, 0), (Equalize, 0.6, 0)),
    ((Color, 0.9, 9), (Equalize, 0.6, 0)),
    ((AutoContrast, 0.8, 0), (Solarize, 0.2, 8)),
    ((Brightness, 0.1, 3), (Color, 0.7, 0)),
    ((Solarize, 0.4, 5), (AutoContrast, 0.9, 0)),
    ((TranslateY, 0.9, 9), (TranslateY, 0.7, 9)),
    ((AutoContrast, 0.9, 0), (Solarize, 0.8, 3)),
    ((Equalize, 0.8, 0), (Invert, 0.1, 0)),
    ((TranslateY, 0.7, 9), (AutoContrast, 0.9, 0)),
];

const SVHN: [Pair; 25] = [
    ((ShearX, 0.9, 4), (Invert, 0.2, 0)),
    ((ShearY, 0.9, 8), (Invert, 0.7, 0)),
    ((Equalize, 0.6, 0), (Solarize, 0.6, 6)),
    ((Invert, 0.9, 0), (Equalize, 0.6, 0)),
    ((Equalize, 0.6, 0), (Rotate, 0.9, 3)),
    ((ShearX, 0.9, 4), (AutoContrast, 0.8, 0)),
    ((ShearY, 0.9, 8), (Invert, 0.4, 0)),
    ((ShearY, 0.9, 5), (Solarize, 0.2, 6)),
    ((Invert, 0.9, 0), (AutoContrast, 0.8, 0)),
    ((Equalize, 0.6, 0), (Rotate, 0.9, 3)),
    ((ShearX, 0.9, 4), (Solarize, 0.3, 3)),
    ((ShearY, 0.8, 8), (Invert, 0.7, 0)),
    ((Equalize, 0.9, 0), (TranslateY, 0.6, 6)),
    ((Invert, 0.9, 0), (Equalize, 0.6, 0)),
    ((Contrast, 0.3, 3), (Rotate, 0.8, 4)),
    ((Invert, 0.8, 0), (TranslateY, 0.0, 2)),
    ((ShearY, 0.7, 6), (Solarize, 0.4, 8)),
    ((Invert, 0.6, 0), (Rotate, 0.8, 4)),
    ((ShearY, 0.3, 7), (TranslateX, 0.9, 3)),
    ((ShearX, 0.1, 6), (Invert, 0.6, 0)),
    ((Solarize, 0.7, 2), (TranslateY, 0.6, 7)),
    ((ShearY, 0.8, 4), (Invert, 0.8, 0)),
    ((ShearX, 0.7, 9), (TranslateY, 0.8, 3)),
    ((ShearY, 0.8, 5), (AutoContrast, 0.7, 0)),
    ((ShearX, 0.7, 2), (Invert, 0.1, 0)),
];
