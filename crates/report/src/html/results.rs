//! The metrics at the top, and what their intervals are, once.

use super::Report;
use super::shell::note;
use crate::table::{bases, share};
use maud::{Markup, html};

impl Report {
    pub(super) fn results(&self) -> Markup {
        html! {
            (note(&self.evaluated))
            dl.tiles {
                @for metric in &self.headline {
                    div {
                        dt { (spoken(&metric.name)) }
                        dd { (share(metric.value)) }
                        @if let Some((low, high)) = metric.interval {
                            " " dd.interval { "[" (share(low)) ", " (share(high)) "]" }
                        }
                        @if !metric.note.is_empty() { dd.small { (metric.note) } }
                    }
                }
            }
            @for basis in bases(&self.headline) { p.note.below { "In brackets: " (basis) "." } }
            @if !self.ending.is_empty() { p.ending { (self.ending) } }
        }
    }
}

/// `macro_f1` as people say it.
pub(super) fn spoken(name: &str) -> String {
    let whole = match name {
        "ece" => "calibration error",
        "brier" => "Brier score",
        "log_loss" => "log loss",
        _ => "",
    };
    if !whole.is_empty() {
        return whole.into();
    }
    let words = name.split('_').map(|word| match word {
        "f1" => "F1".into(),
        "auroc" => "AUROC".into(),
        "mcc" => "MCC".into(),
        word => word.to_string(),
    });
    words.collect::<Vec<_>>().join(" ")
}
