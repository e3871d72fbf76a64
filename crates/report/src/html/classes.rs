//! Each class in a row: its metrics, each in a colour of its own with a bar beside the number; and the confusion.

use super::Report;
use super::shell::{note, scroll};
use crate::heatmap;
use crate::table::share;
use maud::{Markup, PreEscaped, html};
use tallow_metrics::{ClassIntervals, ClassSummary, Summary};

/// Names longer than this leave no room for the confusion beside the table.
const LONG: usize = 14;

/// What it is called, how it is read, and its interval.
type Metric = (&'static str, fn(&ClassSummary) -> f64, fn(&ClassIntervals) -> Option<(f64, f64)>);

const METRICS: [Metric; 5] = [
    ("precision", |class| class.precision, |ends| ends.precision),
    ("recall", |class| class.recall, |ends| ends.recall),
    ("specificity", |class| class.specificity, |ends| ends.specificity),
    ("F1", |class| class.f1, |ends| ends.f1),
    ("AUROC", |class| class.auroc, |ends| ends.auroc),
];

impl Report {
    /// The table and, beside it where there is room, the confusion.
    pub(super) fn per_class(&self, summary: &Summary) -> Markup {
        let names: Vec<String> = summary.per_class.iter().map(|class| class.class.clone()).collect();
        let (map, width) = heatmap::inline(&names, &summary.confusion);
        let is_long = names.iter().any(|name| name.chars().count() > LONG);
        html! {
            (note(&self.evaluated))
            div.pair.long[is_long] {
                (scroll("metrics of each class", table(&summary.per_class, &self.intervals)))
                div.map style=(format!("--drawn:{width:.0}px")) {
                    figure {
                        (scroll("confusion", PreEscaped(map)))
                        figcaption { "Counts, shaded by the share of the true class." }
                    }
                }
            }
            @if !self.intervals.is_empty() {
                p.note.below { "Small print: intervals as of the results; of a number that is 0 or 1, Wilson's; none where a class is never called, or no resample differs." }
            }
        }
    }
}

fn table(classes: &[ClassSummary], intervals: &[ClassIntervals]) -> Markup {
    html! {
        table.stack.classes {
            thead {
                tr {
                    th { "class" }
                    @for (colour, (name, ..)) in METRICS.iter().enumerate() {
                        th { i.key style=(format!("background:var(--c{colour})")) {} (name) }
                    }
                    th.n { "images" }
                }
            }
            tbody {
                @for (at, class) in classes.iter().enumerate() {
                    tr {
                        th { (class.class) }
                        @for (colour, (name, of, ends)) in METRICS.iter().enumerate() {
                            td data-name=(name) {
                                (share(of(class))) (bar(of(class), colour))
                                @if let Some((low, high)) = intervals.get(at).and_then(ends) {
                                    small { (share(low)) "–" (share(high)) }
                                }
                            }
                        }
                        td.n data-name="images" { (class.support) }
                    }
                }
            }
        }
    }
}

/// A track with a part filled; empty where there is no number.
fn bar(value: f64, colour: usize) -> Markup {
    let filled = if value.is_finite() { value.clamp(0., 1.) * 100. } else { 0. };
    html! { span.bar { i style=(format!("width:{filled:.1}%;background:var(--c{colour})")) {} } }
}
