//! GridMixup: the partner through a lattice of holes in a random rectangle.

use super::{Mask, Mix, MixContext, Mixing, Rect};
use crate::schema::quantity::{Alpha, Counts, Ratio, Scale, quantity};
use crate::{Build, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_seed::Rng;

pub const SPEC: Spec = Spec {
    name: "gridmixup",
    summary: "x_j in square holes of side √(1 − λ) of their cells, n cells across a random rectangle of x_i; λ ~ Beta(α, α), shares from the pixels",
    source: "IlyaDobrynin/GridMixup@11b741f, which OpenMixup has as gridmix; holes, area and aspect as in its benchmarks, where α = 0.2. Its rectangle may leave the image, where its pixels are lost or come in again on the other side; here it is cut at the border",
    parameters: &[
        (
            "alpha",
            "1.0; from 0.001 to 1000",
            "α of the Beta distribution: at 1 the part of a cell is uniform, towards 0 nearly all or nearly nothing",
        ),
        (
            "holes",
            "[2, 6]; from 1 to 1000",
            "bounds of n, the cells along the rectangle's width; at most half its pixels",
        ),
        ("area", "[0.5, 1.0]; from 0.001 to 1", "bounds of the rectangle's area over the image's"),
        ("aspect", "[0.5, 2.0]; from 0.01 to 100", "bounds of the rectangle's height over its width"),
        ("per_sample", "false", "one lattice for each row in place of one for the batch"),
    ],
    example: "{ gridmixup: { holes: [2, 6] } }",
    cost: "one pass: two rows and a mask are read for each row that is written",
    spatial: true,
    build: Build::Mix(build),
};

parameters! {
    /// x̂_i = x_j in the holes and x_i elsewhere, for the partner j of row i.
    struct GridMixup {
        // OpenMixup's settings, and its α where no benchmark names one.
        alpha: Alpha = Alpha(1.0),
        holes: Holes = Holes(2, 6),
        area: Scale = Scale(0.5, 1.0),
        aspect: Ratio = Ratio(0.5, 2.0),
        per_sample: bool = false,
    }
}

/// 1 ≤ low ≤ high.
#[derive(Clone, Copy, Debug)]
struct Holes(u32, u32);

quantity!(Holes, "[low, high] from 1 to 1000", |value| {
    let Counts(low, high) = value.is_sequence().then(|| parameters(value).ok())??;
    (low >= 1).then_some(Holes(low, high))
});

fn build(value: &Value) -> Parsed<Box<dyn Mix>> {
    Ok(Box::new(parameters::<GridMixup>(value)?))
}

impl Mix for GridMixup {
    fn draw(&self, context: &MixContext, rng: &mut Rng) -> Result<Mixing> {
        let size = context.maps(SPEC.name)?;
        let mut draw = || {
            let lambda = rng.beta(self.alpha.0, self.alpha.0);
            let across = self.holes.0 + rng.below(self.holes.1 - self.holes.0 + 1);
            let area = rng.uniform_in(self.area.0, self.area.1);
            let aspect = rng.uniform_in(self.aspect.0, self.aspect.1);
            let place = (rng.uniform(), rng.uniform());
            lattice(size, crop(size, area, aspect, place), across as usize, lambda)
        };
        let masks = (0..context.draws(self.per_sample)).map(|_| draw()).collect();
        Ok(context.masked(Mask::Soft(masks)))
    }
}

/// The rectangle in an image of `size` (height, width): ⌊√(⌊area·H·W⌋ / aspect)⌋ wide and `aspect` times as high, cut at the
/// image's sides, `place` (down, across) of the free way from the upper left.
pub fn crop(size: (usize, usize), area: f64, aspect: f64, place: (f64, f64)) -> Rect {
    let wide = ((((size.0 * size.1) as f64 * area).trunc() / aspect).sqrt()).trunc();
    let tall = (wide * aspect) as usize;
    let (tall, wide) = (tall.clamp(1, size.0), (wide as usize).clamp(1, size.1));
    let (top, left) =
        (((size.0 - tall) as f64 * place.0) as usize, ((size.1 - wide) as f64 * place.1) as usize);
    Rect { top, bottom: top + tall, left, right: left + wide }
}

/// 1 in the holes, 0 elsewhere: cells of ⌈width of the rectangle / across⌉ pixels from its upper left, a hole of
/// ⌊side·√(1 − λ)⌋ in that corner of each, of a pixel at least and a pixel less than its cell at most.
pub fn lattice(size: (usize, usize), crop: Rect, across: usize, lambda: f64) -> Vec<f32> {
    let width = crop.right - crop.left;
    let cell = width.div_ceil(across.clamp(1, (width / 2).max(1)));
    let hole = ((cell as f64 * (1.0 - lambda).sqrt()) as usize).max(1).min(cell - 1);
    let open = |at: usize, start: usize, end: usize| (start..end).contains(&at) && (at - start) % cell < hole;
    let columns: Vec<bool> = (0..size.1).map(|x| open(x, crop.left, crop.right)).collect();
    let row = |y: usize| {
        let here = open(y, crop.top, crop.bottom);
        columns.iter().map(move |column| f32::from(u8::from(here && *column)))
    };
    (0..size.0).flat_map(row).collect()
}
