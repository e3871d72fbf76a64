//! The recipe as written: text, overrides, places, and the walk that collects mistakes. What a recipe means is not here, but in
//! `plan`.

mod bounds;
mod document;
mod elsewhere;
mod marks;
mod path;
pub mod resolved;
mod walk;

pub use bounds::text_of;
pub use document::{Document, value_of};
pub use elsewhere::elsewhere;
#[cfg(test)]
pub use elsewhere::{BY_SECTION, ELSEWHERE};
pub use walk::Node;
