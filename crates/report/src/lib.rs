//! Everything people look at: progress, logs, event files, tables, plots, contact sheets and `report.html`.

mod bars;
mod branch_metrics;
mod counts;
mod error;
mod events;
mod font;
mod heatmap;
mod html;
mod intervals;
mod log;
mod markup;
mod overlay;
mod page;
mod palette;
mod plot;
mod progress;
mod scatter;
mod sheet;
mod table;

pub use bars::Bars;
pub use branch_metrics::{Applied, BranchMetrics};
pub use counts::counts;
pub use error::{Error, Result};
pub use events::Events;
pub use heatmap::heatmap;
pub use html::{DataNotes, Doubt, Mistake, Mistakes, Report, SplitNote};
pub use intervals::Intervals;
pub use log::{Epoch, Log, history};
pub use overlay::overlay;
pub use page::{Figure, Grid, Page, Section};
pub use plot::{Chart, Line};
pub use progress::{Bar, Progress, Unit, duration};
pub use scatter::Scatter;
pub use sheet::{Matrix, Sheet, Source, Tile, caption};
pub use table::{Headline, numbered, table};
