//! Encoded images that are no files of their own: in memory while they are few, else in a file that nobody else sees.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use crate::{Cache, Error, Result};

/// Bytes that are held in memory.
const HELD: usize = 16 << 20;

/// Images in their order. What exceeds 16 MiB is written to a file without a name, in the user's cache folder or else the system's for
/// temporary ones, which the system removes when the program ends, however that comes. Where neither can be written all stay in memory.
#[derive(Debug, Default)]
pub struct Stored {
    ends: Vec<u64>,
    /// The last ones, of those that are in the file those that are not written yet.
    held: Vec<u8>,
    file: Option<Spool>,
    /// Bytes that are held, where not [`HELD`].
    most: Option<usize>,
}

#[derive(Debug)]
struct Spool {
    file: File,
    folder: PathBuf,
    written: u64,
}

impl Stored {
    /// # Errors
    /// [`Error::Io`] at the folder of the file, where its disk is full.
    pub fn push(&mut self, image: &[u8]) -> Result<()> {
        let end = self.ends.last().copied().unwrap_or(0) + image.len() as u64;
        self.held.extend_from_slice(image);
        self.ends.push(end);
        if self.held.len() > self.most.unwrap_or(HELD) {
            let spool = match &mut self.file {
                Some(spool) => spool,
                none => match Spool::new(&folders()) {
                    Some(spool) => none.insert(spool),
                    None => {
                        self.most = Some(usize::MAX);
                        return Ok(());
                    }
                },
            };
            let written = spool.file.seek(SeekFrom::Start(spool.written));
            written.and_then(|_| spool.file.write_all(&self.held)).map_err(Error::io(&spool.folder))?;
            spool.written = end;
            self.held = Vec::new();
        }
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of an image.
    pub fn length(&self, index: usize) -> u64 {
        self.ends[index] - index.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    /// # Errors
    /// [`Error::Io`].
    pub fn get(&self, index: usize) -> Result<Vec<u8>> {
        let length = self.length(index) as usize;
        let start = self.ends[index] - length as u64;
        match &self.file {
            Some(spool) if start < spool.written => {
                let mut image = vec![0; length];
                read_at(&spool.file, &mut image, start).map_err(Error::io(&spool.folder))?;
                Ok(image)
            }
            spool => {
                let from = (start - spool.as_ref().map_or(0, |spool| spool.written)) as usize;
                Ok(self.held[from..from + length].to_vec())
            }
        }
    }
}

impl Spool {
    /// In the first of some folders that can be written.
    fn new(folders: &[PathBuf]) -> Option<Spool> {
        folders.iter().find_map(|folder| {
            std::fs::create_dir_all(folder).ok()?;
            let file = tempfile::tempfile_in(folder).ok()?;
            Some(Spool { file, folder: folder.clone(), written: 0 })
        })
    }
}

fn folders() -> Vec<PathBuf> {
    Cache::of_user().folder().map(PathBuf::from).into_iter().chain([std::env::temp_dir()]).collect()
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
        let mut stored = Stored { most: Some(usize::MAX), ..Stored::default() };
        images.into_iter().for_each(|image| stored.push(&image).expect("no file is written"));
        stored
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_come_back_from_memory_and_from_the_file() {
        let images: Vec<Vec<u8>> = (0..50_u8).map(|index| vec![index; usize::from(index) % 7]).collect();
        let folder = tempfile::tempdir().unwrap();
        for most in [0, 5, 1000] {
            // No cache of the user's.
            let file = (most < 1000).then(|| Spool::new(&[folder.path().join("new")]).unwrap());
            let mut stored = Stored { most: Some(most), file, ..Stored::default() };
            for (index, image) in images.iter().enumerate() {
                stored.push(image).unwrap();
                // Where reading moves the place in the file, as on Windows, what is written next must not land there.
                assert_eq!(stored.get(index / 2).unwrap(), images[index / 2], "{most}");
            }
            assert_eq!(stored.len(), 50);
            for index in [3, 49, 0, 20].into_iter().chain(0..50) {
                assert_eq!(stored.get(index).unwrap(), images[index], "{most}");
                assert_eq!(stored.length(index), images[index].len() as u64);
            }
        }
    }

    #[test]
    fn the_file_is_where_one_can_be_and_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("taken"), "").unwrap();
        let [taken, free] = ["taken/below", "free"].map(|name| folder.path().join(name));
        let spool = Spool::new(&[taken.clone(), free.clone()]).unwrap();
        assert_eq!((spool.folder.as_path(), std::fs::read_dir(&free).unwrap().count()), (free.as_path(), 0));
        assert!(Spool::new(&[taken]).is_none());
    }
}
