//! A run of another length than its recipe was written for: durations that would not fit become the parts of the run that they were.

use super::length::share_of;
use crate::recipe::Document;
use serde_yaml::{Mapping, Value};
use tallow_policy::{Duration, text};

/// Durations of a recipe, by their keys below a choice or a section.
const DURATIONS: [&str; 3] = ["warmup", "every", "at"];

/// Where the command line changes `length` alone, and the schedule's or the freezing's durations do not fit into it, or cannot be
/// compared with it: writes them as fractions of the run, as they were of the written length. Returns a note for each.
pub fn fit_to_length(document: &mut Document) -> Vec<String> {
    let lengths = |value: &Value| Duration::parse(value).ok();
    let written = document.before_overrides("length").and_then(lengths);
    let now = document.value.get("length").and_then(lengths);
    let (Some(written), Some(now)) = (written, now) else { return Vec::new() };
    let mut notes = Vec::new();
    if !document.is_overridden("schedule")
        && let Some(Value::Mapping(choice)) = document.value.get_mut("schedule")
        && let Some((name, Value::Mapping(map))) = choice.iter_mut().next()
    {
        let place = format!("schedule.{}", text(name));
        notes.extend(fit(map, &place, &DURATIONS, written, now));
    }
    if !document.is_overridden("model.freeze")
        && let Some(Value::Mapping(map)) = document.value.get_mut("model").and_then(|m| m.get_mut("freeze"))
    {
        notes.extend(fit(map, "model.freeze", &["until"], written, now));
    }
    notes
}

/// All durations of a mapping, or none: they belong together.
fn fit(map: &mut Mapping, place: &str, keys: &[&str], written: Duration, now: Duration) -> Vec<String> {
    let parse = |value: &Value| Duration::parse(value).ok().filter(|d| !matches!(d, Duration::Fraction(_)));
    let written_at = |key: &str| match map.get(key) {
        Some(Value::Sequence(items)) => items.iter().filter_map(parse).collect(),
        other => other.and_then(parse).into_iter().collect::<Vec<_>>(),
    };
    let (warmup, later): (Vec<&str>, Vec<&str>) = keys.iter().partition(|key| **key == "warmup");
    let all = |keys: &[&str]| keys.iter().flat_map(|key| written_at(key)).collect::<Vec<Duration>>();
    let (warmup, later) = (all(&warmup), all(&later));
    // The part of a run that the warm-up and what follows it longest take together.
    let taken = |length: Duration| -> Option<f64> {
        let longest = |durations: &[Duration]| {
            durations.iter().map(|d| share_of(length)(*d)).try_fold(0.0, |most, share| Some(share?.max(most)))
        };
        Some(longest(&warmup)? + longest(&later)?)
    };
    let did_fit = taken(written).is_some_and(|taken| taken < 1.0);
    if (warmup.is_empty() && later.is_empty()) || !did_fit || taken(now).is_some_and(|taken| taken < 1.0) {
        return Vec::new();
    }
    let share = share_of(written);
    let as_share = |value: &mut Value, at: String, notes: &mut Vec<String>| {
        if let Some(part) = parse(value).and_then(&share) {
            let rounded = (part * 1e4).round().max(1.0) / 1e4;
            notes.push(format!(
                "{at}: {} of {written} are taken as {rounded} of {now}, which `length` is now",
                text(value)
            ));
            *value = rounded.into();
        }
    };
    let mut notes = Vec::new();
    for key in keys {
        match map.get_mut(*key) {
            Some(Value::Sequence(items)) => {
                for (index, item) in items.iter_mut().enumerate() {
                    as_share(item, format!("{place}.{key}[{index}]"), &mut notes);
                }
            }
            Some(value) => as_share(value, format!("{place}.{key}"), &mut notes),
            None => {}
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The schedule and the notes of a recipe under these overrides.
    fn shortened(recipe: &str, overrides: &[&str]) -> (String, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.yaml");
        std::fs::write(&path, recipe).unwrap();
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        let mut document = Document::read(&path, &overrides).unwrap();
        let notes = fit_to_length(&mut document);
        (serde_json::to_string(&document.value["schedule"]).unwrap(), notes)
    }

    const COSINE: &str = "length: 100 epochs\nschedule: { cosine: { lr: 0.1, warmup: 5 epochs } }\n";

    #[test]
    fn a_warmup_that_fits_no_more_is_the_part_that_it_was() {
        let (schedule, notes) = shortened(COSINE, &["length=3 epochs"]);
        assert_eq!(schedule, r#"{"cosine":{"lr":0.1,"warmup":0.05}}"#);
        assert_eq!(
            notes,
            [
                "schedule.cosine.warmup: 5 epochs of 100 epochs are taken as 0.05 of 3 epochs, which `length` is now"
            ]
        );
        // Steps cannot be compared with epochs before the data are open.
        assert_eq!(shortened(COSINE, &["length=20 steps"]).0, r#"{"cosine":{"lr":0.1,"warmup":0.05}}"#);
        for overrides in
            [&["length=30 epochs"][..], &["seed=2"], &["length=3 epochs", "schedule.cosine.lr=1"]]
        {
            let (schedule, notes) = shortened(COSINE, overrides);
            assert!(schedule.contains("5 epochs") && notes.is_empty(), "{overrides:?}: {schedule}");
        }
    }

    #[test]
    fn milestones_move_together() {
        let recipe = "length: 200 epochs
schedule: { multistep: { lr: 0.1, warmup: 10 epochs, at: [ 100 epochs, 150 epochs ] } }
";
        let (schedule, notes) = shortened(recipe, &["length=20 epochs"]);
        assert_eq!(schedule, r#"{"multistep":{"lr":0.1,"warmup":0.05,"at":[0.5,0.75]}}"#);
        assert_eq!(notes.len(), 3, "{notes:?}");
        let (schedule, notes) = shortened(recipe, &["length=180 epochs"]);
        assert!(schedule.contains("150 epochs") && notes.is_empty(), "{schedule}");
        let recipe = "length: 100 epochs\nschedule: { step: { lr: 1, every: 5 epochs, warmup: 5 epochs } }\n";
        assert_eq!(shortened(recipe, &["length=8 epochs"]).1.len(), 2, "a step as long as the warm-up");
        // What never fitted is the recipe's own mistake.
        let recipe = "length: 10 epochs\nschedule: { cosine: { lr: 0.1, warmup: 20 epochs } }\n";
        assert!(shortened(recipe, &["length=5 epochs"]).1.is_empty());
    }
}
