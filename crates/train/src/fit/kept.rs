//! The checkpoints of a run's folder: which there are, which a run goes on from, which stay.

use super::checkpoint::{self, old};
use super::sums;
use crate::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// What the name of an earlier `last` begins with; its step follows.
pub const STEP: &str = "step_";
/// What the name of a checkpoint that was next to best begins with; its epoch follows.
pub const BEST_EPOCH: &str = "best_epoch_";

/// The number in a name such as `step_500`.
pub fn number(name: &str, prefix: &str) -> Option<u64> {
    name.strip_prefix(prefix)?.parse().ok()
}

/// Whether a name is that of a checkpoint's folder, whole, half written or moved aside.
pub fn is_checkpoint(name: &str) -> bool {
    let plain =
        name.strip_prefix('.').and_then(|name| name.strip_suffix(".new").or(name.strip_suffix(".old")));
    let name = plain.unwrap_or(name);
    matches!(name, "last" | "best") || [STEP, BEST_EPOCH].iter().any(|prefix| number(name, prefix).is_some())
}

/// The checkpoint that a run goes on from, and what is to be said of those that are damaged: `last`; where that is damaged the furthest
/// of those that are whole. `None` where there is none at all.
///
/// # Errors
/// The first damage, where no checkpoint is whole.
pub fn to_resume(folder: &Path) -> Result<Option<(PathBuf, Vec<String>)>> {
    let mut damaged: Vec<Error> = Vec::new();
    for place in by_progress(folder) {
        match sums::verify(&place, None).and_then(|_| checkpoint::position(&place)) {
            Ok(position) => {
                let goes_on = format!("this run goes on from {}, step {}", place.display(), position.step);
                let note = |error: Error| match error {
                    Error::Checkpoint(problem) => format!("warning: {problem}: damaged; {goes_on}"),
                    other => format!("warning: {other}; {goes_on}"),
                };
                return Ok(Some((place, damaged.into_iter().map(note).collect())));
            }
            Err(error) => damaged.push(error),
        }
    }
    match damaged.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(None),
    }
}

/// What is to be said where the best weights of a run that goes on are damaged.
pub fn damaged_best(folder: &Path) -> Option<String> {
    let best = find(folder, "best")?;
    let error = sums::verify(&best, None).err()?;
    Some(format!(
        "warning: {}: these best weights are lost, until an epoch is better",
        error.to_string().split(" – ").next().unwrap_or_default()
    ))
}

/// All checkpoints of a folder: `last` first, the others by their steps, the furthest first, and those of which that is not known.
fn by_progress(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_whole = |path: &PathBuf| path.join("state.json").is_file();
    let mut places: Vec<(bool, u64, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let place = entry.path();
            let is_kept = is_checkpoint(&name) && !name.ends_with(".new") && is_whole(&place);
            let step = checkpoint::position(&place).map_or(0, |position| position.step);
            is_kept.then_some((name == "last", step, place))
        })
        .collect();
    places.sort_by(|a, b| (b.0, b.1, &b.2).cmp(&(a.0, a.1, &a.2)));
    places.into_iter().map(|(_, _, place)| place).collect()
}

/// Removes the checkpoints `prefix<n>` whose number is not wanted.
///
/// # Errors
/// A folder that cannot be removed.
pub fn prune(folder: &Path, prefix: &str, is_wanted: impl Fn(u64) -> bool) -> Result<()> {
    for (n, place) in numbered(folder, prefix) {
        if !is_wanted(n) {
            fs::remove_dir_all(&place).map_err(Error::io(&place))?;
        }
    }
    Ok(())
}

/// Removes the checkpoints `step_<n>` but for so many of the last ones.
///
/// # Errors
/// A folder that cannot be removed.
pub fn prune_steps(folder: &Path, most: usize) -> Result<()> {
    let mut steps: Vec<u64> = numbered(folder, STEP).into_iter().map(|(step, _)| step).collect();
    steps.sort_unstable_by(|a, b| b.cmp(a));
    steps.truncate(most);
    prune(folder, STEP, |step| steps.contains(&step))
}

fn numbered(folder: &Path, prefix: &str) -> Vec<(u64, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((number(&entry.file_name().to_string_lossy(), prefix)?, entry.path())))
        .collect()
}

/// `folder/name`, also where a run was killed between the two renames of a save.
pub fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(name), old(folder, name)].into_iter().find(|place| place.join("state.json").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_checkpoints() {
        for name in ["last", "best", ".last.new", ".best.old", "step_12", "best_epoch_3", ".step_12.old"] {
            assert!(is_checkpoint(name), "{name}");
        }
        for name in
            ["last.new", "steps", "step_", "step_x", "best_epoch_", "recipe.yaml", ".lock", ".earlier"]
        {
            assert!(!is_checkpoint(name), "{name}");
        }
    }

    #[test]
    fn the_furthest_that_is_whole_is_gone_on_from() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(to_resume(folder).unwrap().is_none());
        let make = |name: &str, step: u64| {
            let place = folder.join(name);
            fs::create_dir(&place).unwrap();
            let position = checkpoint::Position { step, ..Default::default() };
            fs::write(place.join("state.json"), serde_json::to_string(&position).unwrap()).unwrap();
            sums::write(&place).unwrap();
        };
        let chosen = || {
            let (place, notes) = to_resume(folder).unwrap().unwrap();
            (place.file_name().unwrap().to_str().unwrap().to_owned(), notes)
        };
        for (name, step) in [("best", 8), ("last", 12), ("step_10", 10), (".last.old", 9)] {
            make(name, step);
        }
        fs::create_dir(folder.join(".last.new")).unwrap();
        assert_eq!(chosen(), ("last".to_owned(), Vec::new()));
        let damage = |name: &str| fs::write(folder.join(name).join("state.json"), "{}").unwrap();
        damage("last");
        let (name, notes) = chosen();
        assert_eq!(name, "step_10");
        let words = ["last/state.json: holds other bytes", "goes on from", "step_10, step 10"];
        assert!(notes.len() == 1 && words.iter().all(|words| notes[0].contains(words)), "{notes:?}");
        damage("step_10");
        assert_eq!(chosen().0, ".last.old");
        damage(".last.old");
        assert_eq!(chosen().0, "best");
        damage("best");
        assert!(matches!(to_resume(folder), Err(Error::Checkpoint(_))));
        prune_steps(folder, 0).unwrap();
        assert!(!folder.join("step_10").exists());
    }
}
