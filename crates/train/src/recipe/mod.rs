//! The recipe as written: text, overrides, places, and the walk that collects mistakes. What a recipe means is not here, but in
//! `plan`.

mod document;
mod elsewhere;
mod marks;
mod path;
pub mod resolved;
mod walk;

pub use document::Document;
#[cfg(test)]
pub use elsewhere::ELSEWHERE;
pub use elsewhere::elsewhere;
pub use walk::Node;
