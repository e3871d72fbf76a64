//! What was found, for a person.

use super::draft::Copies;
use super::groups::Groups;
use std::fmt::Write as _;
use tallow_data::{Survey, counted, first_few};

pub fn seen(found: &Survey) -> String {
    let mut text = format!("read as `{}`\n", found.source.name);
    let parts: Vec<(&str, Vec<u64>)> = found
        .facts
        .counts
        .iter()
        .map(|(part, counts)| (part.as_str(), counts.iter().map(|count| *count as u64).collect()))
        .collect();
    let parts: Vec<(&str, &[u64])> = parts.iter().map(|(part, counts)| (*part, &counts[..])).collect();
    text += &tallow_report::counts(&found.facts.classes, &parts);
    for line in facts(found) {
        let _ = writeln!(text, "  {line}");
    }
    text
}

/// Sizes, kinds, groups and what is odd, a line each.
fn facts(found: &Survey) -> Vec<String> {
    let (widths, heights) = (found.facts.widths, found.facts.heights);
    let sizes = match widths.least == widths.greatest && heights.least == heights.greatest {
        true => format!("all {} by {} pixels", widths.least, heights.least),
        false => format!(
            "{} to {} by {} to {} pixels, median {} by {}",
            widths.least, widths.greatest, heights.least, heights.greatest, widths.median, heights.median
        ),
    };
    let kinds: Vec<String> =
        found.facts.kinds.iter().map(|(kind, count)| format!("{kind} ({count})")).collect();
    let mut lines = vec![format!("{sizes}; {} (of {} looked at)", kinds.join(", "), found.facts.sampled)];
    lines.extend(unreadable(found));
    lines.extend(found.notes.iter().chain(&found.parts.notes).cloned());
    lines.extend(found.identical.problems());
    lines.extend(Copies::of(found).map(|copies| copies.said));
    lines.push(Groups::of(found).said);
    lines
}

/// Files that end early, counted; a line for each of the first few that cannot be read for another reason.
fn unreadable(found: &Survey) -> Vec<String> {
    let (early, others): (Vec<_>, Vec<_>) =
        found.facts.unreadable.iter().partition(|(_, reason)| reason.starts_with("truncated"));
    let names: Vec<&str> = early.iter().map(|(id, _)| id.as_str()).collect();
    let mut lines = Vec::new();
    match names.len() {
        0 => {}
        1 => lines.push(format!("1 file ends before its image does: {}", names[0])),
        many => {
            lines.push(format!(
                "{} end before their image does: {}",
                counted(many, "file"),
                first_few(&names)
            ));
        }
    }
    lines.extend(others.iter().take(FEW).map(|(id, reason)| format!("cannot be read: {id}: {reason}")));
    if others.len() > FEW {
        lines.push(format!("cannot be read: {} more", others.len() - FEW));
    }
    lines
}

const FEW: usize = 5;
