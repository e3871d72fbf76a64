//! What ends a run, and the exit code it has.

use std::path::PathBuf;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Mistakes in a recipe or command: complete lines, all of them.
    #[error("{}", .0.join("\n"))]
    Recipe(Vec<String>),
    /// Data that is missing, unreadable or leaks.
    #[error("{0}")]
    Data(String),
    /// A loss that is not finite.
    #[error("{0}")]
    Diverged(String),
    /// A disk without room.
    #[error("{0}")]
    Full(String),
    /// A signal; a checkpoint was written before this is returned, unless all steps were done before.
    #[error("{message}")]
    Interrupted { signal: i32, message: String },
    /// A file of a checkpoint that is not what it should be: its path, and the problem.
    #[error("{0} – this checkpoint is damaged: take it from a copy, or train again (--overwrite)")]
    Checkpoint(String),
    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Model(#[from] tallow_models::Error),
    #[error(transparent)]
    Policy(#[from] tallow_policy::Error),
    #[error(transparent)]
    Report(#[from] tallow_report::Error),
    #[error(transparent)]
    Ranks(#[from] tallow_ranks::Error),
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// One mistake in a recipe or command.
    pub fn recipe(message: impl Into<String>) -> Error {
        Error::Recipe(vec![message.into()])
    }

    /// For `map_err` on file operations.
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { path, source }
    }

    /// The same, with a code and a remedy of its own where the disk is full.
    pub fn or_full(self, remedy: &str) -> Error {
        if is_of_full_disk(&self) { Error::Full(format!("{self}; {remedy}")) } else { self }
    }

    /// 2 a mistake in the command or recipe; 3 bad data, or what the hub did not give or take; 4 diverged; 5 a full disk; 128 + signal;
    /// 1 anything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Recipe(_) | Error::Model(tallow_models::Error::Option(_)) => 2,
            Error::Checkpoint(_) | Error::Model(tallow_models::Error::File(_)) => 3,
            Error::Model(tallow_models::Error::Mismatch(_)) => 3,
            Error::Data(_) | Error::Policy(tallow_policy::Error::Data(_)) => 3,
            Error::Diverged(_) => 4,
            Error::Full(_) => 5,
            Error::Interrupted { signal, .. } => 128 + *signal as u8,
            _ => 1,
        }
    }
}

/// A name that is none is a mistake; what the hub does not give, or take, is missing data.
#[cfg(feature = "hub")]
impl From<tallow_hub::Error> for Error {
    fn from(error: tallow_hub::Error) -> Error {
        match error {
            tallow_hub::Error::Reference { .. } => Error::recipe(error.to_string()),
            other => Error::Data(other.to_string()),
        }
    }
}

impl From<tallow_data::Error> for Error {
    fn from(error: tallow_data::Error) -> Error {
        match error {
            tallow_data::Error::Option { .. } => Error::recipe(error.to_string()),
            other => Error::Data(other.to_string()),
        }
    }
}

impl From<tallow_metrics::Error> for Error {
    fn from(error: tallow_metrics::Error) -> Error {
        match error {
            // Of a file that is written; one that is read is data.
            tallow_metrics::Error::Io { path, source } if is_full(&source) => Error::Io { path, source },
            other => Error::Data(other.to_string()),
        }
    }
}

/// Whether an error came of a full disk or quota.
pub fn is_of_full_disk(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>()).any(is_full)
}

/// Whether a disk or a quota is full.
pub(crate) fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}
