//! Vignetting: darker towards the corners, as behind a lens.

use tallow_policy::{
    Build, Error, Fraction, Image, ImagePolicy, ModelInput, Numbers, Parsed, Result, Rng, Spec, Value,
    parameters,
};

pub static SPEC: Spec = Spec {
    name: "vignette",
    summary: "v → v · (1 − s · r²), s ~ U(0, strength), r the distance from the centre over that of a corner",
    source: "this example",
    parameters: &[("strength", "0.5; from 0 to 1", "the largest s: what the corners lose")],
    example: "{ vignette: { strength: 0.8 }, p: 0.5 }",
    cost: "one pass",
    spatial: true,
    build: Build::Image(build),
};

parameters! {
    /// Draws s.
    struct Vignette {
        strength: Fraction = Fraction(0.5),
    }
}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    Ok(Box::new(parameters::<Vignette>(value)?))
}

impl ImagePolicy for Vignette {
    fn draw(&self, _: (u32, u32), rng: &mut Rng) -> Numbers {
        vec![rng.uniform_in(0.0, self.strength.0)]
    }

    fn apply(&self, mut image: Image, draw: &Numbers) -> Result<Image> {
        let [s] = draw[..] else {
            let problem = format!("expected one number, got {}", draw.len());
            return Err(Error::Policy { policy: SPEC.name.to_owned(), problem });
        };
        let (width, height) = (f64::from(image.width), f64::from(image.height));
        let row = image.width as usize * 3;
        for (y, line) in (0..).zip(image.pixels.chunks_exact_mut(row)) {
            for (x, pixel) in (0..).zip(line.chunks_exact_mut(3)) {
                // −1 to 1 from border to border: a corner is √2 from the centre.
                let (across, down) =
                    (2.0 * (f64::from(x) + 0.5) / width - 1.0, 2.0 * (f64::from(y) + 0.5) / height - 1.0);
                let factor = 1.0 - s * (across * across + down * down) / 2.0;
                pixel.iter_mut().for_each(|byte| *byte = (f64::from(*byte) * factor).round() as u8);
            }
        }
        Ok(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_lose_the_most() {
        let white = Image { width: 4, height: 2, pixels: vec![200; 24] };
        let Ok(policy) = build(&Value::Null, &ModelInput::default()) else {
            panic!("no parameters are right")
        };
        let dark = policy.apply(white.clone(), &vec![0.5]).unwrap();
        // x: −.75 −.25 .25 .75, y: ±.5: 1 − .5 · (.5625 + .25) / 2 = .796875, 1 − .5 · (.0625 + .25) / 2 = .921875
        let line = [159, 184, 184, 159].map(|byte| [byte; 3]).concat();
        assert_eq!(dark.pixels, [line.clone(), line].concat());
        assert_eq!(policy.apply(white.clone(), &vec![0.0]).unwrap(), white);
        assert!(policy.apply(white, &vec![]).is_err());
    }

    #[test]
    fn the_strength_is_uniform_below_its_bound() {
        let policy = Vignette::default();
        let mut rng = tallow_policy::Seed::new(1).rng();
        let draws: Vec<f64> = (0..2000).map(|_| policy.draw((8, 8), &mut rng)[0]).collect();
        assert!(draws.iter().all(|s| (0.0..=0.5).contains(s)));
        // Mean 0.25, standard deviation 0.5 / √12 / √2000 = 0.0032.
        let mean = draws.iter().sum::<f64>() / 2000.0;
        assert!((mean - 0.25).abs() < 0.016, "{mean}");
    }
}
