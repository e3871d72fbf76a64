//! The policy engine: image policies change one image, mixes change the rows of a batch at a tap.
//!
//! Every mix draws `shares`, a row-stochastic matrix saying how much of each input row is in each output row. The engine
//! blends, and computes targets as `shares · targets`; no policy touches a target, and none knows a network.

mod affine;
mod blend;
mod branch_pass;
mod builtin;
mod card;
mod chain;
mod colour;
mod convolution;
mod duration;
mod fourier;
mod gaussian;
pub mod image;
mod jpeg;
pub mod mix;
mod node;
mod operation;
mod pairing;
mod parameters;
mod parse;
mod presets;
pub mod quantity;
mod ramp;
mod region;
mod resample;
pub mod saliency;
mod shares;
mod spec;
mod stream;
mod stroke;
mod timm;
pub mod weights;

pub use branch_pass::{Applied, BranchPass, Rows};
pub use builtin::BUILTIN;
pub use chain::ImageChain;
pub use duration::{Duration, TrainingProgress, Window};
pub use image::{ImagePolicy, ModelInput, Numbers};
pub use mix::{Inputs, Mask, Mix, MixContext, Mixing, Place, Rect};
pub use node::{Action, Branch, INPUT, Node, PENULTIMATE, Policy, TapUse, Tapped, View};
pub use pairing::{Order, Pairing};
pub use parameters::{Fraction, NonNegative, Positive, parameters, text};
pub use parse::ENGINE_KEYS;
pub use presets::{PRESETS, preset};
pub use ramp::{Curve, Ramp, Ramped};
pub use shares::Shares;
pub use spec::{Build, Built, Mistake, Parsed, Registry, Spec};
// What the signatures of a policy and its tests name, so that one can be written against this crate alone.
pub use candle_core::Tensor;
pub use serde_yaml::Value;
pub use tallow_data::Image;
pub use tallow_seed::{Rng, Seed};

pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong while a policy runs. Mistakes in a recipe are [`Mistake`]s, found before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("{policy}: {problem}")]
    Policy { policy: String, problem: String },
    #[error(transparent)]
    Data(#[from] tallow_data::Error),
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}
