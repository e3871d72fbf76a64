//! The scores that `--metrics` names, for programs and for a terminal.

use serde_json::{Value, json};
use tallow_metrics::{Better, Score};
use tallow_report::Headline;

pub fn json(scored: &[(&Score, Headline)], images: usize, rows: usize) -> Value {
    let score = |(score, line): &(&Score, Headline)| {
        json!({
            "name": line.name,
            "value": line.value,
            "better": if score.better == Better::Lower { "lower" } else { "higher" },
            "interval": line.interval,
        })
    };
    json!({
        "images": images,
        "rows": rows,
        "intervals": basis(scored),
        "scores": scored.iter().map(score).collect::<Vec<_>>(),
    })
}

pub fn text(scored: &[(&Score, Headline)]) -> String {
    let width = scored.iter().map(|(_, line)| line.name.chars().count()).max().unwrap_or(0);
    let line = |(_, line): &(&Score, Headline)| {
        let ends = line.interval.map_or(String::new(), |(low, high)| format!("  [{low:.3}, {high:.3}]"));
        let value = if line.value.is_nan() { "–".to_owned() } else { format!("{:.3}", line.value) };
        let note = if line.note.is_empty() { String::new() } else { format!("  {}", line.note) };
        format!("{:<width$}  {value:>5}{ends}{note}\n", line.name)
    };
    let lines: String = scored.iter().map(line).collect();
    lines + &basis(scored).map_or(String::new(), |basis| format!("\nintervals: {basis}\n"))
}

/// Of the intervals that are there.
fn basis<'a>(scored: &'a [(&Score, Headline)]) -> Option<&'a str> {
    scored.iter().find(|(_, line)| line.interval.is_some()).map(|(_, line)| line.basis.as_str())
}
