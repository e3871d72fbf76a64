//! From a recipe to a trained network: recipe → plan → run → fit; what is looked at without a training, and what leaves it.
//!
//! ```no_run
//! use std::path::Path;
//! use tallow_policy::Registry;
//! use tallow_report::Progress;
//! use tallow_train::{Earlier, Folder, Plan, Run, Start, Stop, fit, report};
//!
//! let (registry, progress) = (Registry::builtin(), Progress::stderr());
//! let plan = Plan::read(Path::new("recipes/quickstart.yaml"), &["length=2 epochs".to_owned()], &registry)?;
//! let folder = Folder::inspect(Path::new("checkpoints/mine"), &plan, Earlier::Refuse)?;
//! let run = Run::build(plan, Start::Recipe, &progress)?;
//! let fitted = fit(&run, &folder, &progress, &Stop::default())?; // `ask` would stop it
//! report(&run, &folder, &fitted)?;
//! println!("{}: {:.3} after {} epochs", run.plan().select.name, fitted.best.value, fitted.epochs);
//! # Ok::<(), tallow_train::Error>(())
//! ```

mod error;
mod fit;
mod inspect;
mod plan;
mod recipe;
mod run;
mod share;
pub mod sweep;
pub mod watch;

pub use error::{Error, Result, is_of_full_disk};
pub use fit::ensemble::Ensemble;
pub use fit::evaluate::{evaluate, forward, probabilities};
pub use fit::verify as verify_checkpoint;
pub use fit::{
    Best, BranchStep, DryRun, Earlier, Fitted, Folder, MixStep, Rates, Step, Stop, dry_run, fit,
    training_step,
};
pub use inspect::{CamMethod, Explained, Explainer, Preview, Replay, bench, doctor, preview, replay, stats};
pub use plan::{
    Key as RecipeKey, Plan, RunLength, SECTIONS as RECIPE, Section as RecipeSection, Weights, check_preset,
    is_preset,
};
pub use recipe::{elsewhere, value_of};
#[cfg(feature = "hub")]
pub use run::Transfers;
pub use run::{
    Batch, Batches, Calibration, Data, DataCheck, DeviceChoice, FittedOn, Memory, Model, Precision,
    Pretrained, Run, Start, Statistics, Transforms, Tta, check_data, device_name, inspect, part, pretrained,
};
pub use share::{
    Asked, Assembled, Evaluation, Exported, Library, Measured, PublishOptions, add_class_intervals, assemble,
    claim, described, ending, export, headline, intervals, is_own_card, measured, report, scored,
    without_intervals,
};

/// Of tallow.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Of the sources this was built from, or `unknown`.
pub const COMMIT: &str = env!("TALLOW_COMMIT");
