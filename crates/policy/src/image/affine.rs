//! Rotation, shift, scale and shear at once.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::affine_map::{inverse, warp};
use crate::pixels::region::invalid_draw;
use crate::pixels::resample::Interpolation;
use crate::schema::quantity::{Colour, Degrees, Ratio, Shear, Shift, read};
use crate::{Build, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "affine",
    summary: "turns, shifts, scales and shears the image about its centre, each by a uniform amount; the size stays",
    source: "torchvision.transforms.v2.RandomAffine; pixels as Pillow's Image.transform(AFFINE)",
    parameters: &[
        ("degrees", "0; from −360 to 360", "d: from −d to d, clockwise; or [low, high]"),
        (
            "translate",
            "0; from 0 to 1",
            "largest shift over the side of the image: a number, or [horizontal, vertical]; whole pixels",
        ),
        ("scale", "[1, 1]; from 0.01 to 100", "factor of both sides"),
        (
            "shear",
            "0; from −89 to 89",
            "degrees, d: from −d to d along x; [low, high] along x; or four numbers, x and y",
        ),
        ("interpolation", "bilinear; bicubic, nearest", "the filter; nearest is torchvision's default"),
        ("fill", "0; from 0 to 255", "what comes from outside: a byte, or [red, green, blue]"),
    ],
    example: "{ affine: { degrees: 20, translate: 0.1, scale: [0.8, 1.2], shear: 10 } }",
    cost: "one pass, four pixels read for each (bilinear), sixteen with bicubic",
    spatial: true,
    build: Build::Image(build),
};

parameters! {
    /// Draws (degrees, shift along x, along y, scale, shear along x, along y).
    struct Affine {
        degrees: Degrees = Degrees(0.0, 0.0),
        translate: Shift = Shift(0.0, 0.0),
        scale: Ratio = Ratio(1.0, 1.0),
        shear: Shear = Shear((0.0, 0.0), (0.0, 0.0)),
        interpolation: Interpolation = Interpolation::Bilinear,
        fill: Colour = Colour::default(),
    }
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(read::<Affine>(value, "degrees")?))
}

impl ImagePolicy for Affine {
    fn draw(&self, size: (u32, u32), rng: &mut Rng) -> Numbers {
        let degrees = rng.uniform_in(self.degrees.0, self.degrees.1);
        let mut shift = |share: f64, side: u32| {
            let most = share * f64::from(side);
            rng.uniform_in(-most, most).round_ties_even()
        };
        let (x, y) = (shift(self.translate.0, size.0), shift(self.translate.1, size.1));
        let scale = rng.uniform_in(self.scale.0, self.scale.1);
        let Shear(along_x, along_y) = self.shear;
        let shear = rng.uniform_in(along_x.0, along_x.1);
        vec![degrees, x, y, scale, shear, rng.uniform_in(along_y.0, along_y.1)]
    }

    fn apply(&self, image: Image, draw: &Numbers) -> Result<Image> {
        match *draw.as_slice() {
            [degrees, x, y, scale, along_x, along_y] if scale > 0.0 => {
                let centre = (f64::from(image.width) * 0.5, f64::from(image.height) * 0.5);
                let map = inverse(centre, degrees, (x, y), scale, (along_x, along_y));
                Ok(warp(&image, &map, self.interpolation, self.fill.0))
            }
            _ => Err(invalid_draw(
                SPEC.name,
                "degrees, two shifts, a positive scale, two shears",
                draw,
                &image,
            )),
        }
    }
}
