//! Encoded images that are no files of their own: in memory while they are few, else in a file that nobody else sees.

use std::fs::File;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use tempfile::{SpooledData, SpooledTempFile};

use crate::{Cache, Error, Result};

/// Bytes that are held in memory.
const HELD: usize = 16 << 20;

/// Images in their order.
#[derive(Debug)]
pub struct Stored {
    ends: Vec<u64>,
    bytes: SpooledData,
    folder: PathBuf,
}

/// Images that are still coming. What exceeds 16 MiB goes to a file without a name, in the user's cache folder or else the system's for
/// temporary ones, which the system removes when the program ends, however that comes.
pub struct Storing {
    ends: Vec<u64>,
    bytes: SpooledTempFile,
    folder: PathBuf,
}

impl Storing {
    pub fn in_cache() -> Storing {
        let can_be_written = |folder: &PathBuf| {
            std::fs::create_dir_all(folder).is_ok() && tempfile::tempfile_in(folder).is_ok()
        };
        let cache = Cache::of_user().folder().map(PathBuf::from).filter(can_be_written);
        Storing::within(HELD, &cache.unwrap_or_else(std::env::temp_dir))
    }

    fn within(held: usize, folder: &Path) -> Storing {
        let bytes = SpooledTempFile::new_in(held, folder);
        Storing { ends: Vec::new(), bytes, folder: folder.to_owned() }
    }

    /// # Errors
    /// [`Error::Io`] at the folder of the file, where that cannot be written.
    pub fn push(&mut self, image: &[u8]) -> Result<()> {
        self.bytes.write_all(image).map_err(Error::io(&self.folder))?;
        self.ends.push(self.ends.last().copied().unwrap_or(0) + image.len() as u64);
        Ok(())
    }

    /// All of them.
    pub fn end(self) -> Stored {
        Stored { ends: self.ends, bytes: self.bytes.into_inner(), folder: self.folder }
    }
}

impl Stored {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of an image.
    pub fn length(&self, index: usize) -> u64 {
        self.ends[index] - self.start(index)
    }

    fn start(&self, index: usize) -> u64 {
        index.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    /// # Errors
    /// [`Error::Io`].
    pub fn get(&self, index: usize) -> Result<Vec<u8>> {
        let (start, end) = (self.start(index), self.ends[index]);
        match &self.bytes {
            SpooledData::InMemory(bytes) => Ok(bytes.get_ref()[start as usize..end as usize].to_vec()),
            SpooledData::OnDisk(file) => {
                let mut image = vec![0; (end - start) as usize];
                read_at(file, &mut image, start).map_err(Error::io(&self.folder))?;
                Ok(image)
            }
        }
    }
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, at)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        (bytes, at) = (&mut bytes[read..], at + read as u64);
    }
    Ok(())
}

impl FromIterator<Vec<u8>> for Stored {
    /// All of them in memory.
    fn from_iter<I: IntoIterator<Item = Vec<u8>>>(images: I) -> Stored {
        let (mut ends, mut bytes) = (Vec::new(), Vec::new());
        for image in images {
            bytes.extend(image);
            ends.push(bytes.len() as u64);
        }
        Stored { ends, bytes: SpooledData::InMemory(Cursor::new(bytes)), folder: PathBuf::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_come_back_from_memory_and_from_a_file_without_a_name() {
        let images: Vec<Vec<u8>> = (0..50_u8).map(|index| vec![index; usize::from(index) % 7]).collect();
        let folder = tempfile::tempdir().unwrap();
        for held in [0, 5, 1000] {
            let mut storing = Storing::within(held, folder.path());
            images.iter().for_each(|image| storing.push(image).unwrap());
            let stored = storing.end();
            assert_eq!(matches!(stored.bytes, SpooledData::OnDisk(_)), held < 1000);
            assert_eq!((stored.len(), std::fs::read_dir(folder.path()).unwrap().count()), (50, 0));
            for index in [3, 49, 0, 20].into_iter().chain(0..50) {
                assert_eq!(stored.get(index).unwrap(), images[index], "{held}");
                assert_eq!(stored.length(index), images[index].len() as u64);
            }
        }
        let missing = folder.path().join("missing");
        let error = Storing::within(0, &missing).push(&[1]).unwrap_err();
        assert!(error.to_string().starts_with(&missing.display().to_string()), "{error}");
    }
}
