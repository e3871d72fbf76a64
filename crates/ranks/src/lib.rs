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

/// The ways of the same ranks to each other, beside one another: what is on its way on one of them keeps nothing waiting on the others.
pub const LANES: usize = 3;

/// One process among those of a training, and its way to the others.
pub trait Ranks: Send + Sync {
    /// From 0.
    fn index(&self) -> usize;

    /// How many there are.
    fn count(&self) -> usize;

    /// Sends part r to rank r, and returns what every rank sent to this one, in their order. All ranks call it, on each lane in the same
    /// order of calls; one thread at a time is on a lane.
    ///
    /// # Errors
    /// A rank that does not answer.
    fn exchange_on(&self, lane: usize, parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>>;

    /// What every rank has, in their order.
    ///
    /// # Errors
    /// Those of [`Ranks::exchange_on`].
    fn gather_on(&self, lane: usize, own: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        self.exchange_on(lane, vec![own; self.count()])
    }

    /// [`Ranks::exchange_on`] the first lane.
    ///
    /// # Errors
    /// Those of that.
    fn exchange(&self, parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        self.exchange_on(0, parts)
    }

    /// [`Ranks::gather_on`] the first lane.
    ///
    /// # Errors
    /// Those of that.
    fn gather(&self, own: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        self.gather_on(0, own)
    }

    /// Which of the ranks of its machine it is, from 0.
    fn place(&self) -> usize {
        0
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
    /// On the first lane.
    pub seconds: f64,
    /// On the others, all together.
    pub beside: f64,
}

impl Traffic {
    /// What came after `before`.
    pub fn since(self, before: Traffic) -> Traffic {
        Traffic {
            bytes: self.bytes - before.bytes,
            seconds: self.seconds - before.seconds,
            beside: self.beside - before.beside,
        }
    }

    #[cfg(feature = "mpi")]
    fn and(self, other: Traffic) -> Traffic {
        Traffic {
            bytes: self.bytes + other.bytes,
            seconds: self.seconds + other.seconds,
            beside: self.beside + other.beside,
        }
    }
}

/// A rank that did not answer, or a library that could not begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

pub type Result<T> = std::result::Result<T, Error>;
