//! FMix: a mask of any shape, from low frequencies.

use super::{Mask, Mix, MixContext, Mixing};
use crate::pixels::fourier::{Complex, transform};
use crate::schema::quantity::{Alpha, Decay};
use crate::{Build, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_seed::Rng;

pub const SPEC: Spec = Spec {
    name: "fmix",
    summary: "x_i where low-pass noise Re F⁻¹(z / f^δ) is highest, on a part λ of the pixels, x_j elsewhere; λ ~ Beta(α, α), shares from the pixels",
    source: "Harris et al., FMix, arXiv 2002.12047; ecs-vlc/FMix@e5991dc. Its code labels with λ where the mask has ⌊λN⌋ or ⌈λN⌉ of N pixels, and takes two rows of the spectrum for its real and imaginary parts, so that no mask has more than one cycle across; here shares are counted, and the spectrum is the paper's",
    parameters: &[
        (
            "alpha",
            "1.0; from 0.001 to 1000",
            "α of the Beta distribution: at 1 the part is uniform, towards 0 one row alone",
        ),
        (
            "decay",
            "3.0; from 0 to 20",
            "δ, the power by which frequencies decay: the higher, the smoother the shapes",
        ),
        ("per_sample", "false", "one mask for each row in place of one for the batch"),
    ],
    example: "{ fmix: { alpha: 1.0, decay: 3.0 } }",
    cost: "one Fourier transform and one selection of pixels for each mask, and one pass: two rows and a mask are read for each row that is written",
    spatial: true,
    build: Build::Mix(build),
};

parameters! {
    /// x̂_i = x_j where the noise is low and x_i where it is high, for the partner j of row i.
    struct FMix {
        // α = 1, δ = 3, one mask per batch: the paper and its code.
        alpha: Alpha = Alpha(1.0),
        decay: Decay = Decay(3.0),
        per_sample: bool = false,
    }
}

fn build(value: &Value) -> Parsed<Box<dyn Mix>> {
    Ok(Box::new(parameters::<FMix>(value)?))
}

impl Mix for FMix {
    fn draw(&self, context: &MixContext, rng: &mut Rng) -> Result<Mixing> {
        let size = context.maps(SPEC.name)?;
        let pixels = size.0 * size.1;
        let mut draw = || {
            let part = rng.beta(self.alpha.0, self.alpha.0) * pixels as f64;
            let own = if rng.bernoulli(0.5) { part.ceil() } else { part.floor() };
            let noise = (0..pixels).map(|_| (rng.normal(), rng.normal())).collect();
            lowest(&low_pass(noise, size, self.decay.0), pixels - own as usize)
        };
        let masks = (0..context.draws(self.per_sample)).map(|_| draw()).collect();
        Ok(context.masked(Mask::Soft(masks)))
    }
}

/// Re F⁻¹(z / f^δ) of a spectrum z, (height, width) in the order of the transform; f is the distance of a frequency from 0
/// in cycles per pixel, 1 / the longer side at least.
pub fn low_pass(mut spectrum: Vec<Complex>, (height, width): (usize, usize), decay: f64) -> Vec<f64> {
    let cycles = |k: usize, n: usize| {
        let k = if k <= (n - 1) / 2 { k as f64 } else { k as f64 - n as f64 };
        k / n as f64
    };
    let least = 1.0 / height.max(width) as f64;
    for (at, z) in spectrum.iter_mut().enumerate() {
        let f = cycles(at / width, height).hypot(cycles(at % width, width)).max(least);
        let scale = f.powf(-decay);
        *z = (z.0 * scale, z.1 * scale);
    }
    transform(&mut spectrum, (height, width), true);
    spectrum.into_iter().map(|(real, _)| real).collect()
}

/// 1 at the `count` lowest of the values, 0 elsewhere; of equals, the first are lowest.
pub fn lowest(values: &[f64], count: usize) -> Vec<f32> {
    let mut mask = vec![0.0; values.len()];
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    if count < order.len() {
        let value = |pixel: u32| values[pixel as usize];
        order.select_nth_unstable_by(count, |&a, &b| value(a).total_cmp(&value(b)).then(a.cmp(&b)));
    }
    order[..count].iter().for_each(|&pixel| mask[pixel as usize] = 1.0);
    mask
}
