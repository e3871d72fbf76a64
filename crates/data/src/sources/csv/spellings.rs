//! Rows that name one file in several ways: by a link, or as `a/../a/x.jpg`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rows of each file, by part.
#[derive(Default)]
pub struct Spellings {
    rows: HashMap<(usize, Key), Vec<u32>>,
    /// Rows of a file that an earlier row names.
    pub again: usize,
}

impl Spellings {
    /// The earlier row of a part whose path leads to the same file; without one, `image` is taken for the next row's. `paths` are those
    /// of the rows so far.
    pub fn earlier(&mut self, part: usize, image: &Path, paths: &[PathBuf]) -> Option<usize> {
        // What is not there is told elsewhere.
        let rows = self.rows.entry((part, key(image)?)).or_default();
        // Hard links are files of their own, however alike: what is the same without links alone counts.
        let earlier = (!rows.is_empty()).then(|| {
            let real = fs::canonicalize(image).ok()?;
            rows.iter()
                .map(|&row| row as usize)
                .find(|&row| fs::canonicalize(&paths[row]).is_ok_and(|path| path == real))
        });
        if earlier.flatten().is_none() {
            rows.push(paths.len() as u32);
        }
        earlier.flatten()
    }
}

/// Device and number of a file: as quick as to ask whether it is there.
#[cfg(unix)]
type Key = (u64, u64);

#[cfg(unix)]
fn key(path: &Path) -> Option<Key> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|about| (about.dev(), about.ino()))
}

#[cfg(not(unix))]
type Key = PathBuf;

#[cfg(not(unix))]
fn key(path: &Path) -> Option<Key> {
    fs::canonicalize(path).ok()
}
