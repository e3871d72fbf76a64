//! From probabilities to decisions: a threshold, costs, sets of classes, and images that are left to a person.

mod costs;
mod risk;
mod sets;
mod threshold;

pub use costs::Costs;
pub use risk::{Risk, Risks};
pub use sets::{ClassSets, SetScore};
pub use threshold::{Called, Goal, Threshold};
