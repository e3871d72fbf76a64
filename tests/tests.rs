//! What holds for the whole program. One binary; this is its table of contents.
//!
//! - [`cli`]: the commands as a person types them, and what bad input leads to.

mod cli;
/// The built programs, each started in a folder of its own.
mod program;
