//! The folder of a run.

use crate::checkpoint;
use crate::plan::Plan;
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

/// Where a run writes. Nothing is created before [`Folder::prepare`].
pub struct Folder {
    pub path: PathBuf,
    /// The checkpoint to go on from.
    pub resume: Option<PathBuf>,
    /// The resolved recipe, as written to `recipe.yaml`.
    pub recipe: String,
    overwrite: bool,
}

impl Folder {
    /// Looks at the folder. Errs where it holds a run that the command does not mention, or cannot be resumed.
    pub fn look(path: &Path, plan: &Plan, earlier: Earlier) -> Result<Folder> {
        let recipe = resolved(plan);
        let shown = path.display();
        let is_empty = fs::read_dir(path).map_or(true, |mut entries| entries.next().is_none());
        if path.exists() && !path.is_dir() {
            return Err(Error::recipe(format!("{shown}: is a file; name a folder with --out DIR")));
        }
        writable(path)?;
        let resume = match earlier {
            Earlier::Refuse if !is_empty => {
                return Err(Error::recipe(format!(
                    "{shown}: holds an earlier run; go on with --resume, replace it with --overwrite, \
                     or write elsewhere with --out DIR"
                )));
            }
            Earlier::Resume => {
                let place = checkpoint::find(path, "last").ok_or_else(|| {
                    Error::recipe(format!(
                        "{shown}: holds no `last` checkpoint to resume; begin again with --overwrite"
                    ))
                })?;
                same_recipe(&place, &recipe)?;
                Some(place)
            }
            _ => None,
        };
        Ok(Folder { path: path.to_owned(), resume, recipe, overwrite: earlier == Earlier::Overwrite })
    }

    /// Removes what a run wrote before its first checkpoint, and the folder if that was all; nothing where there is one.
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
        let _ = fs::remove_dir(&self.path);
    }

    /// Creates the folder; empties it of an earlier run where asked to.
    pub fn prepare(&self) -> Result<()> {
        if self.overwrite && self.path.exists() {
            for name in ["best", "last", ".best.new", ".last.new", ".best.old", ".last.old"] {
                let place = self.path.join(name);
                if place.exists() {
                    fs::remove_dir_all(&place).map_err(Error::io(&place))?;
                }
            }
            for name in ["predictions.csv", "report.html"] {
                let place = self.path.join(name);
                if place.exists() {
                    fs::remove_file(&place).map_err(Error::io(&place))?;
                }
            }
        }
        fs::create_dir_all(&self.path).map_err(Error::io(&self.path))
    }
}

/// The recipe with everything it refers to, and a comment that says whence.
fn resolved(plan: &Plan) -> String {
    let body = serde_yaml::to_string(&plan.resolved).expect("a YAML value is written");
    let policy = plan.preset.as_ref().map_or(String::new(), |name| format!(", policy {name}"));
    format!("# {}{policy}: resolved, complete\n{body}", plan.name)
}

/// Refuses to go on with a recipe that would have trained something else.
fn same_recipe(place: &Path, recipe: &str) -> Result<()> {
    let path = place.join("recipe.yaml");
    let then = fs::read_to_string(&path).map_err(Error::io(&path))?;
    let read = |text: &str| {
        let mut value: serde_yaml::Value = serde_yaml::from_str(text).unwrap_or_default();
        // Where to go on is not what to train.
        value.as_mapping_mut().map(|map| map.remove("device"));
        value
    };
    let (then, now) = (read(&then), read(recipe));
    if then == now {
        return Ok(());
    }
    let keys: Vec<&str> =
        now.as_mapping().into_iter().flat_map(|map| map.keys()).filter_map(|key| key.as_str()).collect();
    let changed: Vec<&str> = keys.iter().copied().filter(|key| then.get(*key) != now.get(*key)).collect();
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
