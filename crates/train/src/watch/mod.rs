//! Runs that others train, seen through their folders: which there are, how far they are, what they logged. Everything is read again
//! only as far as it changed, and kept within bounds: logs may be long, and runs many.
//!
//! Nothing is written, and no link is followed: what is read lies below the folder that was named.

mod curve;
mod found;
mod pace;
mod recipe;
mod records;
mod run;
mod tail;

pub use curve::Curve;
pub use recipe::{Recipe, differences};
pub use records::{Records, Series};
pub use run::{Standing, Watched};

use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// All runs below a folder.
pub struct Watch {
    folder: PathBuf,
    /// By their names: the path below the folder, `x_sweep/policy=mixup/seed=1`.
    runs: BTreeMap<String, Watched>,
    /// Pages that lie beside runs, by their names.
    pages: BTreeMap<String, PathBuf>,
}

/// What is read of a log at a time, so that many long ones are begun soon.
const PORTION: u64 = 16 << 20;

impl Watch {
    /// Looks at nothing yet.
    ///
    /// # Errors
    /// A path that is no folder, or cannot be read.
    pub fn open(folder: &Path) -> Result<Watch> {
        let shown = folder.display();
        if !folder.is_dir() {
            let problem = if folder.exists() { "is a file, not a folder" } else { "is not there" };
            return Err(Error::recipe(format!("{shown}: {problem}; name the folder that holds your runs")));
        }
        std::fs::read_dir(folder).map_err(Error::io(folder))?;
        Ok(Watch { folder: folder.to_owned(), runs: BTreeMap::new(), pages: BTreeMap::new() })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Looks which runs there are now. Those that are gone are forgotten.
    pub fn find(&mut self) {
        let found = found::below(&self.folder);
        self.runs.retain(|name, run| found.runs.get(name).is_some_and(|path| *path == run.folder));
        for (name, path) in found.runs {
            self.runs.entry(name.clone()).or_insert_with(|| Watched::new(name, path));
        }
        self.pages = found.pages;
    }

    /// Reads on, a portion of each log: whether all was read. A run that cannot be read now, as one that is being replaced, stays as
    /// it was.
    pub fn read(&mut self) -> bool {
        let mut is_all = true;
        for run in self.runs.values_mut() {
            is_all &= run.read(PORTION);
        }
        is_all
    }

    /// The same of one run.
    pub fn read_one(&mut self, name: &str) -> bool {
        self.runs.get_mut(name).is_none_or(|run| run.read(PORTION))
    }

    /// Names of all runs, those that changed last first.
    pub fn names(&self) -> Vec<String> {
        let changed = |run: &Watched| std::fs::metadata(&run.folder).and_then(|data| data.modified()).ok();
        let mut names: Vec<(Option<SystemTime>, &String)> =
            self.runs.iter().map(|(name, run)| (changed(run), name)).collect();
        names.sort_by(|a, b| b.cmp(a));
        names.into_iter().map(|(_, name)| name.clone()).collect()
    }

    pub fn runs(&self) -> impl Iterator<Item = &Watched> {
        self.runs.values()
    }

    pub fn run(&self, name: &str) -> Option<&Watched> {
        self.runs.get(name)
    }

    /// Names of the HTML files that lie beside runs, as `compare --html` and `stats -o` write them.
    pub fn pages(&self) -> impl Iterator<Item = &str> {
        self.pages.keys().map(String::as_str)
    }

    /// Where it lies, if it still does.
    pub fn page(&self, name: &str) -> Option<PathBuf> {
        let is_there = self.pages.contains_key(name);
        is_there.then(|| found::plain(&self.folder, &name.split('/').collect::<Vec<_>>())).flatten()
    }
}

#[cfg(test)]
mod tests;
