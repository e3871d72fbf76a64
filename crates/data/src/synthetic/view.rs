//! How a lesion was photographed: frame, light and what lies on the skin. Drawn anew for every image, alike for all classes.

use tallow_seed::{Rng, Seed};

use super::lesion::Mark;
use super::noise::{Point, turn};
use super::structure::between;

/// Image coordinates run from 0 to 1, x to the right and y down.
#[derive(Clone, Debug)]
pub struct View {
    /// Where the centre of the lesion is.
    pub centre: Point,
    /// Lesion to image: the matrix of the linear part, rows first.
    pub matrix: [[f32; 2]; 2],
    /// Gain of each channel, and its slope across the image.
    pub gain: [f32; 3],
    pub slope: Point,
    /// Standard deviation of the blur, as a share of the image's width.
    pub blur: f32,
    /// Standard deviation of the sensor's noise, in 1/255.
    pub noise: f32,
    /// Radius of the dark corners' edge, if any.
    pub vignette: Option<f32>,
    /// Strokes over the skin (hairs, ruler), and their colours.
    pub strokes: Vec<(Mark, [f32; 3])>,
    /// Bubbles of the gel: centre and radius.
    pub bubbles: Vec<(Point, f32)>,
    /// Key of the noises.
    pub key: u32,
}

impl View {
    pub fn draw(seed: Seed) -> View {
        let mut rng = seed.rng();
        let rng = &mut rng;
        let [c, s] = turn(rng.uniform() as f32);
        let [tc, ts] = turn(rng.uniform() as f32);
        let radius = between(rng, 0.34, 0.42);
        // a tilted camera squashes one direction
        let squash = between(rng, 0.86, 1.0);
        let tilt = |x: f32, y: f32| {
            let (along, across) = ((x * tc + y * ts) * squash, y * tc - x * ts);
            [along * tc - across * ts, along * ts + across * tc]
        };
        let (first, second) = (tilt(radius * c, radius * s), tilt(-radius * s, radius * c));
        let light = between(rng, 0.84, 1.1);
        let mut strokes = Vec::new();
        if rng.bernoulli(0.4) {
            hairs(rng, &mut strokes);
        }
        if rng.bernoulli(0.15) {
            ruler(rng, &mut strokes);
        }
        let bubbles = if rng.bernoulli(0.2) {
            (0..1 + rng.below(4))
                .map(|_| ([between(rng, 0.0, 1.0), between(rng, 0.0, 1.0)], between(rng, 0.02, 0.06)))
                .collect()
        } else {
            Vec::new()
        };
        View {
            centre: [0.5 + between(rng, -0.08, 0.08), 0.5 + between(rng, -0.08, 0.08)],
            matrix: [[first[0], second[0]], [first[1], second[1]]],
            gain: std::array::from_fn(|_| light * between(rng, 0.97, 1.03)),
            slope: turn(rng.uniform() as f32).map(|c| c * between(rng, 0.0, 0.14)),
            blur: between(rng, 0.0, 0.01),
            noise: between(rng, 0.5, 3.0),
            vignette: rng.bernoulli(0.3).then(|| between(rng, 0.5, 0.66)),
            strokes,
            bubbles,
            key: rng.bits() as u32,
        }
    }
}

/// Dark or fair hairs that cross the picture on bent paths, roughly combed.
fn hairs(rng: &mut Rng, strokes: &mut Vec<(Mark, [f32; 3])>) {
    const COLOURS: [[f32; 3]; 3] = [[0.10, 0.07, 0.06], [0.24, 0.15, 0.10], [0.62, 0.50, 0.38]];
    const STEPS: usize = 10;
    let colour = COLOURS[rng.weighted(&[0.5, 0.35, 0.15])];
    let comb = rng.uniform() as f32;
    for _ in 0..2 + rng.below(7) {
        let mut heading = comb + between(rng, -0.1, 0.1);
        let length = between(rng, 0.4, 1.2) / STEPS as f32;
        let bend = between(rng, -0.02, 0.02);
        let radius = between(rng, 0.0035, 0.008);
        let back = turn(heading).map(|c| c * length * STEPS as f32 / 2.0);
        let mut at = [between(rng, 0.0, 1.0) - back[0], between(rng, 0.0, 1.0) - back[1]];
        for step in 0..STEPS {
            let go = turn(heading);
            let to = [at[0] + go[0] * length, at[1] + go[1] * length];
            let taper = |step: usize| radius * (1.0 - 0.06 * step as f32);
            strokes.push((Mark::stroke(at, to, [taper(step), taper(step + 1)], 1.0), colour));
            at = to;
            heading += bend;
        }
    }
}

/// Ticks along an edge of the picture, every fifth one longer.
fn ruler(rng: &mut Rng, strokes: &mut Vec<(Mark, [f32; 3])>) {
    let side = rng.below(4);
    let (step, offset) = (between(rng, 0.07, 0.12), between(rng, 0.0, 0.1));
    for tick in 0..(1.0 / step) as u32 {
        let (along, long) = (offset + tick as f32 * step, if tick % 5 == 0 { 0.1 } else { 0.055 });
        let place = |depth: f32| match side {
            0 => [along, depth],
            1 => [along, 1.0 - depth],
            2 => [depth, along],
            _ => [1.0 - depth, along],
        };
        strokes.push((Mark::stroke(place(0.0), place(long), [0.006; 2], 1.0), [0.13, 0.12, 0.15]));
    }
}
