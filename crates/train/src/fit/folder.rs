//! The folder of a run.

use super::aside::{self, EARLIER, RECIPE, TIME};
use super::kept;
use super::lock::Lock;
use super::same_run::same_run;
use crate::error::is_full;
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
    /// Goes on; one that was ended before its first checkpoint begins.
    Resume,
    /// Goes on, or begins where there is no run.
    ResumeOrStart,
    /// Replaces it, once there is a checkpoint to do so.
    Overwrite,
}

/// Where a run writes, locked against other processes. Nothing but the lock is created before [`Folder::prepare`].
pub struct Folder {
    pub path: PathBuf,
    /// The checkpoint to go on from.
    pub resume: Option<PathBuf>,
    /// Checkpoints that are damaged, which the run goes on without.
    damaged: Vec<PathBuf>,
    /// What to know before going on.
    pub notes: Vec<String>,
    /// Of the one process that writes; a run's other ranks have none.
    lock: Option<Lock>,
}

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
        aside::settle(path)?;
        let (mut resume, mut damaged, mut notes) = (None, Vec::new(), Vec::new());
        match allowed(path, earlier)? {
            Some(found) => {
                notes.extend(found.notes);
                notes.extend(kept::damaged_best(path));
                notes.extend(same_run(&found.place, plan)?);
                (resume, damaged) = (Some(found.place), found.damaged);
            }
            None if earlier == Earlier::Resume => {
                notes.push("  this run was ended before its first checkpoint: it begins".to_owned());
            }
            None => {}
        }
        if path.join(EARLIER).exists() && resume.is_none() {
            let place = path.join(EARLIER);
            notes.push(format!(
                "  the run that it replaces is kept in {} until it has a checkpoint",
                place.display()
            ));
        }
        Ok(Folder { path: path.to_owned(), resume, damaged, notes, lock: Some(lock) })
    }

    /// The folder as another rank of the run sees it, which writes nothing; `resume` is what the first one goes on from.
    pub fn of_another_rank(path: &Path, resume: Option<PathBuf>) -> Folder {
        Folder { path: path.to_owned(), resume, damaged: Vec::new(), notes: Vec::new(), lock: None }
    }

    /// Whether this process is the one that writes.
    pub fn is_written(&self) -> bool {
        self.lock.is_some()
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

    /// Writes a file of the folder, where this process does, under another name, syncs it, then renames it: it is there whole, or as it was.
    ///
    /// # Errors
    /// Those of `write`; a file that cannot be renamed.
    pub fn replace(&self, name: &str, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        if !self.is_written() {
            return Ok(());
        }
        let (fresh, place) = (self.path.join(format!(".{name}.new")), self.path.join(name));
        let written = write(&fresh).and_then(|()| {
            let sync = || fs::File::open(&fresh)?.sync_all();
            sync().map_err(Error::io(&fresh))
        });
        written.inspect_err(|_| {
            // The first error is the one to report.
            let _ = fs::remove_file(&fresh);
        })?;
        fs::rename(&fresh, &place).map_err(Error::io(place))
    }

    /// Removes what a run wrote before its first checkpoint, and puts back the run that it would have replaced; nothing where it has a
    /// checkpoint.
    pub fn abandon(&self) {
        if self.is_written() && self.resume.is_none() && kept::by_progress(&self.path).is_empty() {
            // The error that ended the run is the one to report.
            let _ = aside::put_back(&self.path);
        }
    }

    /// Makes the folder. A run that begins finds none: what an earlier one left before its first checkpoint goes, and one that has
    /// checkpoints is moved aside, until [`Folder::forget_earlier`]. One that goes on leaves nothing half written or damaged behind it.
    ///
    /// # Errors
    /// Files that cannot be moved, removed or made.
    pub fn prepare(&self) -> Result<()> {
        if !self.is_written() {
            return Ok(());
        }
        fs::create_dir_all(&self.path).map_err(Error::io(&self.path))?;
        if self.resume.is_some() {
            self.damaged.iter().try_for_each(|place| kept::remove(place))?;
            return aside::sweep_up(&self.path);
        }
        if kept::by_progress(&self.path).is_empty() {
            aside::clear(&self.path)
        } else {
            aside::move_aside(&self.path)
        }
    }

    /// Removes the run that this one replaces: it has a checkpoint now.
    ///
    /// # Errors
    /// Files that cannot be removed.
    pub fn forget_earlier(&self) -> Result<()> {
        if self.is_written() { aside::forget(&self.path) } else { Ok(()) }
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

/// The checkpoint of a folder that a run goes on from, where it does; refuses what the command does not say.
fn allowed(path: &Path, earlier: Earlier) -> Result<Option<kept::ToResume>> {
    let goes_on = matches!(earlier, Earlier::Resume | Earlier::ResumeOrStart);
    if goes_on && let Some(found) = kept::to_resume(path)? {
        return Ok(Some(found));
    }
    let is_other = |entry: fs::DirEntry| !aside::is_no_obstacle(&entry.file_name().to_string_lossy());
    let is_there = fs::read_dir(path).is_ok_and(|entries| entries.flatten().any(is_other));
    let is_begun = [RECIPE, "metrics.jsonl", EARLIER].iter().any(|name| path.join(name).exists());
    let problem = match earlier {
        Earlier::Refuse if !kept::by_progress(path).is_empty() => {
            "holds an earlier run; go on with --resume, replace it with --overwrite, or write elsewhere with --out DIR"
        }
        Earlier::Refuse if is_begun => {
            "holds a run that ended before its first checkpoint; begin it with --resume, replace it with --overwrite, or write elsewhere \
             with --out DIR"
        }
        Earlier::Refuse | Earlier::ResumeOrStart if is_there && !is_begun => {
            "is not empty, and holds no run; write elsewhere with --out DIR, or beside what is there with --overwrite"
        }
        Earlier::Resume if !is_begun => {
            "holds no run to resume; leave --resume out to begin, or name the run's folder with --out DIR"
        }
        _ => return Ok(None),
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
    // Without a name: a kill leaves nothing of it.
    let probe = tempfile::tempfile_in(place);
    probe.map(drop).map_err(|error| {
        let shown = path.display();
        if is_full(&error) {
            return Error::Full(format!(
                "{shown}: {error}; make room, or name another folder with --out DIR"
            ));
        }
        Error::recipe(format!("{shown}: cannot be written ({error}); name another folder with --out DIR"))
    })
}
