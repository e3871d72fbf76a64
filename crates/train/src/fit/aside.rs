//! A run that another one is about to replace: moved aside, and put back where the new one comes to nothing.
//!
//! Its files are moved into `.earlier.new`, which becomes `.earlier` when all are in it. What is found in `.earlier.new` was being moved
//! when the program was killed, and is put back.

use super::kept;
use super::lock;
use super::log::LOG;
use crate::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Where the earlier run lies until the new one has a checkpoint.
pub const EARLIER: &str = ".earlier";
const MOVING: &str = ".earlier.new";

/// Seconds of training so far, over all parts of a run. Beside the checkpoints and not in them: the same run writes the same
/// checkpoint, byte for byte.
pub const TIME: &str = "time.json";

/// By this a folder is known to be a run's before its first checkpoint: written before everything else, and removed after it.
pub const RECIPE: &str = "recipe.yaml";

/// Files of a run.
const FILES: [&str; 9] = [
    RECIPE,
    "metrics.jsonl",
    "metrics.tmp",
    "summary.csv",
    "summary.tmp",
    "predictions.csv",
    "report.html",
    TIME,
    LOG,
];

/// Moves the run of a folder into `.earlier`.
///
/// # Errors
/// Files that cannot be moved.
pub fn move_aside(folder: &Path) -> Result<()> {
    // Of a run that has its first checkpoint, and was killed there.
    forget(folder)?;
    let moving = folder.join(MOVING);
    fs::create_dir(&moving).map_err(Error::io(&moving))?;
    for entry in of_run(folder)? {
        fs::rename(&entry, moving.join(entry.file_name().unwrap_or_default())).map_err(Error::io(&entry))?;
    }
    fs::rename(&moving, folder.join(EARLIER)).map_err(Error::io(&moving))?;
    super::checkpoint::sync(folder)
}

/// Puts back what was being moved when the program was killed.
///
/// # Errors
/// Files that cannot be moved.
pub fn settle(folder: &Path) -> Result<()> {
    let moving = folder.join(MOVING);
    if !moving.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(&moving).map_err(Error::io(&moving))? {
        let entry = entry.map_err(Error::io(&moving))?;
        fs::rename(entry.path(), folder.join(entry.file_name())).map_err(Error::io(entry.path()))?;
    }
    fs::remove_dir(&moving).map_err(Error::io(&moving))
}

/// Puts the earlier run back in the place of one without a checkpoint.
///
/// # Errors
/// Files that cannot be moved or removed.
pub fn put_back(folder: &Path) -> Result<()> {
    clear(folder)?;
    let earlier = folder.join(EARLIER);
    if earlier.exists() {
        fs::rename(&earlier, folder.join(MOVING)).map_err(Error::io(&earlier))?;
    }
    settle(folder)
}

/// Removes the run that was replaced.
///
/// # Errors
/// Files that cannot be removed.
pub fn forget(folder: &Path) -> Result<()> {
    let earlier = folder.join(EARLIER);
    if earlier.exists() { fs::remove_dir_all(&earlier).map_err(Error::io(&earlier)) } else { Ok(()) }
}

/// Removes what a run wrote.
///
/// # Errors
/// Files that cannot be removed.
pub fn clear(folder: &Path) -> Result<()> {
    of_run(folder)?.iter().try_for_each(|entry| remove(entry))
}

/// Removes what a kill left half written.
///
/// # Errors
/// Files that cannot be removed.
pub fn sweep_up(folder: &Path) -> Result<()> {
    let entries = of_run(folder)?;
    entries
        .iter()
        .filter(|entry| entry.file_name().is_some_and(is_half_written))
        .try_for_each(|entry| remove(entry))
}

/// What of a folder a run wrote, its recipe last.
fn of_run(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let (file, name) = (entry.file_name(), entry.file_name().to_string_lossy().into_owned());
        let is_events = name.starts_with("events.out.tfevents.");
        let is_file = FILES.contains(&&*name) || is_events || is_half_written(&file) || is_replay(&name);
        if is_file || kept::is_checkpoint(&name) {
            found.push(entry.path());
        }
    }
    found.sort_by_key(|path| path.ends_with(RECIPE));
    Ok(found)
}

fn is_half_written(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') && name.ends_with(".new") && name != MOVING
}

/// Whether a file is a picture of `tallow replay`, of a step of the run.
fn is_replay(name: &str) -> bool {
    name.starts_with("replay_step") && name.ends_with(".png")
}

/// Whether a file may lie in the folder of a run before it: the lock, pictures of `tallow preview`, and what a kill left half written.
pub fn is_no_obstacle(name: &str) -> bool {
    let is_picture = name.starts_with("preview") && name.ends_with(".png");
    name == lock::FILE || is_picture || is_half_written(name.as_ref())
}

fn remove(entry: &Path) -> Result<()> {
    let is_folder = fs::symlink_metadata(entry).is_ok_and(|data| data.is_dir());
    if is_folder { kept::remove(entry) } else { fs::remove_file(entry).map_err(Error::io(entry)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_run_that_is_removed_is_known_as_one_to_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for name in ["summary.csv", RECIPE, "log.txt", ".last.new", "report.html"] {
            fs::write(folder.join(name), "").unwrap();
        }
        let files = of_run(folder).unwrap();
        assert_eq!((files.len(), files[4].file_name().unwrap()), (5, RECIPE.as_ref()));
        clear(folder).unwrap();
        assert_eq!(names(folder), [""; 0]);
    }

    /// A kill after any number of its files was moved, either way.
    #[test]
    fn a_run_is_moved_whole_or_put_back() {
        const RUN: [&str; 4] = ["best", "last", "metrics.jsonl", "recipe.yaml"];
        for moved in 0..=RUN.len() {
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path();
            fs::create_dir(folder.join(MOVING)).unwrap();
            for (at, name) in RUN.iter().enumerate() {
                let place = if at < moved { folder.join(MOVING) } else { folder.to_owned() };
                if at < 2 {
                    fs::create_dir(place.join(name)).unwrap();
                    fs::write(place.join(name).join("state.json"), "").unwrap();
                } else {
                    fs::write(place.join(name), "").unwrap();
                }
            }
            settle(folder).unwrap();
            assert_eq!(names(folder), RUN);
            fs::write(folder.join("notes.txt"), "of somebody").unwrap();
            move_aside(folder).unwrap();
            assert_eq!(names(folder), [".earlier", "notes.txt"]);
            fs::write(folder.join("metrics.jsonl"), "of the new one").unwrap();
            fs::create_dir(folder.join(".last.new")).unwrap();
            put_back(folder).unwrap();
            assert_eq!(names(folder), ["best", "last", "metrics.jsonl", "notes.txt", "recipe.yaml"]);
            assert_eq!(fs::read_to_string(folder.join("metrics.jsonl")).unwrap(), "");
        }
    }
}
