//! From probabilities to decisions: a threshold, costs, sets of classes, and images that are left to a person.

mod costs;
mod risk;
mod sets;
mod threshold;

pub use costs::Costs;
pub use risk::{Risk, area_under_risk, coverage_at, risk_at};
pub use sets::{ClassSets, SetScore};
pub use threshold::{Called, Goal, Threshold};
