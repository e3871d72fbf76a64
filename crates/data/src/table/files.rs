//! The image files of a table: where they are, and what the system says of each, asked once.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::hash::hash;
use crate::{Error, Result};

/// Files in their order, the name of each folder once.
#[derive(Debug, Default)]
pub struct Files {
    folders: Vec<PathBuf>,
    known: HashMap<PathBuf, u32>,
    folder_of: Vec<u32>,
    names: Vec<Box<OsStr>>,
    about: Vec<OnceLock<About>>,
}

/// What a file is known by while nobody changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Bytes.
    pub length: u64,
    /// In two halves, which take less room.
    key: [u64; 2],
}

impl About {
    /// Asks the system. What is no file is told where it is opened.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read(path: &Path) -> Result<About> {
        About::of(path, &std::fs::metadata(path).map_err(Error::io(path))?)
    }

    /// Of a file of which the system was asked.
    ///
    /// # Errors
    /// [`Error::Io`] for a relative path where there is no working directory.
    pub fn of(path: &Path, about: &Metadata) -> Result<About> {
        let path = std::path::absolute(path).map_err(Error::io(path))?;
        let name = hash(path.as_os_str().as_encoded_bytes(), 1);
        let key = hash(&[changed(about).to_le_bytes(), u128::from(about.len()).to_le_bytes()].concat(), name);
        Ok(About { length: about.len(), key: [key as u64, (key >> 64) as u64] })
    }

    /// A hash of its path, length and time of change.
    pub fn key(self) -> u128 {
        u128::from(self.key[1]) << 64 | u128::from(self.key[0])
    }
}

/// When a file was changed: on Unix the time that no program can set, so that one that is unpacked with the old date is another.
#[cfg(unix)]
fn changed(about: &Metadata) -> u128 {
    use std::os::unix::fs::MetadataExt;
    let [modified, changed] = [(about.mtime(), about.mtime_nsec()), (about.ctime(), about.ctime_nsec())]
        .map(|(seconds, rest)| (seconds as u64).wrapping_mul(1_000_000_000).wrapping_add(rest as u64));
    u128::from(modified) << 64 | u128::from(changed)
}

#[cfg(not(unix))]
fn changed(about: &Metadata) -> u128 {
    let changed = about.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    changed.map_or(0, |time| time.as_nanos())
}

impl Files {
    /// With what is known of it already.
    pub fn push(&mut self, path: &Path, about: Option<About>) {
        let (folder, name) = match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => (folder, name),
            // A path such as `a/..`, which is no file's.
            _ => (Path::new(""), path.as_os_str()),
        };
        let at = self.known.get(folder).copied().unwrap_or_else(|| {
            let at = self.folders.len() as u32;
            self.folders.push(folder.to_owned());
            self.known.insert(folder.to_owned(), at);
            at
        });
        self.folder_of.push(at);
        self.names.push(name.into());
        self.about.push(about.map_or_else(OnceLock::new, OnceLock::from));
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub fn path(&self, index: usize) -> PathBuf {
        self.folders[self.folder_of[index] as usize].join(&*self.names[index])
    }

    /// # Errors
    /// As [`About::read`].
    pub fn about(&self, index: usize) -> Result<About> {
        if let Some(about) = self.about[index].get() {
            return Ok(*about);
        }
        let about = About::read(&self.path(index))?;
        Ok(*self.about[index].get_or_init(|| about))
    }
}

impl FromIterator<PathBuf> for Files {
    fn from_iter<I: IntoIterator<Item = PathBuf>>(paths: I) -> Files {
        let mut files = Files::default();
        paths.into_iter().for_each(|path| files.push(&path, None));
        files
    }
}

impl From<Vec<PathBuf>> for Files {
    fn from(paths: Vec<PathBuf>) -> Files {
        paths.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::file;

    #[test]
    fn paths_come_back_as_they_were_given() {
        let given = ["a/x.jpg", "b/x.jpg", "a/y.jpg", "x.jpg", "/z/../x.jpg", "a/..", "a/x.jpg"];
        let files: Files = given.iter().map(PathBuf::from).collect();
        assert_eq!(
            (0..files.len()).map(|index| files.path(index)).collect::<Vec<_>>(),
            given.map(PathBuf::from)
        );
        assert_eq!(files.folders.len(), 4);
    }

    #[test]
    fn the_system_is_asked_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpg");
        let files: Files = [path.clone(), folder.path().join("b.jpg")].into_iter().collect();
        file(&path, "abc");
        let about = files.about(0).unwrap();
        assert_eq!(about.length, 3);
        file(&path, "abcd");
        assert_eq!(files.about(0).unwrap(), about);
        assert_ne!(About::read(&path).unwrap().key(), about.key());
        assert!(files.about(1).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn another_file_of_the_same_length_and_date_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpg");
        file(&path, "abc");
        let (before, date) =
            (About::read(&path).unwrap(), std::fs::metadata(&path).unwrap().modified().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(20));
        file(&path, "abd");
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(date).unwrap();
        assert_ne!(About::read(&path).unwrap(), before);
    }
}
