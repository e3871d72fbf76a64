//! What can be wrong with predictions.

use std::path::PathBuf;

pub type Result<T> = std::result::Result<T, Error>;

/// A mistake in predictions or in a file of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// One image's row is not what it must be.
    #[error("predictions of `{id}`: {problem}")]
    Row { id: String, problem: String },
    /// The columns of the predictions do not belong together.
    #[error("predictions: {0}")]
    Shape(String),
    /// A file of predictions that cannot be read as such; `line` counts from 1.
    #[error("{path}:{line}: {problem}", path = path.display())]
    File { path: PathBuf, line: u64, problem: String },
    /// The operating system's word about a file.
    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// An argument of a bootstrap or of point statistics out of its range.
    #[error("{0}")]
    Argument(String),
}
