//! A training that is asked to stop.

use crate::Result;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// Set by whoever asks, a handler of signals for one; looked at after each step and each batch that is evaluated.
#[derive(Debug, Default)]
pub struct Stop {
    /// The signal that asked; 0 where none did.
    signal: AtomicI32,
    saving: AtomicBool,
}

impl Stop {
    /// Asks, in the name of a signal. Safe within a signal handler: it stores to an atomic.
    pub fn ask(&self, signal: i32) {
        self.signal.store(signal, Ordering::Release);
    }

    /// The signal that asked.
    pub fn asked(&self) -> Option<i32> {
        Some(self.signal.load(Ordering::Acquire)).filter(|signal| *signal != 0)
    }

    /// Whether a checkpoint is being written, which whoever would end the program at once waits for.
    pub fn is_saving(&self) -> bool {
        self.saving.load(Ordering::Acquire)
    }

    pub(super) fn saving<T>(&self, save: impl FnOnce() -> Result<T>) -> Result<T> {
        self.saving.store(true, Ordering::Release);
        let saved = save();
        self.saving.store(false, Ordering::Release);
        saved
    }
}
