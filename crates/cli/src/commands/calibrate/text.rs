//! A calibration for a terminal of 80 columns.

use super::{Found, Scores, goals};
use crate::wrap::wrapped;
use tallow_data::counted;
use tallow_metrics::{Calibrator, SetScore, wilson};

pub fn text(found: &Found) -> String {
    let mut out = format!("{}: {}\n\n", found.name, found.calibration.describe());
    scores(found, &mut out);
    let mut notes = Vec::new();
    match (&found.calibration.probabilities, &found.cross_fitted) {
        (None, _) => {}
        (Some(_), Ok(_)) => notes.push(
            "cross-fitted: each image by a calibration of the other four fifths, divided by group; what is to be expected of \
             new images like these. The column before it is of the images that were fitted to"
                .to_owned(),
        ),
        (Some(_), Err(why)) => notes.push(format!(
            "no cross-fitting ({why}): the second column is of the images that were fitted to, and too good"
        )),
    }
    if let Some(Calibrator::Temperature { temperature }) = found.calibration.probabilities {
        let way = if temperature > 1.0 { "surer than it was right" } else { "less sure than it was right" };
        notes.push(format!("the network was {way}; its predictions stay the same"));
    }
    notes.iter().for_each(|note| out += &(wrapped(note, 0) + "\n"));
    for (threshold, called) in found.calibration.thresholds.iter().zip(&found.called) {
        out += &format!("\n{}", goals::lines(&threshold.class, threshold.at, called));
    }
    for decision in decisions(found) {
        out += &format!("\n{}\n", wrapped(&decision, 0));
    }
    for warning in found.warnings() {
        out += &format!("\n{}\n", wrapped(&format!("warning: {warning}"), 0));
    }
    if !found.called.is_empty() || found.risk.is_some() {
        out += "\nin brackets: Wilson's 95 % intervals, as if images were independent\n";
    }
    out
}

fn scores(found: &Found, out: &mut String) {
    let names = ["log loss", "Brier score", "calibration error", "… by class (mean)"];
    let columns: Vec<(&str, &Scores)> = [
        Some(("before", &found.before)),
        found.after.as_ref().map(|scores| ("after", scores)),
        found.cross_fitted.as_ref().ok().map(|scores| ("cross-fitted", scores)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let line = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>14}")).collect();
        format!("{name:<20}{cells}\n")
    };
    *out += &line("", columns.iter().map(|(name, _)| (*name).to_owned()).collect());
    for (at, name) in names.into_iter().enumerate() {
        *out +=
            &line(name, columns.iter().map(|(_, scores)| format!("{:.4}", scores.rows()[at].1)).collect());
    }
    out.push('\n');
}

/// What else is decided, a sentence each.
fn decisions(found: &Found) -> Vec<String> {
    let mut notes = Vec::new();
    if found.calibration.costs.is_some() {
        notes.push("decided by the least expected cost".to_owned());
    }
    if let (Some(sets), Some(like)) = (&found.calibration.sets, &found.sets) {
        let score = match sets.score {
            SetScore::Lac => "1 − p",
            SetScore::Aps => "the sum of p down to the class",
        };
        let empty = match like.empty {
            0 => String::new(),
            empty => format!(", {} with none", counted(empty as usize, "image")),
        };
        notes.push(format!(
            "sets that hold the truth in {} of new images like these (score: {score}): {:.2} classes on average{empty}",
            percent(sets.coverage),
            like.size
        ));
        if like.right > sets.coverage {
            let right = percent(like.right);
            notes.push(format!("the most probable class alone is right in {right}: ask for more, or there is nothing to add to it"));
        }
        let open: Vec<&str> = found
            .calibration
            .classes
            .iter()
            .zip(&sets.quantiles)
            .filter(|(_, q)| q.is_none())
            .map(|(class, _)| &**class)
            .collect();
        if !open.is_empty() {
            notes.push(format!(
                "too few images for that coverage: in every set is {}",
                tallow_data::first_few(&open)
            ));
        }
    }
    if let Some(risk) = &found.risk {
        let interval = wilson(risk.wrong, risk.images, 0.95)
            .map_or(String::new(), |(low, high)| format!(" ({low:.3} to {high:.3})"));
        notes.push(format!(
            "left to a person below {:.4}: {} decided, of which {:.3}{interval} wrong",
            risk.at,
            percent(risk.coverage),
            risk.wrong as f64 / risk.images as f64
        ));
    }
    notes.extend(found.decided.iter().flat_map(|decided| decided.lines("image")));
    notes
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
