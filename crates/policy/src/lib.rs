//! The policy engine: image policies change one image, mixes change the rows of a batch at a tap.
//!
//! Every mix draws `shares`, a row-stochastic matrix saying how much of each input row is in each output row. The engine
//! blends, and computes targets as `shares · targets`; no policy touches a target, and none knows a network.
//!
//! A policy is written in YAML, or is a [`preset`]. A [`Branch`] of it is begun once for each batch, and an [`ImageChain`] runs on
//! each image:
//!
//! ```
//! use candle_core::Device;
//! use tallow_policy::{INPUT, Image, ImageChain, Policy, Registry, Rows, Seed, Tensor, TrainingProgress};
//!
//! let registry = Registry::builtin();
//! let list = serde_yaml::from_str("[ { flip: { p: 0.5 } }, { rotate: { degrees: 20 } } ]")?;
//! let chain = ImageChain::parse(&list, &registry, (8, 8), [0.5; 3]).expect("no mistakes");
//! let image = Image { width: 8, height: 8, pixels: vec![200; 8 * 8 * 3] };
//! let image = chain.run(image, Seed::new(1).fold("image", 0))?;
//!
//! // CutMix, and for every second batch ζ-mixup of what came out.
//! let text = "branches: [ { policies: [ { cutmix: { alpha: 1.0 } }, { zeta_mixup: { gamma: 2.8 }, p: 0.5 } ] } ]";
//! let policy = Policy::parse("mine", &serde_yaml::from_str(text)?, &registry).expect("no mistakes");
//!
//! // A batch of four images in three classes, (R, C, H, W).
//! let values = Tensor::arange(0f32, 768.0, &Device::Cpu)?.reshape((4, 3, 8, 8))?;
//! let rows = Rows::one_hot(vec![0, 1, 2, 1], vec![None; 4], 3);
//! let mut pass = policy.branches[0].begin(&rows, Seed::new(1).fold("step", 0), TrainingProgress::START);
//! let mixed = pass.at(INPUT, values)?;
//! assert_eq!(mixed.dims(), [4, 3, 8, 8]);
//! for (target, shares) in pass.targets().chunks(3).zip(pass.shares().rows()) {
//!     println!("label {target:?}, made of (row, share) {shares:?}");
//!     assert!((target.iter().sum::<f64>() - 1.0).abs() < 1e-12);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Inside a network [`BranchPass::at`] is called at every tap, and is differentiable. A policy of one's own is a [`Spec`] that is
//! pushed onto the [`Registry`].

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
