//! What can be wrong with what people look at: files that cannot be written, and logs that do not continue.

use std::path::{Path, PathBuf};

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system's word about a file.
    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// A log whose columns or lines are not those of this run.
    #[error("{path}: {problem}", path = path.display())]
    Log { path: PathBuf, problem: String },
    /// A picture whose bytes are not width · height · 3.
    #[error("{0}")]
    Picture(String),
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::Io { path, source }
    }
}
