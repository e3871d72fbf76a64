//! Threads for the shards of this process: each has a pool of its own, so that one that waits for another keeps nobody from working.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{Arc, Mutex, PoisonError};

/// The pools of a run, made when they are first asked for.
#[derive(Default)]
pub struct ShardPools(Mutex<Vec<Arc<ThreadPool>>>);

impl ShardPools {
    /// One pool for each of so many shards, which share the threads of this one's.
    pub fn of(&self, shards: usize) -> Vec<Arc<ThreadPool>> {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = (rayon::current_num_threads() / shards).max(1);
        while pools.len() < shards {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build();
            pools.push(Arc::new(pool.expect("a thread can be started")));
        }
        pools[..shards].to_vec()
    }
}
