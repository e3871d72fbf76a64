//! The recipe as written: text, overrides, places, and the walk that collects mistakes.

mod document;
mod marks;
mod walk;

pub use document::Document;
pub use walk::Node;
