//! From a recipe to a trained network: recipe → plan → run → fit; what is looked at without a training, and what leaves it.

mod error;
mod fit;
mod inspect;
mod plan;
mod recipe;
mod run;
mod share;

pub use error::{Error, Result};
pub use fit::checkpoint::find as find_checkpoint;
pub use fit::evaluate::{evaluate, forward, probabilities};
pub use fit::{
    Best, BranchStep, DryRun, Earlier, Fitted, Folder, MixStep, Rates, Step, dry_run, fit, training_step,
};
pub use inspect::{Preview, Replay, bench, preview, replay, stats};
pub use plan::{
    Key as RecipeKey, Plan, RunLength, SECTIONS as RECIPE, Section as RecipeSection, Weights, check_preset,
    is_preset,
};
pub use recipe::elsewhere;
#[cfg(feature = "hub")]
pub use run::Transfers;
pub use run::{
    Batch, Batches, Data, DeviceChoice, Memory, Model, Pretrained, Run, Start, Statistics, Transforms,
    device_name, inspect, part, pretrained,
};
pub use share::{
    Assembled, Exported, Library, PublishOptions, assemble, claim, ending, export, headline, intervals,
    is_own_card, report,
};

/// Of tallow.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Of the sources this was built from, or `unknown`.
pub const COMMIT: &str = env!("TALLOW_COMMIT");
