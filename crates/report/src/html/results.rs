//! The metrics at the top, and what their intervals are, once.

use super::shell::note;
use super::{PerGroup, Report};
use crate::Headline;
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
            @if let Some(per_group) = &self.per_group { (one_a_group(per_group)) }
            @for basis in bases(&self.headline) { p.note.below { "In brackets: " (basis) "." } }
            @if !self.ending.is_empty() { p.ending { (self.ending) } }
        }
    }
}

/// One sentence: what the metrics are of whole groups.
fn one_a_group(PerGroup { groups, headline }: &PerGroup) -> Markup {
    let metric = |metric: &Headline| {
        let ends = metric
            .interval
            .map_or(String::new(), |(low, high)| format!(" [{}, {}]", share(low), share(high)));
        format!("{} {}{ends}", spoken(&metric.name), share(metric.value))
    };
    let metrics: Vec<String> = headline.iter().map(metric).collect();
    let counted = "Each counted once, with the mean of its images' probabilities (";
    html! { p.below { (counted) (groups) "): " (metrics.join(", ")) "." } }
}

/// `macro_f1` as people say it.
pub fn spoken(name: &str) -> String {
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
