//! Files that others wrote, before they are believed: no folder, pipe or device is opened, and no more is read than is there.

use crate::{Error, Result};
use std::fs::Metadata;
use std::path::Path;

/// What stands in the place of a file, if that is none.
pub(crate) fn other(there: &Metadata) -> Option<&'static str> {
    match there.file_type() {
        kind if kind.is_file() => None,
        kind if kind.is_dir() => Some("is a folder"),
        _ => Some("is a pipe or a device"),
    }
}

/// The bytes of a file of at most so many; `what` names it in errors, such as `the weights`.
///
/// # Errors
/// With the path: what is no file, cannot be read, or is larger.
pub(crate) fn bytes(path: &Path, what: &str, most: u64) -> Result<Vec<u8>> {
    let fail = |message: String| Error::File(format!("{}: {message}", path.display()));
    let unread = |error: std::io::Error| fail(format!("cannot read {what}: {error}"));
    // Opening a pipe waits for who writes into it: this comes first.
    let there = std::fs::metadata(path).map_err(unread)?;
    if let Some(other) = other(&there) {
        return Err(fail(format!("{other}, expected a file – name the file itself, or make one of it")));
    }
    if there.len() > most {
        let problem =
            format!("{what}: {} bytes, expected at most {most} – fetch or write it again", there.len());
        return Err(fail(problem));
    }
    std::fs::read(path).map_err(unread)
}
