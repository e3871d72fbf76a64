//! A log that grows: the lines that are new and whole.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::SystemTime;

/// How far a file was read, and what tells whether it is still the same.
#[derive(Default)]
pub struct Tail {
    offset: u64,
    stamp: Option<Stamp>,
    /// The last bytes before the offset: a file that was written anew has others there.
    before: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq)]
struct Stamp {
    length: u64,
    changed: Option<SystemTime>,
    file: u64,
}

impl Stamp {
    fn of(data: &Metadata) -> Stamp {
        #[cfg(unix)]
        let file = std::os::unix::fs::MetadataExt::ino(data);
        #[cfg(not(unix))]
        let file = 0;
        Stamp { length: data.len(), changed: data.modified().ok(), file }
    }
}

/// So many bytes tell a file from one written anew.
const KEPT: u64 = 64;

/// What [`Tail::read`] hands over.
pub enum Piece<'a> {
    /// The file is another one: forget what it said.
    Anew,
    /// Without its end.
    Line(&'a [u8]),
}

impl Tail {
    pub fn changed(&self) -> Option<SystemTime> {
        self.stamp?.changed
    }

    /// Hands over what is new, at most about `portion` bytes; whether that was all. A line without an end is waited for.
    ///
    /// # Errors
    /// A file that cannot be read; what was handed over until then stays so.
    pub fn read(&mut self, path: &Path, portion: u64, mut each: impl FnMut(Piece)) -> io::Result<bool> {
        let mut file = File::open(path)?;
        let stamp = Stamp::of(&file.metadata()?);
        if self.stamp == Some(stamp) {
            return Ok(true);
        }
        if self.offset > 0 && self.is_other(&mut file, stamp)? {
            *self = Tail::default();
            each(Piece::Anew);
        }
        let begin = self.offset;
        file.seek(SeekFrom::Start(begin))?;
        let mut reader = BufReader::with_capacity(1 << 16, file.take(portion));
        let mut line = Vec::new();
        let mut taken = 0;
        loop {
            line.clear();
            let count = reader.read_until(b'\n', &mut line)?;
            taken += count as u64;
            if !line.ends_with(b"\n") {
                break;
            }
            self.offset += count as u64;
            each(Piece::Line(&line[..count - 1]));
        }
        let mut file = reader.into_inner().into_inner();
        self.before.resize(self.offset.min(KEPT) as usize, 0);
        file.seek(SeekFrom::Start(self.offset - self.before.len() as u64))?;
        file.read_exact(&mut self.before)?;
        // A line longer than the portion is waited for as one without an end is.
        let is_all = taken < portion || self.offset == begin;
        // Of a file that is not read to its end the stamp is another one: the next look goes on.
        self.stamp = Some(if is_all { stamp } else { Stamp { length: self.offset, ..stamp } });
        Ok(is_all)
    }

    fn is_other(&self, file: &mut File, now: Stamp) -> io::Result<bool> {
        if now.length < self.offset || self.stamp.is_some_and(|before| before.file != now.file) {
            return Ok(true);
        }
        let mut there = vec![0; self.before.len()];
        file.seek(SeekFrom::Start(self.offset - there.len() as u64))?;
        file.read_exact(&mut there)?;
        Ok(there != self.before)
    }
}
