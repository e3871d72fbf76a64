//! Sums of gradients that are made while the shards still walk: bucket by bucket, as soon as all shards have handed one in.

use super::super::optimizer::Gradients;
use super::tree::summed;
use crate::Result;
use crate::run::Shards;
use candle_core::Tensor;
use std::mem::take;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tallow_ranks::{LANES, Ranks};

/// A bucket is full with so many numbers: 4 MiB.
const FULL: usize = 1 << 20;

/// The sums of one walk, under way on threads of their own.
pub struct Sums {
    desk: Arc<Desk>,
    threads: Vec<JoinHandle<Result<Gradients>>>,
}

/// Where shards hand in their gradients, and threads take them from.
struct Desk {
    shards: Shards,
    ranks: Arc<dyn Ranks>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Of each shard of this process, the buckets that it has filled. All shards fill them with the same parameters.
    filled: Vec<Vec<Gradients>>,
    /// How many shards of this process have handed in everything.
    ended: usize,
    /// No more is to come.
    abandoned: bool,
}

impl Sums {
    /// Begins the threads that wait for gradients. Where other ranks are, the buckets take turns on two lanes: one is on its way while
    /// another is added up.
    pub fn begin(shards: Shards, ranks: Arc<dyn Ranks>) -> Sums {
        let threads = if shards.ranks == 1 { 1 } else { LANES - 1 };
        let filled = vec![Vec::new(); shards.own().len()];
        let state = Mutex::new(State { filled, ..State::default() });
        let desk = Arc::new(Desk { shards, ranks, state, changed: Condvar::new() });
        let begin = |thread: usize| {
            let desk = desk.clone();
            std::thread::spawn(move || desk.sums(thread, threads))
        };
        let threads = (0..threads).map(begin).collect();
        Sums { desk, threads }
    }

    /// For a shard of this process to hand in its gradients.
    pub fn of(&self, shard: usize) -> Handing {
        let place = shard - self.desk.shards.own().start;
        Handing { desk: self.desk.clone(), place, bucket: Gradients::new(), numbers: 0 }
    }

    /// All sums, when every shard has ended.
    ///
    /// # Errors
    /// Those of the ops; a rank that does not answer.
    pub fn end(mut self) -> Result<Gradients> {
        let mut all = Gradients::new();
        for thread in take(&mut self.threads) {
            all.extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(all)
    }
}

/// Before its end: its threads are left alone, since a rank that they wait for may never answer.
impl Drop for Sums {
    fn drop(&mut self) {
        self.desk.state().abandoned = true;
        self.desk.changed.notify_all();
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of every bucket whose turn it is.
    fn sums(&self, thread: usize, threads: usize) -> Result<Gradients> {
        let mut sums = Gradients::new();
        for bucket in (thread..).step_by(threads) {
            let Some(own) = self.bucket(bucket) else { break };
            let lane = if threads > 1 { 1 + thread } else { 0 };
            sums.extend(summed(self.shards, &*self.ranks, lane, own)?);
        }
        Ok(sums)
    }

    /// What the shards of this process have of a bucket, when all of them have filled it; nothing where there are not so many.
    fn bucket(&self, bucket: usize) -> Option<Vec<Gradients>> {
        let waits = |state: &mut State| {
            !state.abandoned
                && state.ended < state.filled.len()
                && state.filled.iter().any(|filled| filled.len() <= bucket)
        };
        let waited = self.changed.wait_while(self.state(), waits);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.abandoned {
            return None;
        }
        let own: Vec<_> =
            state.filled.iter_mut().filter_map(|filled| Some(take(filled.get_mut(bucket)?))).collect();
        let (first, others) = own.split_first()?;
        let same = others.iter().all(|other| other.keys().eq(first.keys()));
        assert!(same && own.len() == state.filled.len(), "all shards fill the same buckets");
        Some(own)
    }
}

/// What one shard hands in.
pub struct Handing {
    desk: Arc<Desk>,
    place: usize,
    bucket: Gradients,
    numbers: usize,
}

impl Handing {
    /// One gradient; every shard hands in the same ones, in the same order.
    pub fn give(&mut self, name: &str, gradient: Tensor) {
        self.numbers += gradient.elem_count();
        self.bucket.insert(name.to_owned(), gradient);
        if self.numbers >= FULL {
            self.fill(false);
        }
    }

    /// There is no more.
    pub fn end(mut self) {
        self.fill(true);
    }

    fn fill(&mut self, ended: bool) {
        self.numbers = 0;
        let bucket = take(&mut self.bucket);
        let mut state = self.desk.state();
        if !bucket.is_empty() {
            state.filled[self.place].push(bucket);
        }
        state.ended += usize::from(ended);
        self.desk.changed.notify_all();
    }
}
