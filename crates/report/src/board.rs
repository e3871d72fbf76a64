//! The pages of `tallow board`: what runs are there, one of them, several side by side. They look as reports do; what changes while
//! runs train stands in parts that a small script fetches again.

mod frame;
mod index;
mod run;
mod side;
mod spark;

use crate::palette::THEME;
use crate::plot::STYLE;
pub use frame::failed;
pub use index::{Index, Row, Tone};
pub use run::{Checkpoints, RunPage};
pub use side::{MOST, Side, SideRun, shortened};

/// The script of every page.
pub const SCRIPT: &str = include_str!("board/board.js");

/// The style of every page: that of reports, and what the board adds.
pub fn style() -> String {
    [THEME, STYLE, include_str!("html/page.css"), include_str!("board/board.css")].concat()
}

#[cfg(test)]
mod tests;
