//! Which images cannot be read: asked before a run, not in the middle of it.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Dataset, decode};

/// An image that cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub index: usize,
    pub id: String,
    pub reason: String,
}

/// Decodes every image on `workers` threads and returns those that fail, in order. `progress` hears the number done.
pub fn broken(dataset: &dyn Dataset, workers: usize, progress: &(dyn Fn(usize) + Sync)) -> Vec<Broken> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let look = || {
        let mut found = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= dataset.len() {
                return found;
            }
            if let Err(error) = dataset.image(index).and_then(|encoded| decode(&encoded)) {
                found.push(Broken { index, id: dataset.id(index).to_string(), reason: error.to_string() });
            }
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        }
    };
    let mut found: Vec<Broken> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers.max(1)).map(|_| scope.spawn(look)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("decoding does not panic")).collect()
    });
    found.sort_by_key(|image| image.index);
    found
}
