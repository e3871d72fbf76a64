//! How much a file may unpack to: what it says of itself may be wrong, or meant to fill the memory.

use std::io::Read;
use std::path::Path;

use crate::{Error, Result};

/// Times its own size that a file may unpack to where nobody says otherwise.
pub const MAX_EXPANSION: u64 = 100;

/// Bytes that any file may unpack to.
const ALWAYS: u64 = 256 << 20;

/// What is left of the bytes that a file may unpack to.
pub struct Expansion {
    place: String,
    times: u64,
    left: u64,
}

impl Expansion {
    /// Of a file, that may unpack to so many times its own size.
    pub fn of(path: &Path, times: u64) -> Result<Expansion> {
        let length = std::fs::metadata(path).map_err(Error::io(path))?.len();
        let left = length.saturating_mul(times).max(ALWAYS);
        Ok(Expansion { place: path.display().to_string(), times, left })
    }

    /// Takes bytes from what is left.
    pub fn take(&mut self, bytes: u64) -> Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| self.error())?;
        Ok(())
    }

    pub fn left(&self) -> u64 {
        self.left
    }

    /// Errs where so many bytes are more than is left, and takes none.
    pub fn check(&self, bytes: u64) -> Result<()> {
        if bytes > self.left { Err(self.error()) } else { Ok(()) }
    }

    /// All that comes, as it comes; `place` is where it is from.
    pub fn read(&mut self, from: impl Read, place: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = from.take(self.left.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| Error::invalid(place, error.to_string()))?;
        self.take(bytes.len() as u64)?;
        Ok(bytes)
    }

    fn error(&self) -> Error {
        let problem = format!(
            "unpacks to more than {} times its own size, and more than 256 MiB – expected less, so that no file can fill the memory – if \
             it is what it should be, raise the limit with data.max_expansion=…",
            self.times
        );
        Error::invalid(&self.place, problem)
    }
}
