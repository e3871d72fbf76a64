//! Where the shards of a batch meet: threads of this process, and through one of them those of other ranks.

use crate::run::Shards;
use candle_core::{Error, Result};
use std::mem::take;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tallow_kernels::{Bytes, Shard};
use tallow_ranks::Ranks;

/// The meeting of one walk.
pub struct Meeting {
    shards: Shards,
    /// Whether batch norm sees the rows of all shards.
    sync_batch_norm: bool,
    ranks: Arc<dyn Ranks>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// By the shards of this process that are here.
    sent: Vec<Option<Sent>>,
    here: usize,
    /// For each shard of this process, in the last round that is over.
    received: Vec<Vec<Bytes>>,
    rounds: u64,
    /// Why a shard was ended, the first of them.
    failed: Option<String>,
    first: Option<usize>,
}

enum Sent {
    ToAll(Bytes),
    ToEach(Vec<Bytes>),
}

impl Sent {
    fn to(&self, shard: usize) -> &Bytes {
        match self {
            Sent::ToAll(bytes) => bytes,
            Sent::ToEach(parts) => &parts[shard],
        }
    }
}

impl Meeting {
    pub fn new(shards: Shards, ranks: Arc<dyn Ranks>, sync_batch_norm: bool) -> Arc<Meeting> {
        let sent = shards.own().map(|_| None).collect();
        let state = Mutex::new(State { sent, ..State::default() });
        Arc::new(Meeting { shards, sync_batch_norm, ranks, state, changed: Condvar::new() })
    }

    /// Of a shard of this process.
    pub fn member(self: &Arc<Meeting>, shard: usize) -> Member {
        Member { meeting: self.clone(), shard, done: false }
    }

    /// The shard that was ended first, for which the others were.
    pub fn first_failed(&self) -> Option<usize> {
        self.state().first
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn meet(&self, shard: usize, sent: Sent) -> Result<Vec<Bytes>> {
        let own = self.shards.own();
        let place = shard - own.start;
        let mut state = self.state();
        state.sent[place] = Some(sent);
        state.here += 1;
        if state.here == own.len() && state.failed.is_none() {
            let sent: Vec<Sent> = state.sent.iter_mut().filter_map(take).collect();
            match self.exchanged(&sent) {
                Ok(received) => state.received = received,
                Err(error) => state.failed = Some(error.to_string()),
            }
            (state.here, state.rounds) = (0, state.rounds + 1);
            self.changed.notify_all();
        } else {
            let round = state.rounds;
            let waits = |state: &mut State| state.rounds == round && state.failed.is_none();
            state = self.changed.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner);
        }
        match &state.failed {
            Some(reason) => Err(Error::Msg(reason.clone())),
            None => Ok(take(&mut state.received[place])),
        }
    }

    /// What each shard of this process is sent by all, those of other ranks too.
    fn exchanged(&self, sent: &[Sent]) -> std::result::Result<Vec<Vec<Bytes>>, tallow_ranks::Error> {
        let own = self.shards.own();
        // Of one rank for another: what goes to all of its shards once, the rest shard by shard.
        let mut parts = vec![Vec::new(); self.shards.ranks];
        for (rank, part) in parts.iter_mut().enumerate().filter(|(rank, _)| *rank != self.shards.rank) {
            for sent in sent {
                match sent {
                    Sent::ToAll(bytes) => write(part, bytes),
                    Sent::ToEach(all) => {
                        all[self.shards.of(rank)].iter().for_each(|bytes| write(part, bytes))
                    }
                }
            }
        }
        let arrived = if self.shards.ranks > 1 { self.ranks.exchange(parts)? } else { parts };
        let mut received = vec![Vec::with_capacity(self.shards.count); own.len()];
        for (rank, arrived) in arrived.iter().enumerate() {
            let mut rest = &arrived[..];
            for index in 0..self.shards.of(rank).len() {
                if rank == self.shards.rank {
                    for (shard, received) in own.clone().zip(&mut received) {
                        received.push(sent[index].to(shard).clone());
                    }
                } else if let Sent::ToAll(_) = sent[0] {
                    let bytes = read(&mut rest);
                    received.iter_mut().for_each(|received| received.push(bytes.clone()));
                } else {
                    received.iter_mut().for_each(|received| received.push(read(&mut rest)));
                }
            }
        }
        Ok(received)
    }
}

/// Bytes after their number.
fn write(part: &mut Vec<u8>, bytes: &[u8]) {
    part.extend((bytes.len() as u64).to_le_bytes());
    part.extend(bytes);
}

/// What [`write`] wrote; nothing of a rank that wrote something else, whose length whoever takes it refuses.
fn read(rest: &mut &[u8]) -> Bytes {
    let Some((len, after)) = rest.split_first_chunk::<8>() else { return Bytes::default() };
    let (bytes, after) = after.split_at(after.len().min(u64::from_le_bytes(*len) as usize));
    *rest = after;
    bytes.into()
}

/// A shard of this process. One that is dropped before it is done ends the others.
pub struct Member {
    meeting: Arc<Meeting>,
    shard: usize,
    done: bool,
}

impl Member {
    /// What the kernels talk through.
    pub fn shard(&self) -> Arc<dyn Shard> {
        Arc::new(Place { meeting: self.meeting.clone(), shard: self.shard })
    }

    /// Notes why it ended, where that was before the others.
    pub fn ended<T>(mut self, result: crate::Result<T>) -> crate::Result<T> {
        match &result {
            Ok(_) => self.done = true,
            Err(error) => self.fail(error.to_string()),
        }
        result
    }

    fn fail(&mut self, reason: String) {
        self.done = true;
        let mut state = self.meeting.state();
        if state.failed.is_none() {
            (state.failed, state.first) = (Some(reason), Some(self.shard));
        }
        drop(state);
        self.meeting.changed.notify_all();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if !self.done {
            self.fail("a shard of the batch has panicked".to_owned());
        }
    }
}

struct Place {
    meeting: Arc<Meeting>,
    shard: usize,
}

impl Shard for Place {
    fn index(&self) -> usize {
        self.shard
    }

    fn count(&self) -> usize {
        self.meeting.shards.count
    }

    fn leads(&self) -> bool {
        self.shard == self.meeting.shards.own().start
    }

    fn joins_statistics(&self) -> bool {
        self.meeting.sync_batch_norm
    }

    fn exchange(&self, parts: Vec<Bytes>) -> Result<Vec<Bytes>> {
        self.meeting.meet(self.shard, Sent::ToEach(parts))
    }

    fn gather(&self, own: Bytes) -> Result<Vec<Bytes>> {
        self.meeting.meet(self.shard, Sent::ToAll(own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What every shard of every rank gets, by shard.
    fn received(count: usize, ranks: usize) -> Vec<Vec<Bytes>> {
        let threads = tallow_ranks::threads(ranks);
        let mut all = std::thread::scope(|scope| {
            let rank = |thread: tallow_ranks::Thread| {
                let shards = Shards { count, ranks, rank: thread.index() };
                let meeting = Meeting::new(shards, Arc::new(thread), true);
                let talk = |shard: usize| {
                    let member = meeting.member(shard);
                    scope.spawn(move || {
                        let place = member.shard();
                        let mut received = Vec::new();
                        for round in 0..3 {
                            let own = |other: usize| Bytes::from(vec![shard as u8, other as u8, round]);
                            received.extend(place.gather(own(99)).unwrap());
                            received.extend(place.exchange((0..count).map(own).collect()).unwrap());
                        }
                        member.ended(Ok((shard, received))).unwrap()
                    })
                };
                shards.own().map(talk).collect::<Vec<_>>()
            };
            let threads: Vec<_> = threads.into_iter().flat_map(rank).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        all.sort_by_key(|(shard, _)| *shard);
        all.into_iter().map(|(_, received)| received).collect()
    }

    #[test]
    fn where_a_shard_is_does_not_matter_to_the_others() {
        let one = received(4, 1);
        assert_eq!(one[2][1][..], [1, 99, 0]);
        assert_eq!(one[2][4 + 1][..], [1, 2, 0]);
        for ranks in 2..=4 {
            assert_eq!(received(4, ranks), one, "{ranks} ranks");
        }
    }

    #[test]
    fn one_that_fails_ends_the_others() {
        let shards = Shards { count: 3, ranks: 1, rank: 0 };
        for panics in [false, true] {
            let meeting = Meeting::new(shards, Arc::new(tallow_ranks::Alone), true);
            let others: Vec<String> = std::thread::scope(|scope| {
                let wait = |shard: usize| {
                    let member = meeting.member(shard);
                    scope.spawn(move || member.shard().gather(Bytes::default()).unwrap_err().to_string())
                };
                let waiting = [wait(0), wait(2)];
                let member = meeting.member(1);
                let wrong = crate::Error::recipe("no such thing");
                if panics {
                    drop(member)
                } else {
                    drop(member.ended(Err::<(), _>(wrong)))
                }
                waiting.map(|thread| thread.join().unwrap()).into()
            });
            let expected = if panics { "a shard of the batch has panicked" } else { "no such thing" };
            assert_eq!(others, [expected; 2]);
        }
    }
}
