//! The policy engine: image policies change one image, mixes change the rows of a batch at a tap.
//!
//! Every mix draws `shares`, a row-stochastic matrix saying how much of each input row is in each output row. The engine
//! blends, and computes targets as `shares · targets`; no policy touches a target, and none knows a network.

/// `policies! { first, second }`: the modules of a folder, one policy each, and `SPECS`, in the order that
/// `tallow list policies` prints.
macro_rules! policies {
    ($($name:ident),* $(,)?) => {
        $(pub mod $name;)*
        pub(crate) const SPECS: &[&crate::Spec] = &[$(&$name::SPEC),*];
    };
}

mod engine;
pub mod image;
pub mod mix;
mod pixels;
mod schema;

pub use engine::branch_pass::{Applied, BranchPass, Rows};
pub use engine::image_chain::ImageChain;
pub use engine::image_policies::ImagePolicies;
pub use engine::pairing::{Order, Pairing};
pub use engine::policy::{Branch, INPUT, PENULTIMATE, Policy, TapUse, Tapped, View};
pub use engine::presets::{PRESETS, preset};
pub use engine::row_weights as weights;
pub use engine::shares::Shares;
pub use image::{ImagePolicy, ModelInput, Numbers};
pub use mix::{Inputs, Mask, Mix, MixContext, Mixing, PatchSource, Rect};
pub use pixels::saliency;
pub use schema::duration::{Duration, TrainingProgress, Window};
pub use schema::node::{Action, ENGINE_KEYS, Node};
pub use schema::parameters::{parameters, text};
pub use schema::quantity::{self, Fraction};
pub use schema::ramp::{Curve, Ramp};
pub use schema::spec::{BUILTIN, Build, Built, Mistake, Parsed, Registry, Spec};
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
