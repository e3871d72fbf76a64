//! Processes of one training, on one machine or many, and how they talk: by MPI (feature `mpi`), which starts them and carries bytes. It
//! adds no numbers: in which order these are added is for whoever asks.

mod alone;
mod launcher;
#[cfg(feature = "mpi")]
mod mpi;
#[cfg(feature = "mpi")]
mod patience;
mod threads;

pub use alone::Alone;
pub use launcher::{Launched, launched};
#[cfg(feature = "mpi")]
pub use mpi::Mpi;
pub use threads::{Thread, threads};

/// One process among those of a training, and its way to the others.
pub trait Ranks: Send + Sync {
    /// From 0.
    fn index(&self) -> usize;

    /// How many there are.
    fn count(&self) -> usize;

    /// Sends part r to rank r, and returns what every rank sent to this one, in their order. All ranks call it, in the same order of calls.
    ///
    /// # Errors
    /// A rank that does not answer.
    fn exchange(&self, parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>>;

    /// What every rank has, in their order.
    ///
    /// # Errors
    /// Those of [`Ranks::exchange`].
    fn gather(&self, own: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        self.exchange(vec![own; self.count()])
    }

    /// What it cost so far.
    fn traffic(&self) -> Traffic {
        Traffic::default()
    }

    /// Waits until every rank is here.
    ///
    /// # Errors
    /// Those of [`Ranks::exchange`].
    fn meet(&self) -> Result<()> {
        self.gather(Vec::new()).map(drop)
    }

    /// Ends all processes; `code` is what the launcher ends with.
    fn abort(&self, code: i32) -> !;
}

/// What a rank sent to others, and how long it was busy with that or waited for them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Traffic {
    pub bytes: u64,
    pub seconds: f64,
}

impl Traffic {
    /// What came after `before`.
    pub fn since(self, before: Traffic) -> Traffic {
        Traffic { bytes: self.bytes - before.bytes, seconds: self.seconds - before.seconds }
    }
}

/// A rank that did not answer, or a library that could not begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

pub type Result<T> = std::result::Result<T, Error>;
