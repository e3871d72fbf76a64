//! The folder of a run.

use super::checkpoint;
use super::lock::{self, Lock};
use crate::plan::{Plan, completed, evaluation_nodes};
use crate::recipe::resolved;
use crate::run::Run;
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
        let shown = path.display();
        if path.exists() && !path.is_dir() {
            return Err(Error::recipe(format!("{shown}: is a file; name a folder with --out DIR")));
        }
        if earlier == Earlier::Resume && !path.exists() {
            return Err(Error::recipe(format!(
                "{shown}: there is no such folder to resume; leave --resume out to begin, or name the run's folder with \
                 --out DIR"
            )));
        }
        writable(path)?;
        let lock = Lock::take(path)?;
        let is_there = fs::read_dir(path)
            .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name() != lock::FILE));
        let is_run = OF_A_RUN.iter().any(|name| path.join(name).exists());
        let last = checkpoint::find(path, "last");
        let refuse = |problem: &str| Err(Error::recipe(format!("{shown}: {problem}")));
        let mut notes = Vec::new();
        match earlier {
            Earlier::Refuse if last.is_some() => {
                return refuse(
                    "holds an earlier run; go on with --resume, replace it with --overwrite, or write elsewhere with \
                     --out DIR",
                );
            }
            Earlier::Refuse if is_run => {
                return refuse(
                    "holds a run that ended before its first checkpoint; replace it with --overwrite, or write elsewhere \
                     with --out DIR",
                );
            }
            Earlier::Refuse if is_there => {
                return refuse(
                    "is not empty, and holds no run; write elsewhere with --out DIR, or beside what is there with --overwrite",
                );
            }
            Earlier::Resume => match &last {
                Some(place) => notes.extend(same_recipe(place, plan)?),
                None if is_run => {
                    return refuse(
                        "holds no `last` checkpoint to resume: the run ended before its first one; begin again with \
                         --overwrite",
                    );
                }
                None => {
                    return refuse(
                        "holds no run to resume; leave --resume out to begin, or name the run's folder with --out DIR",
                    );
                }
            },
            _ => {}
        }
        let resume = last.filter(|_| earlier == Earlier::Resume);
        let overwrite = earlier == Earlier::Overwrite;
        Ok(Folder { path: path.to_owned(), resume, notes, overwrite, _lock: lock })
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
        let written = ["recipe.yaml", "metrics.jsonl", "summary.csv"];
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
            for name in ["predictions.csv", "report.html", TIME] {
                let place = self.path.join(name);
                if place.exists() {
                    fs::remove_file(&place).map_err(Error::io(&place))?;
                }
            }
        }
        fs::create_dir_all(&self.path).map_err(Error::io(&self.path))
    }
}

impl Run {
    /// The text of its recipe, resolved and complete: with the evaluation that the weights' `config.json` gave it.
    pub fn recipe(&self) -> String {
        let plan = self.plan();
        let mut resolved = plan.resolved.clone();
        if let (None, Some(map), Ok(nodes)) = (
            resolved.get("evaluation").cloned(),
            resolved.as_mapping_mut(),
            evaluation_nodes(&self.model.config),
        ) {
            map.insert("evaluation".into(), nodes);
        }
        resolved::write(&plan.name, plan.preset.as_deref(), &resolved)
    }
}

/// Refuses to go on with a recipe that would have trained something else; another length is noted.
fn same_recipe(place: &Path, plan: &Plan) -> Result<Option<String>> {
    let path = place.join("recipe.yaml");
    let then = checkpoint::read(place, "recipe.yaml")?;
    let read = serde_yaml::from_str(&then);
    let read = read.map_err(|error| Error::Checkpoint(format!("{}: {error}", path.display())))?;
    // An earlier version wrote no defaults.
    let (mut then, mut now) = (completed(resolved::translated(&then, read)), plan.resolved.clone());
    let has_own = now.get("evaluation").is_some();
    for map in [&mut then, &mut now].into_iter().filter_map(|recipe| recipe.as_mapping_mut()) {
        // Where to go on is not what to train.
        map.remove("device");
        // What the weights' config.json said is written down, and is the checkpoint's from here.
        if !has_own {
            map.remove("evaluation");
        }
    }
    if then == now {
        return Ok(None);
    }
    let keys: Vec<&str> =
        now.as_mapping().into_iter().flat_map(|map| map.keys()).filter_map(|key| key.as_str()).collect();
    let changed: Vec<&str> = keys.iter().copied().filter(|key| then.get(*key) != now.get(*key)).collect();
    if changed == ["length"] {
        let shown = |recipe: &serde_yaml::Value| tallow_policy::text(&recipe["length"]);
        let (then, now) = (shown(&then), shown(&now));
        return Ok(Some(format!(
            "  this run began with length {then} and goes on to {now}: the schedule is that of {now} from here"
        )));
    }
    Err(Error::recipe(format!(
        "{}: this run began with another recipe (differs in: {}); resume with the same one, or --overwrite",
        path.display(),
        if changed.is_empty() { "keys that were removed".to_owned() } else { changed.join(", ") }
    )))
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
