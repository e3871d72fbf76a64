//! GridMix: cells of a grid, each from one of two rows.

use super::{Mask, Mix, MixContext, Mixing};
use crate::schema::quantity::{Alpha, Count};
use crate::{Build, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_seed::Rng;

pub const SPEC: Spec = Spec {
    name: "gridmix",
    summary: "each cell of an N×N grid from x_i with probability λ, else from x_j; λ ~ Beta(α, α), shares from the cells' areas",
    source: "Baek, Bang, Shim, GridMix, Pattern Recognition 109 (2021): mixing by the cells of a grid, without its loss on the labels of patches. Its settings could not be read, and no code of the authors was found: N and the law of λ are ours, α = 1 as in CutMix. OpenMixup's function of this name is `gridmixup`",
    parameters: &[
        ("cells", "4; from 1 to 1000", "N, cells along each side; at most one for each pixel"),
        (
            "alpha",
            "1.0; from 0.001 to 1000",
            "α of the Beta distribution: at 1 the part is uniform, towards 0 one row alone",
        ),
        ("per_sample", "false", "one grid for each row in place of one for the batch"),
    ],
    example: "{ gridmix: { cells: 4 } }",
    cost: "one pass: two rows and a mask are read for each row that is written",
    spatial: true,
    build: Build::Mix(build),
};

parameters! {
    /// x̂_i = x_j in the cells drawn and x_i in the others, for the partner j of row i.
    struct GridMix {
        // Ours: cells of 8 pixels of 32, 56 of 224; the part uniform, as in CutMix.
        cells: Count = Count(4),
        alpha: Alpha = Alpha(1.0),
        per_sample: bool = false,
    }
}

fn build(value: &Value) -> Parsed<Box<dyn Mix>> {
    Ok(Box::new(parameters::<GridMix>(value)?))
}

impl Mix for GridMix {
    fn draw(&self, context: &MixContext, rng: &mut Rng) -> Result<Mixing> {
        let size = context.maps(SPEC.name)?;
        let cells = self.cells.0 as usize;
        let cells = (cells.min(size.0), cells.min(size.1));
        let mut draw = || {
            let lambda = rng.beta(self.alpha.0, self.alpha.0);
            let partner: Vec<bool> = (0..cells.0 * cells.1).map(|_| !rng.bernoulli(lambda)).collect();
            grid(size, cells, &partner)
        };
        let masks = (0..context.draws(self.per_sample)).map(|_| draw()).collect();
        Ok(context.masked(Mask::Soft(masks)))
    }
}

/// 1 in the cells that are the partner's, 0 in the others, in an image of `size` (height, width). Pixel y is in row
/// ⌊y·N / H⌋ of the cells: sides that N does not divide have cells of two sizes.
pub fn grid(size: (usize, usize), cells: (usize, usize), partner: &[bool]) -> Vec<f32> {
    let across: Vec<usize> = (0..size.1).map(|x| x * cells.1 / size.1).collect();
    let row = |y: usize| &partner[y * cells.0 / size.0 * cells.1..];
    let pixels = (0..size.0).flat_map(|y| across.iter().map(move |&x| row(y)[x]));
    pixels.map(|theirs| f32::from(u8::from(theirs))).collect()
}
