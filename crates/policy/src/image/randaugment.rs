//! RandAugment.

use super::operations::timm::Operations as Timm;
use super::operations::{Operation, RANGES, Warp, choose};
use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::resample::Interpolation;
use crate::schema::quantity::{Bins, Colour, OperationCount, Step, StepDeviation, choice, read};
use crate::{Build, Fraction, Mistake, Parsed, Result, Spec};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "randaugment",
    summary: "`num_ops` operations, one after another, each drawn uniformly, all of one magnitude",
    source: "Cubuk et al. 2019 (arXiv:1909.13719); torchvision.transforms.v2.RandAugment on PIL images; \
             timm.data.auto_augment.RandAugment",
    parameters: &[
        ("magnitude", "9; from 0 to 999, below num_magnitude_bins", "how strong, in steps"),
        ("num_ops", "2; from 0 to 100", "how many operations"),
        (
            "noise",
            "0; from 0 to 1000",
            "standard deviation of a normal magnitude, drawn for each operation and cut to the steps; timm's `mstd`",
        ),
        (
            "operations",
            "torchvision; timm, timm_increasing",
            "torchvision's fourteen, or timm's fifteen (no identity, but solarize_add), without or with `inc1`: \
             `rand-m9-mstd0.5-inc1` is `{ operations: timm_increasing, noise: 0.5 }`",
        ),
        ("op_p", "1, 0.5 for timm; from 0 to 1", "probability that a drawn operation happens"),
        (
            "num_magnitude_bins",
            "31, 11 for timm; from 2 to 1000",
            "steps from nothing to: shear 0.3, shift 150/331 of the side, 30°, factors 1 ± 0.9, 4 bits, solarize 0; \
             timm: shift 0.45 of the side, no bits, solarize_add 110, and without `inc1` to 4 bits, solarize 256, factors 1.9",
        ),
        (
            "interpolation",
            "nearest, for timm bilinear or bicubic, drawn; nearest, bilinear, bicubic",
            "the filter of shear, shift and rotation",
        ),
        (
            "fill",
            "0, for timm the model's mean; from 0 to 255",
            "what comes from outside: a byte, or [red, green, blue]",
        ),
    ],
    example: "{ randaugment: { magnitude: 9, num_ops: 2 } }",
    cost: "num_ops operations, each at most two passes",
    spatial: true,
    build: Build::Image(build),
};

/// Draws (operation, magnitude) of each that happens; of timm's, (operation, amount, filter).
#[derive(Clone, Copy)]
struct RandAugment {
    magnitude: u32,
    num_ops: u32,
    noise: f64,
    op_p: f64,
    bins: u32,
    operations: Operations,
    /// Whether what comes from outside is the model's mean.
    fills_with_mean: bool,
}

#[derive(Clone, Copy)]
enum Operations {
    Torchvision(Warp),
    Timm(Timm),
}

choice! {
    #[derive(Default)]
    enum Set {
        #[default]
        Torchvision = "torchvision",
        Timm = "timm",
        TimmIncreasing = "timm_increasing",
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    magnitude: Option<Step>,
    num_ops: Option<OperationCount>,
    noise: Option<StepDeviation>,
    #[serde(default)]
    operations: Set,
    op_p: Option<Fraction>,
    num_magnitude_bins: Option<Bins>,
    interpolation: Option<Interpolation>,
    fill: Option<Colour>,
}

fn build(value: &Value, model: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    let Parameters { magnitude, num_ops, noise, operations, op_p, num_magnitude_bins, interpolation, fill } =
        read(value, "magnitude")?;
    let torchvision = operations == Set::Torchvision;
    let bins = num_magnitude_bins.map_or(if torchvision { 31 } else { 11 }, |bins| bins.0);
    let magnitude = magnitude.map_or(9, |m| m.0);
    if magnitude >= bins {
        let problem = format!("expected a whole number below num_magnitude_bins ({bins}), got {magnitude}");
        return Err(vec![Mistake::new(if value.is_mapping() { "magnitude" } else { "" }, problem)]);
    }
    let fill = fill.map(|fill| fill.0);
    let fills_with_mean = !torchvision && fill.is_none();
    let operations = if torchvision {
        let interpolation = interpolation.unwrap_or(Interpolation::Nearest);
        Operations::Torchvision(Warp { interpolation, fill: fill.unwrap_or_default() })
    } else {
        let increasing = operations == Set::TimmIncreasing;
        let fill = fill.unwrap_or(model.mean_bytes());
        Operations::Timm(Timm { increasing, interpolation, fill })
    };
    Ok(Box::new(RandAugment {
        magnitude,
        num_ops: num_ops.map_or(2, |n| n.0),
        noise: noise.map_or(0.0, |noise| noise.0),
        op_p: op_p.map_or(if torchvision { 1.0 } else { 0.5 }, |p| p.0),
        bins,
        operations,
        fills_with_mean,
    }))
}

impl ImagePolicy for RandAugment {
    fn draw(&self, size: (u32, u32), rng: &mut Rng) -> Numbers {
        let mut numbers = Numbers::new();
        for _ in 0..self.num_ops {
            if self.op_p < 1.0 && !rng.bernoulli(self.op_p) {
                continue;
            }
            let mut step = f64::from(self.magnitude);
            let last = f64::from(self.bins - 1);
            if self.noise > 0.0 {
                step = (step + self.noise * rng.normal()).clamp(0.0, last);
            }
            match self.operations {
                Operations::Torchvision(_) => {
                    numbers.extend(RANGES.draw(
                        choose(&Operation::ALL[..14], rng),
                        (step, self.bins),
                        size,
                        rng,
                    ));
                }
                Operations::Timm(timm) => numbers.extend(timm.draw(step / last, size, rng)),
            }
        }
        numbers
    }

    fn apply(&self, image: Image, draw: &Numbers) -> Result<Image> {
        match self.operations {
            Operations::Torchvision(moving) => moving.all(SPEC.name, image, draw),
            Operations::Timm(timm) => timm.all(SPEC.name, image, draw),
        }
    }

    fn filled(&self, mean: [u8; 3]) -> Option<Box<dyn ImagePolicy>> {
        match self.operations {
            Operations::Timm(timm) if self.fills_with_mean => {
                let operations = Operations::Timm(Timm { fill: mean, ..timm });
                Some(Box::new(RandAugment { operations, ..*self }))
            }
            _ => None,
        }
    }
}
