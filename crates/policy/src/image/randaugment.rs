//! RandAugment.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::operation::{ALL, Moving, SPACE, choose};
use crate::quantity::{Bins, Colour, Whole, read};
use crate::resample::Interpolation;
use crate::{Build, Mistake, Parsed, Result, Spec};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "randaugment",
    summary: "`num_ops` of fourteen operations, one after another, each drawn uniformly, all of one magnitude",
    source: "Cubuk et al. 2019 (arXiv:1909.13719); torchvision.transforms.v2.RandAugment on PIL images",
    parameters: &[
        ("magnitude", "9; from 0, below num_magnitude_bins", "how strong, in steps"),
        ("num_ops", "2; from 0", "how many operations"),
        (
            "num_magnitude_bins",
            "31; from 2",
            "steps from nothing to: shear 0.3, shift 150/331 of the side, 30°, factors 1 ± 0.9, 4 bits, solarize 0",
        ),
        ("interpolation", "nearest; bilinear, bicubic", "the filter of shear, shift and rotation"),
        ("fill", "0", "what comes from outside: a byte, or [red, green, blue]"),
    ],
    example: "{ randaugment: { magnitude: 9, num_ops: 2 } }",
    cost: "num_ops operations, each at most two passes",
    spatial: true,
    build: Build::Image(build),
};

/// Draws (operation, magnitude) of each.
struct RandAugment {
    magnitude: u32,
    num_ops: u32,
    bins: u32,
    moving: Moving,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    magnitude: Option<Whole>,
    num_ops: Option<Whole>,
    num_magnitude_bins: Option<Bins>,
    interpolation: Option<Interpolation>,
    #[serde(default)]
    fill: Colour,
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    let Parameters { magnitude, num_ops, num_magnitude_bins, interpolation, fill } =
        read(value, "magnitude")?;
    let (magnitude, bins) = (magnitude.map_or(9, |m| m.0), num_magnitude_bins.map_or(31, |bins| bins.0));
    if magnitude >= bins {
        let problem = format!("expected a whole number below num_magnitude_bins ({bins}), got {magnitude}");
        return Err(vec![Mistake::new(if value.is_mapping() { "magnitude" } else { "" }, problem)]);
    }
    let moving = Moving { interpolation: interpolation.unwrap_or(Interpolation::Nearest), fill: fill.0 };
    Ok(Box::new(RandAugment { magnitude, num_ops: num_ops.map_or(2, |n| n.0), bins, moving }))
}

impl ImagePolicy for RandAugment {
    fn draw(&self, size: (u32, u32), rng: &mut Rng) -> Numbers {
        let mut one = || SPACE.draw(choose(&ALL[..14], rng), (self.magnitude, self.bins), size, rng);
        (0..self.num_ops).flat_map(|_| one()).collect()
    }

    fn apply(&self, image: Image, draw: &Numbers) -> Result<Image> {
        self.moving.all(SPEC.name, image, draw)
    }
}
