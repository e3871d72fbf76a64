//! This process among those that a launcher, `mpirun` for one, started to train together.

use std::path::Path;
use std::sync::Arc;
#[cfg(feature = "mpi")]
use std::sync::OnceLock;
use std::time::Duration;
use tallow_ranks::{Alone, Launched, Ranks, launched};
use tallow_report::Progress;
use tallow_train::{Error, Plan};

/// Shards of a recipe that names none, where a launcher started the program: any number of ranks up to it gives the same bytes.
const SHARDS: usize = 4;
/// Processes of one machine, as launchers tell them.
const LOCAL: [&str; 3] = ["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_TASKS_PER_NODE"];

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Joins the others, where there are any.
///
/// # Errors
/// A program that was built without MPI, or with another one than that of the launcher.
pub fn join() -> Result<Arc<dyn Ranks>, Error> {
    let Some(Launched { by, ranks }) = launched(variable) else { return Ok(Arc::new(Alone)) };
    let joined = begin(by, ranks)?;
    if joined.count() != ranks {
        return Err(Error::recipe(format!(
            "{by} started {ranks} processes, and the MPI library of this program knows of {}; start it by the `mpirun` of the library that \
             it was built with (under srun: --mpi=pmix)",
            joined.count()
        )));
    }
    Ok(joined)
}

#[cfg(feature = "mpi")]
static MPI: OnceLock<Arc<tallow_ranks::Mpi>> = OnceLock::new();

#[cfg(feature = "mpi")]
fn begin(_: &str, _: usize) -> Result<Arc<dyn Ranks>, Error> {
    let mpi = Arc::new(tallow_ranks::Mpi::begin()?);
    Ok(MPI.get_or_init(|| mpi).clone())
}

#[cfg(not(feature = "mpi"))]
fn begin(by: &str, ranks: usize) -> Result<Arc<dyn Ranks>, Error> {
    if ranks == 1 {
        return Ok(Arc::new(Alone));
    }
    Err(Error::recipe(format!(
        "{by} started {ranks} processes, and this program was built without MPI; build it by `cargo build --features mpi`"
    )))
}

/// The other processes, where this one has joined any.
fn others() -> Option<&'static dyn Ranks> {
    #[cfg(feature = "mpi")]
    return MPI.get().map(|mpi| &**mpi as &dyn Ranks).filter(|mpi| mpi.count() > 1);
    #[cfg(not(feature = "mpi"))]
    None
}

/// The plan of a recipe that `read` reads with overrides: cut into shards where it names none and a launcher started the program.
///
/// # Errors
/// Those of `read`.
pub fn plan(
    ranks: &dyn Ranks,
    read: impl Fn(&[String]) -> Result<Plan, Error>,
    overrides: &[String],
) -> Result<Plan, Error> {
    let plan = read(overrides)?;
    if plan.has_shards() || launched(variable).is_none() {
        return Ok(plan);
    }
    // A GPU walks one; a device that does not open is told of later.
    let shards = match plan.open_device_of(ranks.place()) {
        Ok(device) if device.is_cpu() => SHARDS.max(ranks.count().next_power_of_two()),
        _ => ranks.count(),
    };
    read(&[overrides, &[format!("shards={shards}")]].concat())
}

/// Into how many shards a run in this folder cuts its batches, where there is one.
pub fn shards_of(folder: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(folder.join("recipe.yaml")).ok()?;
    Some(tallow_train::value_of(&text).ok()?.get("shards").and_then(|shards| shards.as_u64()).unwrap_or(1))
}

/// What to know of the processors that a launcher leaves to each rank of this machine.
pub fn few_processors() -> Option<String> {
    let (local, mine, all) = (local()?, std::thread::available_parallelism().ok()?.get(), processors()?);
    (local > 1 && mine < all && mine * local <= all.div_ceil(2)).then(|| {
        format!(
            "each of the {local} ranks of this machine may use {mine} of its {all} processors; `mpirun --bind-to none` gives them all"
        )
    })
}

/// Ranks of this machine.
fn local() -> Option<usize> {
    launched(variable)?;
    LOCAL.iter().find_map(|name| variable(name)?.split('(').next()?.parse().ok())
}

/// Of the first rank; the others say nothing.
pub fn progress(ranks: &dyn Ranks) -> Progress {
    if ranks.index() == 0 { Progress::stderr() } else { Progress::hidden() }
}

/// Leaves the others at the end of a command that all of them carried out.
pub fn leave() {
    #[cfg(feature = "mpi")]
    if let Some(mpi) = MPI.get() {
        // What the first one still writes takes long: the library's own end would wait without a pause.
        if mpi.meet().is_ok() {
            mpi.end();
        }
    }
}

/// Ends all processes where one cannot go on: none of the others could. What all of them found is told by the first.
pub fn give_up(tell: impl FnOnce(Option<usize>), code: u8) {
    match others() {
        None => tell(None),
        Some(ranks) => {
            if ranks.index() > 0 {
                std::thread::sleep(Duration::from_secs(3));
            }
            tell(Some(ranks.index()));
            ranks.abort(code.into());
        }
    }
}

/// Threads for the kernels of this process: its part of a machine whose processors all of its ranks may use; none where it has processors
/// of its own, as it then takes all of them.
pub fn threads() -> Option<usize> {
    let local = local()?;
    let mine = std::thread::available_parallelism().ok()?.get();
    (local > 1 && mine == processors()?).then(|| (mine / local).max(1))
}

/// Those of the machine.
#[cfg(unix)]
fn processors() -> Option<usize> {
    // SAFETY: asks for a number.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) }).ok()
}

#[cfg(not(unix))]
fn processors() -> Option<usize> {
    None
}
