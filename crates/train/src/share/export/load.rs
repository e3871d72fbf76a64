//! Loads the weights beside this file: a module for a program of yours, with candle-core 0.11.1, tallow-models and tallow-seed.
//! README.md says how images are prepared.

use candle_core::{DType, Device};
use std::path::Path;
use tallow_models::config::Config;
use tallow_models::{Error, Network, Params, find, weights};
use tallow_seed::Seed;

/// The network of a folder. `network.forward(&images, &Mode::Eval)?` gives the logits of images (R, C, H, W), f32: values in
/// [0, 1] less `config.mean`, over `config.std`.
pub fn load(folder: &Path) -> Result<(Config, Network), Error> {
    let config = Config::read(&folder.join("config.json"))?;
    let spec =
        find(&config.architecture).ok_or_else(|| Error::Option(format!("no {}", config.architecture)))?;
    let mut params = Params::new(Seed::new(0), DType::F32, &Device::Cpu);
    let network = (spec.build)(&mut params, &config.options())?;
    weights::load(&params, &folder.join("model.safetensors"), weights::Head::MustFit)?;
    Ok((config, network))
}
