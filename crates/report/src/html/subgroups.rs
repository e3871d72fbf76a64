//! The metrics of subgroups: a table for each column of a file, each number with its interval on a line from 0 to 1.

use super::results::spoken;
use super::shell::{note, scroll};
use crate::Headline;
use crate::table::share;
use maud::{Markup, html};

/// The images divided by a column, and the metrics of each part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Division {
    /// Such as `sex`.
    pub column: String,
    /// How it was looked up, such as `by image of metadata.csv`.
    pub origin: String,
    /// What the numbers of parts count: `images` or `groups`.
    pub counted: String,
    pub parts: Vec<DivisionPart>,
    /// What a reader must know, as sentences.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct DivisionPart {
    /// Such as `female`.
    pub value: String,
    pub count: u64,
    /// The same metrics in each part.
    pub headline: Vec<Headline>,
}

/// All divisions, one below the other.
pub(super) fn subgroups(divisions: &[Division]) -> Markup {
    html! {
        (note("On the lines, from 0 to 1: each value and its interval."))
        @for division in divisions {
            div.division {
                (scroll(&format!("metrics by {}", division.column), table(division)))
                p.note.below { (division.origin) "." }
                @for text in &division.notes { p.plain { (text) } }
            }
        }
    }
}

fn table(division: &Division) -> Markup {
    let metrics = division.parts.first().map_or(&[][..], |part| &part.headline);
    html! {
        table.stack.classes {
            caption { (division.column) }
            thead {
                tr {
                    th {}
                    th.n { (division.counted) }
                    @for (colour, metric) in metrics.iter().enumerate() {
                        th { i.key style=(format!("background:var(--c{colour})")) {} (spoken(&metric.name)) }
                    }
                }
            }
            tbody {
                @for part in &division.parts {
                    tr {
                        th { (part.value) }
                        td.n data-name=(division.counted) { (part.count) }
                        @for (colour, metric) in part.headline.iter().enumerate() {
                            td data-name=(spoken(&metric.name)) {
                                (share(metric.value)) (line(metric, colour))
                                @if let Some((low, high)) = metric.interval {
                                    small { (share(low)) "–" (share(high)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The value on a track from 0 to 1, and its interval behind it; empty where there is no number.
fn line(metric: &Headline, colour: usize) -> Markup {
    let place = |value: f64| value.clamp(0., 1.) * 100.;
    html! {
        span.bar.range {
            @if let Some((low, high)) = metric.interval {
                i style=(format!("left:{:.1}%;width:{:.1}%;background:var(--c{colour})", place(low), place(high) - place(low))) {}
            }
            @if metric.value.is_finite() { b style=(format!("left:{:.1}%", place(metric.value))) {} }
        }
    }
}
