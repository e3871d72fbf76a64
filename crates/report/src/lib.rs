//! Everything people look at: progress, logs, event files, tables, plots, contact sheets and `report.html`.

mod error;
mod events;
mod font;
mod heatmap;
mod html;
mod log;
mod markup;
mod palette;
mod plot;
mod progress;
mod sheet;
mod table;

pub use error::{Error, Result};
pub use events::Events;
pub use heatmap::heatmap;
pub use html::{DataNotes, Report, SplitNote};
pub use log::{Epoch, Log, history};
pub use plot::{Chart, Line};
pub use progress::{Bar, Progress, Unit};
pub use sheet::{Sheet, Tile, caption};
pub use table::{Headline, table};
