//! The folder of a run.

use super::checkpoint;
use super::lock::{self, Lock};
use super::log::LOG;
use super::same_run::same_run;
use crate::plan::{Plan, evaluation_nodes};
use crate::recipe::resolved;
use crate::run::Model;
use crate::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// What to do with a folder that holds a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    Refuse,
    Resume,
    Overwrite,
}

/// Where a run writes, locked against other processes. Nothing but the lock is created before [`Folder::prepare`].
pub struct Folder {
    pub path: PathBuf,
    /// The checkpoint to go on from.
    pub resume: Option<PathBuf>,
    /// What to know before going on.
    pub notes: Vec<String>,
    overwrite: bool,
    _lock: Lock,
}

/// What only a run writes into its folder.
const OF_A_RUN: [&str; 4] = ["best", "last", "recipe.yaml", "metrics.jsonl"];

/// Seconds of training so far, over all parts of a run. Beside the checkpoints and not in them: the same run writes the same
/// checkpoint, byte for byte.
const TIME: &str = "time.json";

impl Folder {
    /// Locks the folder and looks at it.
    ///
    /// # Errors
    /// A folder that another process has, that holds a run which the command does not mention, that cannot be resumed, or
    /// cannot be written.
    pub fn inspect(path: &Path, plan: &Plan, earlier: Earlier) -> Result<Folder> {
        usable(path, earlier)?;
        writable(path)?;
        let lock = Lock::take(path)?;
        let last = allowed(path, earlier)?;
        let resume = last.filter(|_| earlier == Earlier::Resume);
        let notes = resume.as_deref().map_or(Ok(Vec::new()), |place| same_run(place, plan))?;
        let overwrite = earlier == Earlier::Overwrite;
        Ok(Folder { path: path.to_owned(), resume, notes, overwrite, _lock: lock })
    }

    /// Looks at what a folder holds, and leaves it alone: no lock, and no question whether it can be written.
    ///
    /// # Errors
    /// As [`Folder::inspect`], but for folders in use or not to be written.
    pub fn look(path: &Path, earlier: Earlier) -> Result<()> {
        usable(path, earlier)?;
        allowed(path, earlier).map(drop)
    }

    /// Seconds that earlier parts of a resumed run took; 0 where that is not known.
    pub fn seconds(&self) -> f64 {
        let text = self.resume.as_ref().and_then(|_| fs::read_to_string(self.path.join(TIME)).ok());
        let value: Option<serde_json::Value> = text.and_then(|text| serde_json::from_str(&text).ok());
        value.and_then(|value| value["seconds"].as_f64()).unwrap_or(0.0)
    }

    /// Notes the seconds of all parts so far.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn keep_seconds(&self, seconds: f64) -> Result<()> {
        self.replace(TIME, |fresh| {
            fs::write(fresh, format!("{{ \"seconds\": {seconds:.3} }}\n")).map_err(Error::io(fresh))
        })
    }

    /// Writes a file of the folder under another name, then renames it: it is there whole, or as it was.
    ///
    /// # Errors
    /// Those of `write`; a file that cannot be renamed.
    pub fn replace(&self, name: &str, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let (fresh, place) = (self.path.join(format!(".{name}.new")), self.path.join(name));
        write(&fresh)?;
        fs::rename(&fresh, &place).map_err(Error::io(place))
    }

    /// Removes what a run wrote before its first checkpoint; nothing where there is one.
    pub fn abandon(&self) {
        if ["best", "last"].iter().any(|name| checkpoint::find(&self.path, name).is_some()) {
            return;
        }
        let written = ["recipe.yaml", "metrics.jsonl", "summary.csv", LOG];
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if written.contains(&&*name) || name.starts_with("events.out.tfevents.") {
                // The error that ended the run is the one to report.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Creates the folder; empties it of an earlier run where asked to.
    ///
    /// # Errors
    /// Files that cannot be removed or made.
    pub fn prepare(&self) -> Result<()> {
        if self.overwrite && self.path.exists() {
            for name in ["best", "last", ".best.new", ".last.new", ".best.old", ".last.old"] {
                let place = self.path.join(name);
                if place.exists() {
                    fs::remove_dir_all(&place).map_err(Error::io(&place))?;
                }
            }
            let written = ["predictions.csv", "report.html", TIME, LOG];
            for entry in fs::read_dir(&self.path).map_err(Error::io(&self.path))?.flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if written.contains(&&*name) || is_replay(&name) {
                    fs::remove_file(entry.path()).map_err(Error::io(entry.path()))?;
                }
            }
        }
        fs::create_dir_all(&self.path).map_err(Error::io(&self.path))
    }
}

impl Model {
    /// The text of its recipe, resolved and complete: with the evaluation that the weights' `config.json` gave it.
    pub fn recipe(&self) -> String {
        let mut resolved = self.plan.resolved.clone();
        if let (None, Some(map), Ok(nodes)) =
            (resolved.get("evaluation").cloned(), resolved.as_mapping_mut(), evaluation_nodes(&self.config))
        {
            map.insert("evaluation".into(), nodes.into());
        }
        resolved::write(&self.plan.name, self.plan.preset.as_deref(), &resolved)
    }
}

/// Whether a file is a picture of `tallow replay`, of a step of the run.
fn is_replay(name: &str) -> bool {
    name.starts_with("replay_step") && name.ends_with(".png")
}

/// Whether a file may lie in the folder of a run before it: the lock, and pictures of `tallow preview`.
fn is_no_obstacle(name: &str) -> bool {
    name == lock::FILE || (name.starts_with("preview") && name.ends_with(".png"))
}

/// Refuses a path that is no folder, or one that is not there to be resumed.
fn usable(path: &Path, earlier: Earlier) -> Result<()> {
    let shown = path.display();
    if path.exists() && !path.is_dir() {
        return Err(Error::recipe(format!("{shown}: is a file; name a folder with --out DIR")));
    }
    if earlier == Earlier::Resume && !path.exists() {
        return Err(Error::recipe(format!(
            "{shown}: there is no such folder to resume; leave --resume out to begin, or name the run's folder with --out DIR"
        )));
    }
    Ok(())
}

/// The `last` checkpoint of a folder, where there is one; refuses what the command does not say.
fn allowed(path: &Path, earlier: Earlier) -> Result<Option<PathBuf>> {
    let is_other = |entry: fs::DirEntry| !is_no_obstacle(&entry.file_name().to_string_lossy());
    let is_there = fs::read_dir(path).is_ok_and(|entries| entries.flatten().any(is_other));
    let is_run = OF_A_RUN.iter().any(|name| path.join(name).exists());
    let last = checkpoint::find(path, "last");
    let problem = match earlier {
        Earlier::Refuse if last.is_some() => {
            "holds an earlier run; go on with --resume, replace it with --overwrite, or write elsewhere with --out DIR"
        }
        Earlier::Refuse if is_run => {
            "holds a run that ended before its first checkpoint; replace it with --overwrite, or write elsewhere with --out DIR"
        }
        Earlier::Refuse if is_there => {
            "is not empty, and holds no run; write elsewhere with --out DIR, or beside what is there with --overwrite"
        }
        Earlier::Resume if last.is_none() && is_run => {
            "holds no `last` checkpoint to resume: the run ended before its first one; begin again with --overwrite"
        }
        Earlier::Resume if last.is_none() => {
            "holds no run to resume; leave --resume out to begin, or name the run's folder with --out DIR"
        }
        _ => return Ok(last),
    };
    Err(Error::recipe(format!("{}: {problem}", path.display())))
}

/// Whether the folder, or the nearest parent that exists, can be written.
fn writable(path: &Path) -> Result<()> {
    let exists = path.ancestors().find(|place| place.exists() || place.as_os_str().is_empty());
    let place = match exists {
        Some(place) if !place.as_os_str().is_empty() => place,
        _ => Path::new("."),
    };
    let probe = tempfile::Builder::new().prefix(".tallow").tempfile_in(place);
    probe.map(drop).map_err(|error| {
        let shown = path.display();
        Error::recipe(format!("{shown}: cannot be written ({error}); name another folder with --out DIR"))
    })
}
