//! SmoothMix: the partner through a soft spot.

use super::{Mask, Mix, MixContext, Mixing};
use crate::schema::quantity::Ratio;
use crate::{Build, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_seed::Rng;

pub const SPEC: Spec = Spec {
    name: "smoothmix",
    summary: "(1 − G)·x_i + G·x_j, G = exp(−(y − c_y)² / 2(sH)² − (x − c_x)² / 2(sW)²), s ~ U(low, high), c uniform; the share of x_j is the mean of G",
    source: "Lee et al., SmoothMix, CVPR Workshops 2020; σ as in Westlake-AI/openmixup@37e1372. Its code draws a λ that nothing uses, places centres half a pixel to one side and knows square images only; here the centre is a pixel, and σ follows each side",
    parameters: &[
        (
            "sigma",
            "[0.25, 0.5]; from 0.01 to 100, sides",
            "bounds of s, the standard deviation of the spot in sides",
        ),
        ("per_sample", "false", "one spot for each row in place of one for the batch"),
    ],
    example: "{ smoothmix: { sigma: [0.25, 0.5] } }",
    cost: "one pass: two rows and a mask are read for each row that is written",
    spatial: true,
    build: Build::Mix(build),
};

parameters! {
    /// x̂_i = (1 − G)·x_i + G·x_j for the partner j of row i; G is 1 at the centre.
    struct SmoothMix {
        // σ from a quarter to half the side, one spot per batch: the code followed.
        sigma: Ratio = Ratio(0.25, 0.5),
        per_sample: bool = false,
    }
}

fn build(value: &Value) -> Parsed<Box<dyn Mix>> {
    Ok(Box::new(parameters::<SmoothMix>(value)?))
}

impl Mix for SmoothMix {
    fn draw(&self, context: &MixContext, rng: &mut Rng) -> Result<Mixing> {
        let size = context.maps(SPEC.name)?;
        let mut draw = || {
            let sigma = rng.uniform_in(self.sigma.0, self.sigma.1);
            let centre = (rng.below(size.0 as u32) as usize, rng.below(size.1 as u32) as usize);
            spot(size, centre, sigma)
        };
        let masks = (0..context.draws(self.per_sample)).map(|_| draw()).collect();
        Ok(context.masked(Mask::Soft(masks)))
    }
}

/// G of an image of `size` (height, width) with its centre at a pixel, σ in sides.
pub fn spot(size: (usize, usize), centre: (usize, usize), sigma: f64) -> Vec<f32> {
    let line = |side: usize, centre: usize| -> Vec<f64> {
        let fall = |at: usize| (at as f64 - centre as f64) / (sigma * side as f64);
        (0..side).map(|at| (-0.5 * fall(at).powi(2)).exp()).collect()
    };
    let (down, across) = (line(size.0, centre.0), line(size.1, centre.1));
    down.iter().flat_map(|y| across.iter().map(move |x| (y * x) as f32)).collect()
}
