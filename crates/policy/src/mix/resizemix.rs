//! ResizeMix: the whole partner, shrunk and pasted.

use super::{Mask, Mix, Mixing, Place, Rect, Site};
use crate::quantity::Scale;
use crate::{Build, Parsed, Result, Spec, parameters};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_seed::Rng;

pub const SPEC: Spec = Spec {
    name: "resizemix",
    summary: "the whole x_j, shrunk to τ of each side and pasted at a random place of x_i; τ ~ U(low, high), shares from the area",
    source: "Qin et al., ResizeMix, arXiv 2012.11101. The codes of OpenMixup and MMPretrain clip a box about a random centre and squeeze the partner into what is left; here the patch lies inside, with its aspect kept and its sides rounded, as the paper draws it",
    parameters: &[
        ("scale", "[0.1, 0.8], 0 < low <= high <= 1", "bounds of τ, the patch's part of each side"),
        ("per_sample", "false", "one patch for each row in place of one for the batch"),
    ],
    example: "{ resizemix: { scale: [0.1, 0.8] } }",
    cost: "one copy of the batch, and two passes over the partner for the patch, along y and along x",
    spatial: true,
    build: Build::Mix(build),
};

/// x̂_i = R(x_j) inside one rectangle and x_i outside, for the partner j of row i. R is [`tallow_kernels::paste_resized`]'s.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ResizeMix {
    scale: Scale,
    per_sample: bool,
}

impl Default for ResizeMix {
    fn default() -> ResizeMix {
        // The paper's τ ~ U(0.1, 0.8).
        ResizeMix { scale: Scale(0.1, 0.8), per_sample: false }
    }
}

fn build(value: &Value) -> Parsed<Box<dyn Mix>> {
    Ok(Box::new(parameters::<ResizeMix>(value)?))
}

impl Mix for ResizeMix {
    fn draw(&self, at: &Site, rng: &mut Rng) -> Result<Mixing> {
        let (height, width) = at.maps(SPEC.name)?;
        let mut draw = || {
            let tau = rng.uniform_in(self.scale.0, self.scale.1);
            let (tall, wide) = (side(height, tau), side(width, tau));
            let top = rng.below((height - tall) as u32 + 1) as usize;
            let left = rng.below((width - wide) as u32 + 1) as usize;
            Rect { top, bottom: top + tall, left, right: left + wide }
        };
        let boxes = (0..at.draws(self.per_sample)).map(|_| draw()).collect();
        Ok(Mixing::Paste { partner: at.partners.to_vec(), mask: Mask::Boxes(boxes), source: Place::Whole })
    }
}

/// τ·side, rounded; a pixel at least.
pub fn side(of: usize, tau: f64) -> usize {
    ((of as f64 * tau).round() as usize).clamp(1, of)
}
