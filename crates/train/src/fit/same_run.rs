//! Whether a recipe goes on with the run of a checkpoint: what must agree, and what may differ.

use super::checkpoint;
use crate::plan::{Plan, completed, evaluation_nodes};
use crate::recipe::{resolved, value_of};
use crate::run::config_of;
use crate::{Error, Result};
use serde_yaml::{Mapping, Value};
use std::path::Path;
use tallow_policy::text;

/// What may differ: where and on what a run goes on, where its data are and what they may be (they are compared
/// by ids, labels, groups and content), when it stops, and which of its checkpoints are written.
const MAY_DIFFER: [&str; 11] = [
    "device",
    "data.root",
    "data.path",
    "data.file",
    "data.max_pixels",
    "data.max_expansion",
    "data.follow_links",
    "data.confine",
    "length",
    "early_stop",
    "checkpoint",
];

/// What to know before going on at `place` with the recipe of a plan: which recipe counts, and in what this one differs.
///
/// # Errors
/// A recipe that would have trained something else.
pub fn same_run(place: &Path, plan: &Plan) -> Result<Vec<String>> {
    let (path, name) = (place.join("recipe.yaml"), &plan.name);
    let changed = changes(place, plan)?;
    let is_longer = changed.iter().any(|change| change.path == "length");
    let (allowed, refused): (Vec<Change>, Vec<Change>) =
        changed.into_iter().partition(|change| change.is_allowed() || (is_longer && change.is_of_length()));
    let shown = path.display();
    if !refused.is_empty() {
        let list: Vec<String> = refused.iter().map(Change::to_string).collect();
        return Err(Error::recipe(format!(
            "{shown}: this run began with another recipe than {name} is now (differs in: {}); go on by the run's own: train {} --resume, or \
             begin again with --overwrite",
            list.join(", "),
            run_of(place).display()
        )));
    }
    // A damaged state is told where the run is restored.
    let after = checkpoint::position(place).map_or(String::new(), |position| {
        let epoch = position.epoch + u64::from(position.batch > 0);
        format!(" after step {} (epoch {epoch})", position.step)
    });
    let mut notes = vec![format!("  resumed{after}, by {shown}")];
    for change in allowed {
        notes.push(match change.path.as_str() {
            "length" => format!(
                "  this run began with length {} and goes on to {}: the schedule is that of {1} from here",
                change.then, change.now
            ),
            "device" => format!("  taken from {name}, and another device may round otherwise: {change}"),
            _ if change.is_of_length() => format!("  taken from {name}, with its length: {change}"),
            _ => format!("  taken from {name}, as it moves no bit of a step: {change}"),
        });
    }
    Ok(notes)
}

/// In what the recipe of a checkpoint differs from that of a plan, where the result may: only the device, the places of data and which
/// checkpoints are kept may be others.
///
/// # Errors
/// A recipe that cannot be read.
pub fn different_recipe(place: &Path, plan: &Plan) -> Result<Option<String>> {
    let ends = ["length", "early_stop"];
    let is_place = |change: &Change| change.is_allowed() && !ends.contains(&change.section());
    let changed = changes(place, plan)?;
    let list: Vec<String> =
        changed.iter().filter(|change| !is_place(change)).map(Change::to_string).collect();
    Ok((!list.is_empty()).then(|| list.join(", ")))
}

/// The values that the recipe of a checkpoint and that of a plan do not have in common.
fn changes(place: &Path, plan: &Plan) -> Result<Vec<Change>> {
    let then = checkpoint::read(place, "recipe.yaml")?;
    let read = value_of(&then);
    let read =
        read.map_err(|error| Error::Checkpoint(format!("{}: {error}", place.join("recipe.yaml").display())))?;
    // An earlier version wrote no defaults.
    let mut then = completed(resolved::translated(&then, read));
    if plan.resolved.get("evaluation").is_none() && then.get("evaluation") == of_config(place).as_ref() {
        // What the weights' config.json said is written down, and is the checkpoint's from here.
        then.as_mapping_mut().map(|map| map.remove("evaluation"));
    }
    let mut changed = Vec::new();
    differences(&then, &plan.resolved, "", &mut changed);
    Ok(changed)
}

/// The evaluation that a checkpoint's `config.json` says.
fn of_config(place: &Path) -> Option<Value> {
    evaluation_nodes(&config_of(place).ok()?).ok().map(Value::from)
}

/// The run's folder of one of its checkpoints.
fn run_of(place: &Path) -> &Path {
    place.parent().unwrap_or(place)
}

/// A value that differs.
struct Change {
    /// `data.batch`
    path: String,
    then: String,
    now: String,
}

impl Change {
    fn is_allowed(&self) -> bool {
        MAY_DIFFER.iter().any(|key| {
            self.path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    fn section(&self) -> &str {
        self.path.split('.').next().unwrap_or_default()
    }

    /// A duration of the schedule or of a freezing, which a run that was shortened has as a part of its length.
    fn is_of_length(&self) -> bool {
        let of_schedule = self.path.starts_with("schedule.")
            && ["warmup", "every", "at"].iter().any(|key| self.path.ends_with(&format!(".{key}")));
        of_schedule || self.path == "model.freeze.until"
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let Change { path, then, now } = self;
        // Of two lists there is no more to say in a few words.
        if then == now { f.write_str(path) } else { write!(f, "{path}: {then} → {now}") }
    }
}

/// The innermost values that differ, in the order of `now`, then those that only `then` has.
fn differences(then: &Value, now: &Value, path: &str, found: &mut Vec<Change>) {
    if then == now {
        return;
    }
    let (Value::Mapping(before), Value::Mapping(after)) = (then, now) else {
        return found.push(Change { path: path.to_owned(), then: shown(then), now: shown(now) });
    };
    let absent = |map: &Mapping, key: &Value| map.get(key).cloned().unwrap_or(Value::Null);
    let removed = before.keys().filter(|key| !after.contains_key(*key));
    for key in after.keys().chain(removed) {
        let name = key.as_str().unwrap_or_default();
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        differences(&absent(before, key), &absent(after, key), &path, found);
    }
}

/// A value in a few words.
fn shown(value: &Value) -> String {
    const LONGEST: usize = 40;
    let text = if value.is_null() { "none".to_owned() } else { text(value) };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_values_are_told() {
        let read = |text: &str| serde_yaml::from_str::<Value>(text).unwrap();
        let then =
            read("data: { name: a, batch: 4, root: x }\nseed: 1\nclip: 1.0\nimages: [ { flip: {} } ]\n");
        let now = read("data: { name: a, batch: 8, root: y }\nseed: 1\nema: { decay: 0.9 }\nimages: []\n");
        let mut found = Vec::new();
        differences(&then, &now, "", &mut found);
        let said: Vec<String> = found.iter().map(Change::to_string).collect();
        assert_eq!(said[..3], ["data.batch: 4 → 8", "data.root: x → y", "ema: none → a mapping"]);
        assert_eq!(said[3..], ["images", "clip: 1.0 → none"]);
        let allowed: Vec<&str> =
            found.iter().filter(|change| change.is_allowed()).map(|change| &*change.path).collect();
        assert_eq!(allowed, ["data.root"]);
        assert!(!Change { path: "lengthy".into(), then: String::new(), now: String::new() }.is_allowed());
    }
}
