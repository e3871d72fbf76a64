//! Shades of grey: the colour of the light, taken out.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::colour::{apply_tables, histograms, table};
use crate::schema::quantity::{Norm, read};
use crate::{Build, Parsed, Result, Spec, parameters};
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "color_constancy",
    summary: "v → v · |e| / (√3 · e_c) in each channel c, e_c = (mean v^p)^(1/p) the light; rounded and cut to a byte",
    source: "Finlayson & Trezzi 2004 (CIC 12: Shades of gray and colour constancy); scaled as van de Weijer et al. 2007",
    parameters: &[(
        "norm",
        "6; from 1 to 100",
        "p of the Minkowski mean: 1 is grey world, the larger the nearer to the brightest",
    )],
    example: "{ color_constancy: { norm: 6 } }",
    cost: "two passes: the means, the factors",
    spatial: true,
    build: Build::Image(build),
};

parameters! {
    /// A channel that is black stays black. Saturated pixels count like all others.
    struct ColorConstancy {
        norm: Norm = Norm(6.0),
    }
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(read::<ColorConstancy>(value, "norm")?))
}

impl ImagePolicy for ColorConstancy {
    fn draw(&self, _: (u32, u32), _: &mut Rng) -> Numbers {
        Numbers::new()
    }

    fn apply(&self, mut image: Image, _: &Numbers) -> Result<Image> {
        let pixels = (image.pixels.len() / 3) as f64;
        let light = histograms(&image).map(|counts| {
            let power =
                |(level, count): (usize, u32)| f64::from(count) * (level as f64 / 255.0).powf(self.norm.0);
            (counts.into_iter().enumerate().map(power).sum::<f64>() / pixels).powf(1.0 / self.norm.0)
        });
        let white = (light.iter().map(|e| e * e).sum::<f64>() / 3.0).sqrt();
        let tables = light.map(|e| {
            let gain = if e > 0.0 { white / e } else { 1.0 };
            table(|byte| (f64::from(byte) * gain).round() as u8)
        });
        apply_tables(&mut image, &tables);
        Ok(image)
    }

    fn random(&self) -> bool {
        false
    }
}
