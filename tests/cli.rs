//! The commands as a person types them.

mod aloud;
mod asking;
mod calibrate;
mod compare;
mod doctor;
mod eval;
mod look;
mod maps;
mod predict;
mod stats;
mod train;
mod weights;

use crate::program::{Desk, TINY};
use serde_json::Value;
use std::sync::OnceLock;

/// A desk with a trained `run`, which tests only read; and what `train --json` said of it.
fn trained() -> &'static (Desk, Value) {
    static TRAINED: OnceLock<(Desk, Value)> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let desk = Desk::shared("trained");
        desk.write("tiny.yaml", TINY);
        let said = desk.train(&["tiny.yaml", "--out", "run", "--json"]).ok();
        let json = said.json();
        (desk, json)
    })
}

/// A picture of two colours.
fn picture(side: u32, shift: u8) -> image::RgbImage {
    image::RgbImage::from_fn(side, side, |x, y| image::Rgb([shift, (x * 7) as u8, (y * 5) as u8]))
}
