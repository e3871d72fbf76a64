//! Rows made of rows: weighted sums of whole ones, and parts of one in place of another's. What to mix is drawn elsewhere, and
//! labels are made elsewhere.

mod composite;
pub mod gpu;
mod partner;
mod resized;
pub mod rows;

pub use composite::{blend_masks, paste_boxes};
pub use resized::paste_resized;
pub use rows::mix_rows;
