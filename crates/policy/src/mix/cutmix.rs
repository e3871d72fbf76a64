//! CutMix: a rectangle of the partner, pasted.

use super::{Mask, Mix, MixContext, Mixing, Rect};
use crate::schema::quantity::Alpha;
use crate::{Build, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_seed::Rng;

pub const SPEC: Spec = Spec {
    name: "cutmix",
    summary: "x_j inside a random rectangle, x_i outside; side √(1 − λ), λ ~ Beta(α, α), shares from the clipped area",
    source: "Yun et al., CutMix, ICCV 2019; arXiv 1905.04899; box rule of clovaai/CutMix-PyTorch@2d8eb68: an odd side is cut one pixel short",
    parameters: &[
        ("alpha", "1.0; from 0.001 to 1000", "α of the Beta distribution: at 1 the drawn area is uniform"),
        ("per_sample", "false", "one rectangle for each row in place of one for the batch"),
    ],
    example: "{ cutmix: { alpha: 1.0 } }",
    cost: "one copy of the batch",
    spatial: true,
    build: Build::Mix(build),
};

parameters! {
    /// x̂_i = x_j inside one rectangle and x_i outside, for the partner j of row i. Its share is its area after clipping.
    struct CutMix {
        // α = 1 and one box per batch: the reference code.
        alpha: Alpha = Alpha(1.0),
        per_sample: bool = false,
    }
}

fn build(value: &Value) -> Parsed<Box<dyn Mix>> {
    Ok(Box::new(parameters::<CutMix>(value)?))
}

impl Mix for CutMix {
    fn draw(&self, context: &MixContext, rng: &mut Rng) -> Result<Mixing> {
        let size = context.maps(SPEC.name)?;
        let mut draw = || {
            let lambda = rng.beta(self.alpha.0, self.alpha.0);
            let centre = (rng.below(size.0 as u32) as usize, rng.below(size.1 as u32) as usize);
            cut(size, lambda, centre)
        };
        let boxes = (0..context.draws(self.per_sample)).map(|_| draw()).collect();
        Ok(context.masked(Mask::Boxes(boxes)))
    }
}

/// The rectangle of a draw in an image of `size` (height, width): along each axis `[c − h, c + h)`, clipped, with
/// h = ⌊⌊side·√(1 − λ)⌋ / 2⌋. The reference's rule, as every peer has it: an odd cut is one pixel short.
pub fn cut(size: (usize, usize), lambda: f64, centre: (usize, usize)) -> Rect {
    let span = |side: usize, centre: usize| {
        let half = (side as f64 * (1.0 - lambda).sqrt()) as usize / 2;
        (centre.saturating_sub(half), (centre + half).min(side))
    };
    let (top, bottom) = span(size.0, centre.0);
    let (left, right) = span(size.1, centre.1);
    Rect { top, bottom, left, right }
}
