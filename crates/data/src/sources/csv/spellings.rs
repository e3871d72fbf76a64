//! Rows that name one file in several ways: by a link, or as `a/../a/x.jpg`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rows of each file, by part.
#[derive(Default)]
pub struct Spellings {
    /// The first of each file, or of several that are hard links of each other.
    first: HashMap<(usize, Key), u32>,
    /// Of files of which there is a second, by their paths without links.
    by_path: HashMap<(usize, PathBuf), u32>,
    /// Rows of a file that an earlier row names.
    pub again: usize,
}

impl Spellings {
    /// The earlier row of a part whose path leads to the same file; without one, `image` is taken for the next row's. `paths` are those
    /// of the rows so far.
    pub fn earlier(&mut self, part: usize, image: &Path, paths: &[PathBuf]) -> Option<usize> {
        let row = paths.len() as u32;
        // What is not there is told elsewhere.
        let first = *self.first.entry((part, key(image)?)).or_insert(row);
        if first == row {
            return None;
        }
        // Hard links are files of their own, however alike: what is the same without links alone counts.
        let real = |path: &Path| Some((part, fs::canonicalize(path).ok()?));
        self.by_path.entry(real(&paths[first as usize])?).or_insert(first);
        let earlier = *self.by_path.entry(real(image)?).or_insert(row);
        (earlier != row).then_some(earlier as usize)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn links_are_told_from_hard_links_however_many_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: String| folder.path().join(name);
        fs::write(path("0".into()), "").unwrap();
        let (mut spellings, mut paths) = (Spellings::default(), vec![path("0".into())]);
        assert_eq!(spellings.earlier(0, &paths[0].clone(), &[]), None);
        for row in 1..2000 {
            let name = path(row.to_string());
            fs::hard_link(&paths[0], &name).unwrap();
            assert_eq!(spellings.earlier(0, &name, &paths), None, "{row}");
            paths.push(name);
        }
        std::os::unix::fs::symlink("1234", path("link".into())).unwrap();
        assert_eq!(spellings.earlier(0, &path("link".into()), &paths), Some(1234));
        assert_eq!(spellings.earlier(1, &path("link".into()), &paths), None, "another part");
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
