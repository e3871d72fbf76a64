//! Random erasing.

use super::random_resized_crop::sides;
use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::region::{Region, invalid_draw, paint};
use crate::schema::quantity::{Colour, Counts, Ratio, Scale, choice, read};
use crate::{Build, Fraction, Parsed, Result, Spec};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "random_erasing",
    summary: "with probability p, rectangles of random area and aspect are painted in the mean colour or in noise about it",
    source: "Zhong et al. 2017 (arXiv:1708.04896); torchvision.transforms.v2.RandomErasing; timm.data.random_erasing",
    parameters: &[
        ("p", "0.5; from 0 to 1", "probability"),
        (
            "scale",
            "[0.02, 0.33]; from 0.001 to 1",
            "area of all rectangles together over that of the image: uniform",
        ),
        ("ratio", "[0.3, 3.3]; from 0.01 to 100", "height over width: uniform in its logarithm"),
        ("fill", "the model's mean; from 0 to 255", "a byte, or [red, green, blue]"),
        (
            "mode",
            "const; rand, pixel",
            "`fill` itself, or normal noise about it with ImageNet's deviation (58, 57, 57 levels): one colour for each \
             rectangle, or one for each pixel (torchvision's `random`); as timm's",
        ),
        (
            "count",
            "1; from 0 to 1000",
            "how many rectangles, or [low, high]; each has its part of the area, as timm's",
        ),
    ],
    example: "{ random_erasing: { scale: [0.02, 0.2] } }",
    cost: "the pixels of the rectangles, with three random numbers for each in mode pixel",
    spatial: true,
    build: Build::Image(build),
};

/// Draws (left, top, width, height) of each rectangle, followed by its colours as bytes: none (const), one (rand), or one for
/// each of its pixels. Nothing to leave the image as it is.
///
/// The mean as a byte is 0 after normalisation up to half a level (0.5 / 255 / std ≈ 0.009): torchvision's `value=0`. Noise is
/// cut to bytes, which normalised noise is not.
#[derive(Clone, Copy)]
struct RandomErasing {
    p: f64,
    scale: Scale,
    ratio: Ratio,
    fill: [u8; 3],
    /// Whether `fill` is the model's mean.
    fills_with_mean: bool,
    mode: Mode,
    count: Counts,
}

/// Levels of 255 to one standard deviation, (0.229, 0.224, 0.225).
const DEVIATION: [f64; 3] = [58.395, 57.12, 57.375];

choice! {
    #[derive(Default)]
    enum Mode {
        #[default]
        Const = "const",
        Rand = "rand",
        Pixel = "pixel",
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    p: Option<Fraction>,
    scale: Option<Scale>,
    ratio: Option<Ratio>,
    fill: Option<Colour>,
    #[serde(default)]
    mode: Mode,
    count: Option<Counts>,
}

fn build(value: &Value, model: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    let Parameters { p, scale, ratio, fill, mode, count } = read(value, "p")?;
    Ok(Box::new(RandomErasing {
        p: p.map_or(0.5, |p| p.0),
        scale: scale.unwrap_or(Scale(0.02, 0.33)),
        ratio: ratio.unwrap_or(Ratio(0.3, 3.3)),
        fill: fill.map_or(model.mean_bytes(), |fill| fill.0),
        fills_with_mean: fill.is_none(),
        mode,
        count: count.unwrap_or(Counts(1, 1)),
    }))
}

impl ImagePolicy for RandomErasing {
    fn draw(&self, size: (u32, u32), rng: &mut Rng) -> Numbers {
        let mut numbers = Numbers::new();
        if !rng.bernoulli(self.p) {
            return numbers;
        }
        let Counts(low, high) = self.count;
        let count = if low == high { low } else { low + rng.below(high - low + 1) };
        let part = f64::from(count.max(1));
        let scale = Scale(self.scale.0 / part, self.scale.1 / part);
        for _ in 0..count {
            let Some(region) = self.region(size, scale, rng) else { continue };
            numbers.extend(region.numbers());
            let mut colour = || {
                let noisy = |c: usize| f64::from(self.fill[c]) + DEVIATION[c] * rng.normal();
                [0, 1, 2].map(noisy).map(|level| level.round().clamp(0.0, 255.0))
            };
            (0..self.colours(region)).for_each(|_| numbers.extend(colour()));
        }
        numbers
    }

    fn apply(&self, mut image: Image, draw: &Numbers) -> Result<Image> {
        let mut rest = draw.as_slice();
        while let Some((region, colours)) = rest.split_at_checked(4) {
            let region = Region::read(SPEC.name, region, &image)?;
            let Some((colours, after)) = colours.split_at_checked(self.colours(region) * 3) else { break };
            let colours: Vec<[u8; 3]> =
                colours.as_chunks::<3>().0.iter().map(|colour| colour.map(|level| level as u8)).collect();
            match self.mode {
                Mode::Const => paint(&mut image, region, self.fill),
                Mode::Rand => paint(&mut image, region, colours[0]),
                Mode::Pixel => {
                    for (row, y) in colours.chunks_exact(region.width as usize).zip(region.top..) {
                        let start = (y as usize * image.width as usize + region.left as usize) * 3;
                        image.pixels[start..start + row.len() * 3].copy_from_slice(row.as_flattened());
                    }
                }
            }
            rest = after;
        }
        if rest.is_empty() {
            return Ok(image);
        }
        let rest = &rest[..rest.len().min(4)];
        Err(invalid_draw(SPEC.name, "left, top, width, height inside the image, and colours", rest, &image))
    }

    fn filled(&self, mean: [u8; 3]) -> Option<Box<dyn ImagePolicy>> {
        self.fills_with_mean.then(|| Box::new(RandomErasing { fill: mean, ..*self }) as Box<dyn ImagePolicy>)
    }
}

impl RandomErasing {
    /// A rectangle that fits, of ten tries; torchvision and timm erase none that is as wide or as high as the image.
    fn region(&self, size: (u32, u32), scale: Scale, rng: &mut Rng) -> Option<Region> {
        for _ in 0..10 {
            let (height, width) = sides(size, scale, self.ratio, rng);
            if height < f64::from(size.1) && width < f64::from(size.0) {
                let (width, height) = (width as u32, height as u32);
                let top = rng.below(size.1 - height + 1);
                let left = rng.below(size.0 - width + 1);
                return (width * height > 0).then_some(Region { left, top, width, height });
            }
        }
        None
    }

    fn colours(&self, region: Region) -> usize {
        match self.mode {
            Mode::Const => 0,
            Mode::Rand => 1,
            Mode::Pixel => region.width as usize * region.height as usize,
        }
    }
}
