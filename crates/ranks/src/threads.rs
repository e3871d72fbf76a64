//! Ranks that are threads of one process, for tests and benches of what several processes do.

use crate::{Error, LANES, Ranks, Result};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So long a thread waits for another.
const PATIENCE: Duration = Duration::from_secs(60);

/// A rank that is a thread.
pub struct Thread {
    index: usize,
    post: Arc<Post>,
}

/// What was sent and not yet received: on each lane from each thread to each, in order.
struct Post {
    boxes: Mutex<Vec<VecDeque<Vec<u8>>>>,
    arrived: Condvar,
    count: usize,
}

/// So many ranks that talk to each other.
pub fn threads(count: usize) -> Vec<Thread> {
    let boxes = Mutex::new((0..LANES * count * count).map(|_| VecDeque::new()).collect());
    let post = Arc::new(Post { boxes, arrived: Condvar::new(), count });
    (0..count).map(|index| Thread { index, post: post.clone() }).collect()
}

impl Post {
    fn boxes(&self) -> MutexGuard<'_, Vec<VecDeque<Vec<u8>>>> {
        self.boxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ranks for Thread {
    fn index(&self) -> usize {
        self.index
    }

    fn count(&self) -> usize {
        self.post.count
    }

    fn exchange_on(&self, lane: usize, parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        let count = self.count();
        assert_eq!(parts.len(), count, "one part for each rank");
        let mut boxes = self.post.boxes();
        let place = |from: usize, to: usize| (lane * count + from) * count + to;
        for (to, part) in parts.into_iter().enumerate() {
            boxes[place(self.index, to)].push_back(part);
        }
        self.post.arrived.notify_all();
        let mut received = Vec::with_capacity(count);
        for from in 0..count {
            let at = place(from, self.index);
            let wait = self.post.arrived.wait_timeout_while(boxes, PATIENCE, |boxes| boxes[at].is_empty());
            boxes = wait.unwrap_or_else(PoisonError::into_inner).0;
            let part = boxes[at].pop_front();
            received.push(part.ok_or_else(|| Error(format!("rank {from} has not answered")))?);
        }
        Ok(received)
    }

    fn abort(&self, code: i32) -> ! {
        std::process::exit(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rank_gets_what_was_sent_to_it_in_order() {
        std::thread::scope(|scope| {
            for rank in threads(3) {
                scope.spawn(move || {
                    let own = rank.index() as u8;
                    for round in 0..50 {
                        let sent = (0..3).map(|to| vec![own, to, round]).collect();
                        let received = rank.exchange(sent).unwrap();
                        assert_eq!(received, (0..3).map(|from| vec![from, own, round]).collect::<Vec<_>>());
                    }
                    // What is sent on one lane is received on it.
                    let rank = &rank;
                    std::thread::scope(|scope| {
                        for lane in [1, 2] {
                            scope.spawn(move || {
                                let received = rank.gather_on(lane, vec![own, lane as u8]).unwrap();
                                assert_eq!(received, [0, 1, 2].map(|from| [from, lane as u8]));
                            });
                        }
                    });
                    assert_eq!(rank.gather(vec![own; 2]).unwrap(), [[0; 2], [1; 2], [2; 2]]);
                });
            }
        });
    }
}
