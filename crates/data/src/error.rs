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
    /// Several mistakes in one file, in its order: a line for each of the first, and how many there are more.
    #[error("{}{}", lines(.first), and_more(*.more))]
    Several { first: Vec<Error>, more: usize },
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

fn lines(errors: &[Error]) -> String {
    errors.iter().map(Error::to_string).collect::<Vec<_>>().join("\n")
}

fn and_more(more: usize) -> String {
    if more == 0 { String::new() } else { format!("\n… and {more} more") }
}

/// Mistakes in one file, gathered so that all are told at once.
#[derive(Debug, Default)]
pub(crate) struct Mistakes(Vec<Error>);

impl Mistakes {
    pub fn push(&mut self, error: Error) {
        self.0.push(error);
    }

    /// What was read, or nothing after noting why not.
    pub fn take<T>(&mut self, read: Result<T>) -> Option<T> {
        read.map_err(|error| self.push(error)).ok()
    }

    /// Errs where there are any: with the one, or with [`Error::Several`].
    pub fn end(mut self) -> Result<()> {
        const SHOWN: usize = 20;
        let more = self.0.len().saturating_sub(SHOWN);
        self.0.truncate(SHOWN);
        match self.0.len() {
            0 => Ok(()),
            1 => Err(self.0.remove(0)),
            _ => Err(Error::Several { first: self.0, more }),
        }
    }
}

/// The first few of many, for a message: "a, b, c and 4 more".
pub fn first_few<T: AsRef<str>>(names: &[T]) -> String {
    const FEW: usize = 5;
    let shown: Vec<&str> = names.iter().take(FEW).map(AsRef::as_ref).collect();
    let more = names.len().saturating_sub(FEW);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_mistakes_are_told_up_to_a_number() {
        let told = |count: usize| {
            let mut mistakes = Mistakes::default();
            (0..count).for_each(|line| mistakes.push(Error::invalid(format!("t.csv:{line}"), "wrong")));
            mistakes.end().err().map(|error| error.to_string())
        };
        assert_eq!(told(0), None);
        assert_eq!(told(1).unwrap(), "t.csv:0: wrong");
        assert_eq!(told(2).unwrap(), "t.csv:0: wrong\nt.csv:1: wrong");
        assert_eq!(told(20).unwrap().lines().count(), 20);
        assert!(told(23).unwrap().ends_with("\nt.csv:19: wrong\n… and 3 more"));
    }
}
