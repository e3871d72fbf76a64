//! AugMix.

use super::operations::{MagnitudeRanges, MaxShift, Operation, Warp, choose};
use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::region::invalid_draw;
use crate::pixels::resample::Interpolation;
use crate::schema::quantity::{Alpha, Chains, Colour, Severity, read};
use crate::{Build, Parsed, Result, Spec};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "augmix",
    summary: "(1 − m) · image + m · Σ wᵢ chainᵢ(image), m ~ Beta(α, α), w ~ Dirichlet(α, …), each chain a few operations",
    source: "Hendrycks et al. 2020 (arXiv:1912.02781); torchvision.transforms.v2.AugMix, the operations on PIL images",
    parameters: &[
        ("severity", "3; from 1 to 10", "each magnitude is one of the first `severity` of ten steps"),
        ("mixture_width", "3; from 1 to 100", "how many chains"),
        ("chain_depth", "drawn, 1 to 3; from 1 to 100", "operations of a chain"),
        ("alpha", "1; from 0.001 to 1000", "of both distributions"),
        ("all_ops", "true", "whether brightness, colour, contrast and sharpness are among the operations"),
        ("interpolation", "bilinear; bicubic, nearest", "the filter of shear, shift and rotation"),
        ("fill", "0; from 0 to 255", "what comes from outside: a byte, or [red, green, blue]"),
    ],
    example: "{ augmix: { severity: 3, mixture_width: 3 } }",
    cost: "mixture_width · chain_depth operations, each at most two passes, and one pass for each chain that blends it",
    spatial: true,
    build: Build::Image(build),
};

const RANGES: MagnitudeRanges = MagnitudeRanges {
    shear: 0.3,
    translate: MaxShift::Fraction(1.0 / 3.0),
    rotate: 30.0,
    factor: 0.9,
    bits: (4.0, 0.0),
};

/// Draws (weight of the image), then for each chain its weight, its depth, and (operation, magnitude) of each operation.
///
/// torchvision converts to tensors before the operations; here they are those on PIL images.
struct AugMix {
    severity: u32,
    width: u32,
    depth: Option<u32>,
    alpha: f64,
    operations: Vec<Operation>,
    moving: Warp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    severity: Option<Severity>,
    mixture_width: Option<Chains>,
    chain_depth: Option<Chains>,
    alpha: Option<Alpha>,
    all_ops: Option<bool>,
    #[serde(default)]
    interpolation: Interpolation,
    #[serde(default)]
    fill: Colour,
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    let Parameters { severity, mixture_width, chain_depth, alpha, all_ops, interpolation, fill } =
        read(value, "severity")?;
    let all = all_ops.unwrap_or(true);
    let factor = |operation| {
        matches!(
            operation,
            Operation::Brightness | Operation::Color | Operation::Contrast | Operation::Sharpness
        )
    };
    let listed = |operation| {
        ![Operation::Identity, Operation::Invert].contains(&operation) && (all || !factor(operation))
    };
    Ok(Box::new(AugMix {
        severity: severity.map_or(3, |severity| severity.0),
        width: mixture_width.map_or(3, |width| width.0),
        depth: chain_depth.map(|depth| depth.0),
        alpha: alpha.map_or(1.0, |alpha| alpha.0),
        operations: Operation::ALL.iter().copied().filter(|operation| listed(*operation)).collect(),
        moving: Warp { interpolation, fill: fill.0 },
    }))
}

impl ImagePolicy for AugMix {
    fn draw(&self, size: (u32, u32), rng: &mut Rng) -> Numbers {
        let mixed = rng.beta(self.alpha, self.alpha);
        let mut numbers = vec![1.0 - mixed];
        for weight in rng.dirichlet(&vec![self.alpha; self.width as usize]) {
            let depth = self.depth.unwrap_or_else(|| 1 + rng.below(3));
            numbers.extend([weight * mixed, f64::from(depth)]);
            for _ in 0..depth {
                let (operation, step) = (choose(&self.operations, rng), rng.below(self.severity));
                numbers.extend(RANGES.draw(operation, (f64::from(step), 10), size, rng));
            }
        }
        numbers
    }

    fn apply(&self, image: Image, draw: &Numbers) -> Result<Image> {
        let refused =
            || invalid_draw(SPEC.name, "weights, depths, pairs of operation and magnitude", draw, &image);
        let (own, mut rest) = draw.split_first().ok_or_else(refused)?;
        let mut sums: Vec<f32> = image.pixels.iter().map(|byte| *own as f32 * f32::from(*byte)).collect();
        while let [weight, depth, chain @ ..] = rest {
            let chain = chain.split_at_checked((*depth as usize).saturating_mul(2)).ok_or_else(refused)?;
            let changed = self.moving.all(SPEC.name, image.clone(), chain.0)?;
            let weight = *weight as f32;
            sums.iter_mut().zip(changed.pixels).for_each(|(sum, byte)| *sum += weight * f32::from(byte));
            rest = chain.1;
        }
        if !rest.is_empty() {
            return Err(refused());
        }
        let pixels = sums.into_iter().map(|sum| sum as u8).collect(); // cut off, as torch converts
        Ok(Image { pixels, ..image })
    }
}
