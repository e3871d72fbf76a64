//! Ranks that MPI started.

use crate::patience::Patience;
use crate::{Error, Ranks, Result, Traffic};
use mpi::Threading;
use mpi::environment::Universe;
use mpi::point_to_point::Status;
use mpi::request::scope;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, Destination, Equivalence, Source};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So long a process asks for what it waits for without a pause.
const EAGER: Duration = Duration::from_micros(200);
/// Then it sleeps so long between two questions, and other threads have the processor.
const NAP: Duration = Duration::from_micros(50);

/// This process among all that were started together.
pub struct Mpi {
    world: Mutex<World>,
    patience: Patience,
    index: usize,
    count: usize,
}

struct World {
    /// Ends MPI when it is dropped.
    universe: Option<Universe>,
    world: SimpleCommunicator,
    traffic: Traffic,
}

// SAFETY: a communicator is a handle, which MPI lets any thread use that is the only one to call it then (`Serialized`, asked for below);
// the mutex sees to that.
unsafe impl Send for World {}

impl Mpi {
    /// Begins MPI, once for a process.
    ///
    /// # Errors
    /// A library that does not let threads take turns.
    pub fn begin() -> Result<Mpi> {
        let refused = |problem: &str| Error(format!("MPI: {problem}"));
        let (universe, threading) = mpi::initialize_with_threading(Threading::Serialized)
            .ok_or_else(|| refused("was begun before in this process"))?;
        if threading < Threading::Serialized {
            return Err(refused(
                "this library lets one thread alone call it; take one that was built with support of threads",
            ));
        }
        let world = universe.world();
        let (index, count) = (world.rank() as usize, world.size() as usize);
        let world = Mutex::new(World { universe: Some(universe), world, traffic: Traffic::default() });
        Ok(Mpi { world, patience: Patience::new(index), index, count })
    }

    /// Ends MPI, where the others do so too.
    pub fn end(&self) {
        self.world().universe.take();
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ranks for Mpi {
    fn index(&self) -> usize {
        self.index
    }

    fn count(&self) -> usize {
        self.count
    }

    fn exchange(&self, parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        self.exchanged(parts, true)
    }

    /// What another does before may take long, such as writing a report: nobody is suspected.
    fn meet(&self) -> Result<()> {
        self.exchanged(vec![Vec::new(); self.count], false).map(drop)
    }

    fn traffic(&self) -> Traffic {
        self.world().traffic
    }

    fn abort(&self, code: i32) -> ! {
        self.world().world.abort(code)
    }
}

impl Mpi {
    /// Messages of one rank to another do not overtake each other, so that every exchange finds its own.
    fn exchanged(&self, mut parts: Vec<Vec<u8>>, suspects: bool) -> Result<Vec<Vec<u8>>> {
        assert_eq!(parts.len(), self.count, "one part for each rank");
        if let Some(long) = parts.iter().map(Vec::len).find(|len| i32::try_from(*len).is_err()) {
            return Err(Error(format!(
                "a message of {long} bytes is more than MPI takes at once, 2 GiB – start more ranks, or write a smaller data.batch"
            )));
        }
        let own = std::mem::take(&mut parts[self.index]);
        let mut guard = self.world();
        let world = &guard.world;
        let others = (0..self.count).filter(|rank| *rank != self.index);
        let mut received: Vec<Option<Vec<u8>>> = vec![None; self.count];
        let began = Instant::now();
        scope(|scope| {
            let send = |rank: usize| {
                (rank, world.process_at_rank(rank as i32).immediate_send(scope, &parts[rank][..]))
            };
            let mut sent: Vec<_> = others.clone().map(send).collect();
            let mut missing: Vec<usize> = others.clone().collect();
            while let Some(rank) = missing.first().or(sent.first().map(|(rank, _)| rank)) {
                self.patience.wait_for(Some(*rank).filter(|_| suspects));
                let before = missing.len() + sent.len();
                missing.retain(|&rank| {
                    received[rank] = receive(world, rank);
                    received[rank].is_none()
                });
                sent = sent.into_iter().filter_map(|(rank, send)| Some((rank, send.test().err()?))).collect();
                if missing.len() + sent.len() == before && began.elapsed() > EAGER {
                    std::thread::sleep(NAP);
                }
            }
        });
        self.patience.wait_for(None);
        guard.traffic.bytes += parts.iter().map(|part| part.len() as u64).sum::<u64>();
        guard.traffic.seconds += began.elapsed().as_secs_f64();
        received[self.index] = Some(own);
        Ok(received.into_iter().map(Option::unwrap_or_default).collect())
    }
}

/// What a rank has sent, where it has arrived.
fn receive(world: &SimpleCommunicator, rank: usize) -> Option<Vec<u8>> {
    let (message, status): (_, Status) = world.process_at_rank(rank as i32).immediate_matched_probe()?;
    let len = status.count(u8::equivalent_datatype());
    let mut part = vec![0; len as usize];
    message.matched_receive_into(&mut part[..]);
    Some(part)
}
