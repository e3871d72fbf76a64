//! Where the images of a CSV are. The system is asked about all of them first, on all threads.

use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use super::by_name::ByName;
use super::special;
use crate::hash::hash;
use crate::identical::in_threads;
use crate::readers::files::Links;
use crate::texts::alike;
use crate::{About, Result, check_file};

/// The files of rows.
pub struct Located {
    files: Vec<Option<Seen>>,
    /// Of those that are not where the row says, and were found by their names.
    named: HashMap<usize, PathBuf>,
    /// Rows whose file another row may name as well: by a link, or as `a/../a/x.jpg`.
    shared: HashSet<usize>,
}

#[derive(Clone, Copy)]
struct Seen {
    about: About,
    /// A hash of what tells it from other files, however they are called.
    file: u64,
}

impl Located {
    /// Of `count` rows of which `place` says where the file should be, and `id` its name. Those that are not there are looked for below `root`.
    pub fn new<'a>(
        count: usize,
        place: impl Fn(usize) -> PathBuf + Sync,
        id: impl Fn(usize) -> &'a str,
        (root, links): (&Path, Links),
    ) -> Result<Located> {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let mut files = in_threads(count, workers, |at| seen(&place(at)))?;
        let mut named = HashMap::new();
        // A FIFO is there, and refused.
        let is_absent = |at: &usize| files[*at].is_none() && special(&place(*at)).is_ok();
        let absent: Vec<usize> = (0..count).filter(is_absent).collect();
        if !absent.is_empty() {
            let names = ByName::below(root, links)?;
            for at in absent {
                if let Some(path) = names.find(id(at)) {
                    files[at] = seen(path)?;
                    named.insert(at, path.clone());
                }
            }
        }
        // What is not there is nobody else's.
        let hashes = files.iter().enumerate().map(|(at, seen)| seen.map_or(at as u64, |seen| seen.file));
        let shared = alike(hashes).into_iter().flatten().collect();
        Ok(Located { files, named, shared })
    }

    /// What is known of the file of a row, where there is one.
    pub fn about(&self, at: usize) -> Option<About> {
        Some(self.files[at]?.about)
    }

    /// Where a row's file was found by its name.
    pub fn named(&self, at: usize) -> Option<&PathBuf> {
        self.named.get(&at)
    }

    /// Whether another row may name a row's file as well. Hard links are files of their own, and yet alike here.
    pub fn is_shared(&self, at: usize) -> bool {
        self.shared.contains(&at)
    }
}

/// `None` for what is no file.
fn seen(path: &Path) -> Result<Option<Seen>> {
    match check_file(path) {
        Ok(about) if about.is_file() => {
            Ok(Some(Seen { about: About::of(path, &about)?, file: identity(path, &about) }))
        }
        _ => Ok(None),
    }
}

#[cfg(unix)]
fn identity(_: &Path, about: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    hash(&[about.dev().to_le_bytes(), about.ino().to_le_bytes()].concat(), 0) as u64
}

#[cfg(not(unix))]
fn identity(path: &Path, _: &Metadata) -> u64 {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    hash(real.as_os_str().as_encoded_bytes(), 0) as u64
}
