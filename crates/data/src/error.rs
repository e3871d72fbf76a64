//! What can be wrong with data.

use std::path::{Path, PathBuf};

pub type Result<T> = std::result::Result<T, Error>;

/// A mistake in data; every message names the place, the expectation and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Files that a dataset needs and that are not there.
    #[error("{place}: {problem}; {remedy}")]
    Missing { place: String, problem: String, remedy: String },
    /// A file that is there and cannot be what it should be.
    #[error("{place}: {problem}")]
    Invalid { place: String, problem: String },
    /// An option of the recipe's `data` that the source does not accept; `key` is the path below `data`.
    #[error("data.{key}: {problem}")]
    Option { key: String, problem: String },
    /// A group (lesion, patient) on both sides of a split.
    #[error("{0}")]
    Leak(String),
    /// Bytes that are not an image, or not a whole one; whoever knows its name adds it.
    #[error("{0}")]
    Image(String),
    /// What went wrong while one image was prepared.
    #[error("{id}: {source}")]
    Prepare { id: String, source: Box<dyn std::error::Error + Send + Sync> },
    /// The operating system's word about a file.
    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: std::io::Error },
}

impl Error {
    pub(crate) fn option(key: impl Into<String>, problem: impl Into<String>) -> Error {
        Error::Option { key: key.into(), problem: problem.into() }
    }

    pub(crate) fn invalid(place: impl std::fmt::Display, problem: impl Into<String>) -> Error {
        Error::Invalid { place: place.to_string(), problem: problem.into() }
    }

    pub(crate) fn missing(
        place: impl std::fmt::Display,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Error {
        Error::Missing { place: place.to_string(), problem: problem.into(), remedy: remedy.into() }
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::Io { path, source }
    }
}

/// The first few of many, for a message: "a, b, c and 4 more".
pub(crate) fn first_few<T: AsRef<str>>(names: &[T]) -> String {
    const FEW: usize = 5;
    let shown: Vec<&str> = names.iter().take(FEW).map(AsRef::as_ref).collect();
    let more = names.len().saturating_sub(FEW);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}
