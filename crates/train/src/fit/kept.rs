//! The checkpoints of a run's folder: which there are, which a run goes on from, which stay.

use super::checkpoint::{self, Position, old};
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

/// What a run goes on from.
pub struct ToResume {
    pub place: PathBuf,
    /// Checkpoints that are damaged, and would have been taken before.
    pub damaged: Vec<PathBuf>,
    /// What is to be said of them.
    pub notes: Vec<String>,
}

/// The furthest of the checkpoints that are whole, which is `last` but for damage and kills. `None` where there is none at all.
///
/// # Errors
/// The first damage, where no checkpoint is whole.
pub fn to_resume(folder: &Path) -> Result<Option<ToResume>> {
    let mut damaged: Vec<(PathBuf, Error)> = Vec::new();
    for place in by_progress(folder) {
        match whole(&place) {
            Ok((position, missing)) => {
                let goes_on = format!("this run goes on from {}, step {}", place.display(), position.step);
                let note = |error: &Error| match error {
                    Error::Checkpoint(problem) => format!("warning: {problem}: damaged; {goes_on}"),
                    other => format!("warning: {other}; {goes_on}"),
                };
                let notes = damaged.iter().map(|(_, error)| note(error)).chain(missing).collect();
                let damaged = damaged.into_iter().map(|(place, _)| place).collect();
                return Ok(Some(ToResume { place, damaged, notes }));
            }
            Err(error) => damaged.push((place, error)),
        }
    }
    damaged.into_iter().next().map_or(Ok(None), |(_, error)| Err(error))
}

/// Where a checkpoint stood, if all its files are what was written, and what to say where that cannot be told.
fn whole(place: &Path) -> Result<(Position, Option<String>)> {
    let has_sums = sums::verify(place, None)?;
    let position = checkpoint::position(place)?;
    let missing = (position.sums && !has_sums).then(|| {
        format!("warning: {}: is missing; the checkpoint is taken as it is", place.join(sums::SUMS).display())
    });
    Ok((position, missing))
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

/// All checkpoints of a folder, whole or not, the furthest first: by their steps, then their finished epochs; of those that are equally far
/// `last` first. At the end are those of which it is not known, unless that is `last`.
///
/// `best` may be further than `last`, where a run was killed between the two. It has to be taken then: who goes on from `last` cuts the
/// logs to it, and they would be too short for `best`, should `last` be damaged later.
pub fn by_progress(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let has_files = |place: &Path| fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_some());
    let mut places: Vec<((u64, u64), bool, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let place = entry.path();
            let is_kept = is_checkpoint(&name) && !name.ends_with(".new") && has_files(&place);
            let far = checkpoint::position(&place).map(|position| (position.step, position.epoch)).ok();
            let is_last = name == "last";
            // What is lost of `last` is told.
            let far = far.unwrap_or(if is_last { (u64::MAX, 0) } else { (0, 0) });
            is_kept.then_some((far, is_last, place))
        })
        .collect();
    places.sort_by(|a, b| (b.0, b.1, &b.2).cmp(&(a.0, a.1, &a.2)));
    places.into_iter().map(|(_, _, place)| place).collect()
}

/// Removes a checkpoint, under another name first: a kill leaves nothing that looks like one.
///
/// # Errors
/// A folder that cannot be removed.
pub fn remove(place: &Path) -> Result<()> {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let gone =
        if name.ends_with(".new") { place.to_owned() } else { place.with_file_name(format!(".{name}.new")) };
    if gone != place {
        if gone.exists() {
            fs::remove_dir_all(&gone).map_err(Error::io(&gone))?;
        }
        fs::rename(place, &gone).map_err(Error::io(place))?;
    }
    fs::remove_dir_all(&gone).map_err(Error::io(&gone))
}

/// Gives a checkpoint that a kill left between its successor and its new name that name, by what it is; it goes where it has none.
///
/// # Errors
/// A folder that cannot be renamed or removed.
pub fn settle(folder: &Path, name: &str, retired: &impl Fn(&Position) -> Option<String>) -> Result<()> {
    let old = old(folder, name);
    if !old.exists() || !folder.join(name).exists() {
        return Ok(());
    }
    match checkpoint::position(&old).ok().and_then(|position| retired(&position)) {
        Some(retired) if !folder.join(&retired).exists() => {
            fs::rename(&old, folder.join(&retired)).map_err(Error::io(&old))
        }
        _ => remove(&old),
    }
}

/// Removes the checkpoints `prefix<n>` whose number is not wanted.
///
/// # Errors
/// A folder that cannot be removed.
pub fn prune(folder: &Path, prefix: &str, is_wanted: impl Fn(u64) -> bool) -> Result<()> {
    for (n, place) in numbered(folder, prefix) {
        if !is_wanted(n) {
            remove(&place)?;
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
            let position = Position { step, ..Default::default() };
            fs::write(place.join("state.json"), serde_json::to_string(&position).unwrap()).unwrap();
            sums::write(&place).unwrap();
        };
        let chosen = || {
            let ToResume { place, notes, damaged } = to_resume(folder).unwrap().unwrap();
            assert_eq!(notes.len(), damaged.len());
            (place.file_name().unwrap().to_str().unwrap().to_owned(), notes)
        };
        for (name, step) in [("best", 8), ("last", 12), ("step_10", 10), (".last.old", 9)] {
            make(name, step);
        }
        fs::create_dir(folder.join(".last.new")).unwrap();
        assert_eq!(chosen(), ("last".to_owned(), Vec::new()));
        // Killed after `best` was written, and before `last` was.
        make("best_epoch_4", 13);
        assert_eq!(chosen(), ("best_epoch_4".to_owned(), Vec::new()));
        fs::remove_dir_all(folder.join("best_epoch_4")).unwrap();
        let damage = |name: &str| fs::write(folder.join(name).join("state.json"), "{}").unwrap();
        damage("last");
        let (name, notes) = chosen();
        assert_eq!(name, "step_10");
        let words = ["last/state.json: holds other bytes", "goes on from", "step_10, step 10"];
        assert!(notes.len() == 1 && words.iter().all(|words| notes[0].contains(words)), "{notes:?}");
        // All but its files is lost.
        fs::remove_file(folder.join("step_10/state.json")).unwrap();
        assert_eq!(chosen().0, ".last.old");
        damage(".last.old");
        assert_eq!(chosen().0, "best");
        damage("best");
        assert!(matches!(to_resume(folder), Err(Error::Checkpoint(_))));
        prune_steps(folder, 0).unwrap();
        assert!(!folder.join("step_10").exists());
    }
}
