//! Which runs and pages there are below a folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders further down are not looked into.
const DEPTH: usize = 8;
/// So many entries are looked at: somebody may have named the folder of all data.
const ENTRIES: usize = 200_000;

#[derive(Default)]
pub struct Found {
    pub runs: BTreeMap<String, PathBuf>,
    pub pages: BTreeMap<String, PathBuf>,
}

/// Walks down to the runs, not into them. Links and hidden folders are left alone, and names that are no Unicode.
pub fn below(folder: &Path) -> Found {
    let mut found = Found::default();
    if is_run(folder) {
        let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let name = whole.file_name().map_or("run".to_owned(), |name| name.to_string_lossy().into_owned());
        found.runs.insert(name, folder.to_owned());
        return found;
    }
    let (mut open, mut seen) = (vec![(String::new(), folder.to_owned(), 0)], 0);
    while let Some((above, folder, depth)) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            seen += 1;
            let (Ok(kind), Some(name)) = (entry.file_type(), entry.file_name().to_str().map(str::to_owned))
            else {
                continue;
            };
            if seen > ENTRIES || name.starts_with('.') || kind.is_symlink() {
                continue;
            }
            let path = entry.path();
            let whole = if above.is_empty() { name.clone() } else { format!("{above}/{name}") };
            if kind.is_dir() && is_run(&path) {
                found.runs.insert(whole, path);
            } else if kind.is_dir() && depth < DEPTH {
                open.push((whole, path, depth + 1));
            } else if kind.is_file() && name.ends_with(".html") {
                found.pages.insert(whole, path);
            }
        }
    }
    found
}

fn is_run(folder: &Path) -> bool {
    plain(folder, &["metrics.jsonl"]).is_some()
}

/// A file of a run, `best/metrics.json` by its parts, where it is one and no link leads to it.
pub fn plain(folder: &Path, parts: &[&str]) -> Option<PathBuf> {
    let mut path = folder.to_owned();
    for (at, part) in parts.iter().enumerate() {
        path.push(part);
        let kind = fs::symlink_metadata(&path).ok()?.file_type();
        let is_last = at + 1 == parts.len();
        if !(if is_last { kind.is_file() } else { kind.is_dir() }) {
            return None;
        }
    }
    Some(path)
}
