//! Ranks that MPI started.

use crate::patience::Patience;
use crate::{Error, LANES, Ranks, Result, Traffic};
use mpi::Threading;
use mpi::environment::Universe;
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
    library: Mutex<Library>,
    lanes: [Lane; LANES],
    index: usize,
    count: usize,
    place: usize,
}

/// What one thread at a time calls.
struct Library {
    /// Ends MPI when it is dropped.
    universe: Option<Universe>,
    world: SimpleCommunicator,
}

// SAFETY: a communicator is a handle, which MPI lets any thread use that is the only one to call it then (`Serialized`, asked for below);
// the mutex sees to that.
unsafe impl Send for Library {}

struct Lane {
    patience: Patience,
    traffic: Mutex<Traffic>,
}

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
        let place = world.split_shared(index as i32).rank() as usize;
        let library = Mutex::new(Library { universe: Some(universe), world });
        let lane = || Lane { patience: Patience::new(index), traffic: Mutex::default() };
        Ok(Mpi { library, lanes: std::array::from_fn(|_| lane()), index, count, place })
    }

    /// Ends MPI, where the others do so too.
    pub fn end(&self) {
        lock(&self.library).universe.take();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ranks for Mpi {
    fn index(&self) -> usize {
        self.index
    }

    fn count(&self) -> usize {
        self.count
    }

    fn place(&self) -> usize {
        self.place
    }

    fn exchange_on(&self, lane: usize, parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        self.exchanged(lane, &parts, true)
    }

    /// Sends one memory to all.
    fn gather_on(&self, lane: usize, own: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        self.exchanged(lane, &vec![&own[..]; self.count], true)
    }

    /// What another does before may take long, such as writing a report: nobody is suspected.
    fn meet(&self) -> Result<()> {
        self.exchanged(0, &vec![&[][..]; self.count], false).map(drop)
    }

    fn traffic(&self) -> Traffic {
        self.lanes.iter().map(|lane| *lock(&lane.traffic)).fold(Traffic::default(), Traffic::and)
    }

    fn abort(&self, code: i32) -> ! {
        lock(&self.library).world.abort(code)
    }
}

impl Mpi {
    /// Messages of one rank to another with one tag do not overtake each other, so that every exchange of a lane finds its own. Nothing
    /// that waits for another rank is called with the library locked.
    fn exchanged(&self, lane: usize, parts: &[&[u8]], suspects: bool) -> Result<Vec<Vec<u8>>> {
        assert_eq!(parts.len(), self.count, "one part for each rank");
        if let Some(long) = parts.iter().map(|part| part.len()).find(|len| i32::try_from(*len).is_err()) {
            return Err(Error(format!(
                "a message of {long} bytes is more than MPI takes at once, 2 GiB – start more ranks, or write a smaller data.batch"
            )));
        }
        let (tag, Lane { patience, traffic }) = (lane as i32, &self.lanes[lane]);
        let others = || (0..self.count).filter(|rank| *rank != self.index);
        let mut received = vec![Vec::new(); self.count];
        received[self.index] = parts[self.index].to_vec();
        let began = Instant::now();
        scope(|scope| {
            let mut rooms: Vec<_> = received.iter_mut().map(Some).collect();
            let mut announced: Vec<usize> = others().collect();
            let library = lock(&self.library);
            let send = |rank: usize| {
                let process = library.world.process_at_rank(rank as i32);
                (rank, process.immediate_send_with_tag(scope, parts[rank], tag))
            };
            let mut under_way: Vec<_> = others().map(send).collect();
            drop(library);
            while let Some(rank) = announced.first().or(under_way.first().map(|(rank, _)| rank)) {
                patience.wait_for(Some(*rank).filter(|_| suspects));
                let before = (announced.len(), under_way.len());
                let library = lock(&self.library);
                announced.retain(|&rank| {
                    let process = library.world.process_at_rank(rank as i32);
                    let Some((message, status)) = process.immediate_matched_probe_with_tag(tag) else {
                        return true;
                    };
                    let room: &mut Vec<u8> = rooms[rank].take().expect("a rank sends once");
                    *room = vec![0; status.count(u8::equivalent_datatype()) as usize];
                    under_way.push((rank, message.immediate_matched_receive_into(scope, &mut room[..])));
                    false
                });
                let unfinished =
                    under_way.into_iter().filter_map(|(rank, request)| Some((rank, request.test().err()?)));
                under_way = unfinished.collect();
                drop(library);
                if (announced.len(), under_way.len()) == before && began.elapsed() > EAGER {
                    std::thread::sleep(NAP);
                }
            }
        });
        patience.wait_for(None);
        let mut traffic = lock(traffic);
        let bytes: usize = others().map(|rank| parts[rank].len()).sum();
        traffic.bytes += bytes as u64;
        *(if lane == 0 { &mut traffic.seconds } else { &mut traffic.beside }) +=
            began.elapsed().as_secs_f64();
        Ok(received)
    }
}
