//! One run: how it stands, its curves, what it said, its checkpoints, its recipe.

use super::frame::{back, live, page, section};
use super::index::Row;
use crate::html::shell::scroll;
use crate::html::{recipe, spoken};
use crate::table::share;
use crate::{Chart, Grid};
use maud::{Markup, PreEscaped, html};

/// The page of a run.
#[derive(Clone, Debug, Default)]
pub struct RunPage {
    pub row: Row,
    /// Its report, where there is one.
    pub report: Option<String>,
    /// What went wrong without ending it, as sentences.
    pub warnings: Vec<String>,
    pub charts: Vec<Chart>,
    /// The last lines that it said.
    pub said: Vec<String>,
    pub checkpoints: Checkpoints,
    /// Without defaults, and with them.
    pub recipe: [String; 2],
    /// How it is looked at in a shell.
    pub commands: Vec<String>,
}

/// Metrics of `best` and `last`, by name.
#[derive(Clone, Debug, Default)]
pub struct Checkpoints {
    pub rows: Vec<(String, [Option<f64>; 2])>,
}

impl RunPage {
    pub fn html(&self) -> String {
        let Row { id, about, .. } = &self.row;
        let header = html! {
            h1 { (id) }
            @if !about.is_empty() { p.subject { (about) } }
            (back())
        };
        let body = html! {
            (live("now", self.now()))
            (live("curves", self.curves()))
            (live("said", self.said()))
            (live("checkpoints", self.metrics()))
            @if !self.recipe[0].is_empty() {
                (section("recipe", "Recipe", html! {
                    p.note { "Keys that are as they are by default are folded away." }
                    (recipe(&self.recipe[0]))
                    details #whole { summary { "with all defaults" } (recipe(&self.recipe[1])) }
                }))
            }
            @if !self.commands.is_empty() {
                (section("commands", "In a shell", html! { pre { (self.commands.join("\n")) } }))
            }
        };
        page(id, header, body)
    }

    fn now(&self) -> Markup {
        let row = &self.row;
        let tile = |name: &str, value: &str, small: &str| {
            html! {
                @if !value.is_empty() {
                    div { dt { (name) } dd { (value) } @if !small.is_empty() { dd.small { (small) } } }
                }
            }
        };
        let metric = spoken(&row.metric);
        let number = |value: Option<f64>| value.map_or(String::new(), share);
        let best = row.best.map_or(String::new(), |(value, _)| share(value));
        let of =
            row.best.map_or(String::new(), |(_, epoch)| format!("epoch {epoch}, by which it is selected"));
        let begun = if row.begun.is_empty() { String::new() } else { format!("begun {}", row.begun) };
        section(
            "state",
            "State",
            html! {
                p { i class=(row.tone.class()) {} b { (row.standing) } @if !row.when.is_empty() { ", " (row.when) } }
                dl.tiles {
                    (tile("epoch", &row.epoch, &begun))
                    (tile(&format!("best {metric}"), &best, &of))
                    (tile(&format!("last {metric}"), &number(row.last), ""))
                    (tile("loss", &number(row.loss), "of the last step"))
                    (tile("speed", &row.speed, if row.left.is_empty() { "" } else { "as seen from here" }))
                    (tile("time left", &row.left, ""))
                }
                @for warning in &self.warnings { p.ending { (warning) } }
                @if let Some(report) = &self.report { p.below { a href=(report) { "its report" } } }
            },
        )
    }

    fn curves(&self) -> Markup {
        section(
            "plots",
            "Curves",
            html! {
                @if self.charts.is_empty() { p.note { "No step was logged yet." } }
                (charts(&self.charts))
            },
        )
    }

    fn said(&self) -> Markup {
        html! {
            @if !self.said.is_empty() {
                (section("words", "What it said", html! { pre { (self.said.join("\n")) } }))
            }
        }
    }

    fn metrics(&self) -> Markup {
        let rows = &self.checkpoints.rows;
        let text = |value: Option<f64>| value.map_or("–".into(), share);
        let row =
            |(name, [best, last]): &(String, [Option<f64>; 2])| vec![spoken(name), text(*best), text(*last)];
        let grid = Grid {
            columns: ["metric", "best", "last"].map(str::to_owned).to_vec(),
            rows: rows.iter().map(row).collect(),
            ..Grid::default()
        };
        html! {
            @if !rows.is_empty() {
                (section("metrics", "Checkpoints", html! {
                    p.note { "Of the validation part, by the weights that are kept as best and as last." }
                    (grid.html())
                }))
            }
        }
    }
}

pub(super) fn charts(charts: &[Chart]) -> Markup {
    html! { div.charts { @for chart in charts { figure { (PreEscaped(chart.inline())) } } } }
}

/// A table of texts whose first column is names.
pub(super) fn texts(name: &str, columns: &[String], rows: &[(String, Vec<String>)]) -> Markup {
    scroll(
        name,
        html! {
            table.stack {
                thead { tr { th { (name) } @for column in columns { th { (column) } } } }
                tbody {
                    @for (name, cells) in rows {
                        tr { th { (name) } @for (cell, column) in cells.iter().zip(columns) { td.text data-name=(column) { (cell) } } }
                    }
                }
            }
        },
    )
}
