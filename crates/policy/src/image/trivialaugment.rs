//! TrivialAugment, wide.

use super::operations::{MagnitudeRanges, MaxShift, Operation, Warp, choose};
use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::resample::Interpolation;
use crate::schema::quantity::{Bins, Colour, read};
use crate::{Build, Parsed, Result, Spec};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "trivialaugment",
    summary: "one of fourteen operations, of one of `num_magnitude_bins` magnitudes, both drawn uniformly",
    source: "Müller & Hutter 2021 (arXiv:2103.10158); torchvision.transforms.v2.TrivialAugmentWide on PIL images",
    parameters: &[
        (
            "num_magnitude_bins",
            "31; from 2 to 1000",
            "steps from nothing to: shear 0.99, shift 32 pixels, 135°, factors 1 ± 0.99, 2 bits, solarize 0",
        ),
        ("interpolation", "nearest; bilinear, bicubic", "the filter of shear, shift and rotation"),
        ("fill", "0; from 0 to 255", "what comes from outside: a byte, or [red, green, blue]"),
    ],
    example: "{ trivialaugment: {} }",
    cost: "one operation, at most two passes",
    spatial: true,
    build: Build::Image(build),
};

const WIDE: MagnitudeRanges = MagnitudeRanges {
    shear: 0.99,
    translate: MaxShift::Pixels(32.0),
    rotate: 135.0,
    factor: 0.99,
    bits: (8.0, 2.0),
};

/// Draws (operation, magnitude).
struct TrivialAugment {
    bins: u32,
    moving: Warp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    num_magnitude_bins: Option<Bins>,
    interpolation: Option<Interpolation>,
    #[serde(default)]
    fill: Colour,
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    let Parameters { num_magnitude_bins, interpolation, fill } = read(value, "num_magnitude_bins")?;
    let moving = Warp { interpolation: interpolation.unwrap_or(Interpolation::Nearest), fill: fill.0 };
    Ok(Box::new(TrivialAugment { bins: num_magnitude_bins.map_or(31, |bins| bins.0), moving }))
}

impl ImagePolicy for TrivialAugment {
    fn draw(&self, size: (u32, u32), rng: &mut Rng) -> Numbers {
        let (operation, step) = (choose(&Operation::ALL[..14], rng), rng.below(self.bins));
        WIDE.draw(operation, (f64::from(step), self.bins), size, rng).to_vec()
    }

    fn apply(&self, image: Image, draw: &Numbers) -> Result<Image> {
        self.moving.all(SPEC.name, image, draw)
    }
}
