//! The model zoo: a network is a list of named stages; the boundaries between stages are taps.
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use tallow_models::{Mode, ModelOptions, Params, find};
//! use tallow_seed::Seed;
//!
//! let spec = find("resnet20").unwrap();
//! let mut params = Params::new(Seed::new(1), DType::F32, &Device::Cpu);
//! let network = (spec.build)(&mut params, &ModelOptions::new(7))?;
//! let images = Tensor::zeros((2, 3, 32, 32), DType::F32, &Device::Cpu)?;
//! assert_eq!(network.forward(&images, &Mode::Eval)?.dims(), [2, 7]);
//! # Ok::<(), tallow_models::Error>(())
//! ```
//!
//! [`Params::from_var_builder`] takes the tensors from candle's `VarBuilder`, [`Params::var_map`] gives them as a `VarMap`, and a
//! [`Network`] is a `candle_nn::ModuleT`. `examples/candle_loop` of the repository is a training loop of that kind.
//!
//! No architecture knows that mixing exists, and no model touches a file but through [`weights`].

mod activations;
mod cifar_resnet;
pub mod config;
mod convnext;
mod densenet;
mod efficientnet;
mod file;
pub mod layers;
mod mobile;
mod mobilenet_v2;
mod mobilenet_v3;
mod network;
pub mod onnx;
mod params;
mod preact;
mod resnet;
mod sequence;
mod swin;
mod vgg;
mod vit;
pub mod weights;
mod zoo;

pub use activations::StageBytes;
pub use network::{Layer, Mode, Network, Outline, Stage};
pub use params::{Count, Init, Param, Params};
pub use zoo::{MODELS, ModelOptions, ModelSpec, Peer, Stem, find};

pub type Result<T> = std::result::Result<T, Error>;

/// What can be wrong with a model or its weights.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Names or shapes of a weights file that do not fit; the message holds the difference.
    #[error("{0}")]
    Mismatch(String),
    /// A recipe asks for what the model does not have.
    #[error("{0}")]
    Option(String),
    /// A file that is missing, broken, or of another kind; the message begins with its path.
    #[error("{0}")]
    File(String),
    /// Weights that cannot be written.
    #[error("{path}: cannot write the weights: {source}", path = path.display())]
    Write { path: std::path::PathBuf, source: std::io::Error },
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}
