//! The one thread that reads the folders, while somebody looks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tallow_train::watch::Watch;

/// A page waits so long for what is being read, then shows what is known.
const PATIENCE: Duration = Duration::from_millis(700);
/// What was read so lately is not read again.
const FRESH: Duration = Duration::from_millis(900);

pub struct Reader {
    shared: Arc<Shared>,
}

struct Shared {
    watch: Mutex<Watch>,
    turn: Mutex<Turn>,
    changed: Condvar,
    /// Pages that wait for what is known: they come before the next log.
    waiting: AtomicUsize,
}

#[derive(Default)]
struct Turn {
    /// Whether somebody asked for what is there now.
    is_asked: bool,
    /// Looks that ended, and when the last one did.
    looks: u64,
    last: Option<Instant>,
    /// Whether the last look read all.
    is_whole: bool,
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reader {
    /// Begins at once: the first page comes sooner.
    pub fn start(watch: Watch) -> Reader {
        let turn = Mutex::new(Turn { is_asked: true, ..Turn::default() });
        let shared = Arc::new(Shared {
            watch: Mutex::new(watch),
            turn,
            changed: Condvar::new(),
            waiting: AtomicUsize::new(0),
        });
        let of_thread = shared.clone();
        std::thread::spawn(move || of_thread.read());
        Reader { shared }
    }

    /// What the folders say now, or what is known of them after a moment; and whether all was read.
    pub fn look<T>(&self, see: impl FnOnce(&Watch, bool) -> T) -> T {
        let until = Instant::now() + PATIENCE;
        let mut turn = unpoisoned(&self.shared.turn);
        if !(turn.is_whole && turn.last.is_some_and(|last| last.elapsed() < FRESH)) {
            let before = turn.looks;
            turn.is_asked = true;
            self.shared.changed.notify_all();
            while turn.looks == before && Instant::now() < until {
                let left = until.saturating_duration_since(Instant::now());
                turn = self.shared.changed.wait_timeout(turn, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        let is_whole = turn.is_whole;
        drop(turn);
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        let watch = unpoisoned(&self.shared.watch);
        self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        see(&watch, is_whole)
    }
}

impl Shared {
    fn read(&self) {
        loop {
            let mut turn = unpoisoned(&self.turn);
            while !turn.is_asked {
                turn = self.changed.wait(turn).unwrap_or_else(PoisonError::into_inner);
            }
            turn.is_asked = false;
            drop(turn);
            unpoisoned(&self.watch).find();
            let mut is_whole = false;
            while !is_whole {
                is_whole = self.portion();
                let mut turn = unpoisoned(&self.turn);
                turn.looks += 1;
                (turn.last, turn.is_whole) = (Some(Instant::now()), is_whole);
                self.changed.notify_all();
            }
        }
    }

    /// A portion of every log, pages being made in between.
    fn portion(&self) -> bool {
        let names = unpoisoned(&self.watch).names();
        // Each by itself: a page need not wait for all of them.
        let mut is_whole = true;
        for name in &names {
            while self.waiting.load(Ordering::Relaxed) > 0 {
                std::thread::sleep(Duration::from_micros(100));
            }
            is_whole &= unpoisoned(&self.watch).read_one(name);
        }
        is_whole
    }
}
