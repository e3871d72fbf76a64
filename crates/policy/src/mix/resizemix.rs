//! ResizeMix: the whole partner, shrunk and pasted.

use super::{Mask, Mix, MixContext, Mixing, PatchSource, Rect};
use crate::schema::quantity::Scale;
use crate::{Build, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_seed::Rng;

pub const SPEC: Spec = Spec {
    name: "resizemix",
    summary: "the whole x_j, shrunk to τ of each side and pasted about a random centre of x_i; τ ~ U(low, high), shares from the area",
    source: "Qin et al., ResizeMix, arXiv 2012.11101; draws and boxes of JayQine/ResizeMix@45441ff: sides rounded down, and a patch that would leave the image is moved inside. It takes the nearest pixels; here they are antialiased. OpenMixup and MMPretrain clip the patch at the border and squeeze the partner into what is left; MMPretrain draws the side as √(1 − λ), λ ~ 0.1 + 0.7·Beta(α, α)",
    parameters: &[
        ("scale", "[0.1, 0.8]; from 0.001 to 1", "bounds of τ, the patch's part of each side"),
        ("per_sample", "false", "τ for each row in place of one for the batch; the centre is each row's own"),
    ],
    example: "{ resizemix: { scale: [0.1, 0.8] } }",
    cost: "one copy of the batch, and two passes over the partner for the patch, along y and along x",
    spatial: true,
    build: Build::Mix(build),
};

parameters! {
    /// x̂_i = R(x_j) inside one rectangle and x_i outside, for the partner j of row i. R is [`tallow_kernels::paste_resized`]'s.
    struct ResizeMix {
        // τ ~ U(0.1, 0.8), one for the batch: the paper and its code.
        scale: Scale = Scale(0.1, 0.8),
        per_sample: bool = false,
    }
}

fn build(value: &Value) -> Parsed<Box<dyn Mix>> {
    Ok(Box::new(parameters::<ResizeMix>(value)?))
}

impl Mix for ResizeMix {
    fn draw(&self, context: &MixContext, rng: &mut Rng) -> Result<Mixing> {
        let size = context.maps(SPEC.name)?;
        let mut tau = 0.0;
        let boxes = (0..context.rows()).map(|row| {
            if row == 0 || self.per_sample {
                tau = rng.uniform_in(self.scale.0, self.scale.1);
            }
            let centre = (rng.below(size.0 as u32) as usize, rng.below(size.1 as u32) as usize);
            patch(size, tau, centre)
        });
        let mask = Mask::Boxes(boxes.collect());
        Ok(Mixing::Masked { partner: context.partners.to_vec(), mask, source: PatchSource::Resized })
    }
}

/// The patch of a draw in an image of `size` (height, width): ⌊τ·side⌋ pixels of each side, one at least, from c − ⌊half⌋ on,
/// moved inside where that leaves the image. The authors' rule; the borders are covered more often than the middle.
pub fn patch(size: (usize, usize), tau: f64, centre: (usize, usize)) -> Rect {
    let span = |side: usize, centre: usize| {
        let length = ((side as f64 * tau) as usize).clamp(1, side);
        let start = centre.saturating_sub(length / 2).min(side - length);
        (start, start + length)
    };
    let (top, bottom) = span(size.0, centre.0);
    let (left, right) = span(size.1, centre.1);
    Rect { top, bottom, left, right }
}
