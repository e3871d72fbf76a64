//! Image policies: their pixels, their draws, their chain.

mod automatic;
mod chain;
mod distortions;
mod draws;
mod golden;
mod lists;
mod operations;
mod properties;
mod skin;

use tallow_data::Image;
use tallow_policy::{Built, ImagePolicy, Registry};
use tallow_seed::Seed;

/// The policy `name` with the parameters that this YAML holds, for a model of 224 × 224 pixels.
fn policy(name: &str, parameters: &str) -> Box<dyn ImagePolicy> {
    let spec = Registry::builtin().find(name).expect(name);
    match spec.build(&serde_yaml::from_str(parameters).unwrap()) {
        Ok(Built::Image(policy)) => policy,
        Ok(Built::Mix(_)) => panic!("{name} is a mix"),
        Err(mistakes) => panic!("{name}: {mistakes:?}"),
    }
}

/// Noise of a size.
fn noise(width: u32, height: u32, seed: u64) -> Image {
    let mut rng = Seed::new(seed).rng();
    Image { width, height, pixels: (0..width * height * 3).map(|_| rng.bits() as u8).collect() }
}
