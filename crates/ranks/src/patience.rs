//! Tells of ranks that do not answer: stopped, or on a machine that was cut off.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// After so long a rank that does not answer is told of, and again each time that the wait has doubled.
const TOLD: Duration = Duration::from_secs(10);
/// After so long this process ends, and the launcher ends the others.
const GIVEN_UP: Duration = Duration::from_secs(30 * 60);

/// Whom a process waits for, and a thread that looks at how long: what it waits in may be a call that does not return.
pub struct Patience(Arc<Mutex<Option<(usize, Instant)>>>);

impl Patience {
    /// Of the rank `index`.
    pub fn new(index: usize) -> Patience {
        let waits = Arc::default();
        let seen = Arc::downgrade(&waits);
        std::thread::spawn(move || look(index, &seen));
        Patience(waits)
    }

    /// Notes for whom the process waits now.
    pub fn wait_for(&self, rank: Option<usize>) {
        let mut waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waits.map(|(rank, _)| rank) != rank {
            *waits = rank.map(|rank| (rank, Instant::now()));
        }
    }
}

/// Until nobody waits any more.
fn look(index: usize, waits: &Weak<Mutex<Option<(usize, Instant)>>>) {
    let mut told = (None, TOLD);
    while let Some(waits) = waits.upgrade() {
        let wait = *waits.lock().unwrap_or_else(PoisonError::into_inner);
        drop(waits);
        if let Some((rank, since)) = wait {
            if told.0 != Some(since) {
                told = (Some(since), TOLD);
            }
            let waited = since.elapsed();
            if waited > GIVEN_UP {
                eprintln!("error: rank {index}: rank {rank} has not answered for {} s", waited.as_secs());
                std::process::exit(1);
            }
            if waited > told.1 {
                told.1 *= 2;
                eprintln!(
                    "warning: rank {index}: rank {rank} has not answered for {} s; is it stopped, or its machine cut off?",
                    waited.as_secs()
                );
            }
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}
