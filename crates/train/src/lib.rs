//! From a recipe to a trained network: recipe → plan → run → fit.

pub mod bench;
mod branch_gradients;
mod card;
mod checkpoint;
mod clip;
#[cfg(test)]
mod curve;
mod data;
mod device;
mod dry_batch;
mod ema;
mod error;
mod evaluate;
mod export;
mod fit;
mod folder;
mod learner;
mod lock;
mod loss;
mod model;
mod optimizer;
mod plan;
mod present;
mod preview;
mod publish;
mod recipe;
mod replay;
mod run;
mod schedule;
pub mod stats;
mod step;
mod upload;
mod warnings;
mod weights;

pub use card::is_sealed as is_own_card;
pub use checkpoint::{Best, find as find_checkpoint};
pub use data::{Data, part};
pub use device::{Choice, name as device_name};
pub use error::{Error, Result};
pub use evaluate::{evaluate, forward, probabilities};
pub use export::{Exported, Library, export};
pub use fit::{Fitted, Tried, fit, try_out};
pub use folder::{Earlier, Folder};
pub use model::{Model, Start};
pub use plan::{Plan, Weights, check_preset, is_preset};
pub use present::{claim, headline, intervals, report};
pub use preview::preview;
pub use publish::{Assembled, Words, assemble};
pub use replay::{Replay, replay};
pub use run::{Run, inspect};
pub use step::{Step, step};
pub use upload::Statistics;
#[cfg(feature = "hub")]
pub use weights::Transfers;

/// Of tallow.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Of the sources this was built from, or `unknown`.
pub const COMMIT: &str = env!("TALLOW_COMMIT");
