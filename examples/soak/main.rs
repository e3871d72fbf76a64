//! Trains small recipes again and again while they are killed, paused, starved of disk and damaged, and holds every byte of what comes of
//! it against a run that was left alone.
//!
//!     cargo run --release --example soak -- --minutes 10
//!
//! Prints how many faults there were of each kind, how many checkpoints were lost, how many bits differ, and how much memory a run took at
//! the start and at the end. Ends with 1 where anything was lost, differs, or ended as it should not.

#[path = "../../src/allocator.rs"]
mod allocator;
mod disk;
mod fault;
mod life;
mod subject;
mod tally;

use clap::Parser;
use disk::Disk;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use subject::Subject;
use tallow_seed::Seed;
use tally::Tally;

#[derive(Parser)]
#[command(name = "soak", after_help = "example:\n  soak --minutes 10")]
struct Arguments {
    /// How long; the run under way at the end is finished
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Of all draws: which recipes, which faults, when
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the runs lie [default: a folder of the system's; on Linux a small file system of its own in it, where this user may make one]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Set where this program is to be `train`.
const CHILD: &str = "TALLOW_SOAK_CHILD";

fn main() -> ExitCode {
    if std::env::var_os(CHILD).is_some() {
        allocator::keep_memory();
        return tallow_cli::run_train(tallow_cli::Registry::builtin());
    }
    match soak(&Arguments::parse()) {
        Ok(tally) => {
            print!("{}", tally.table());
            ExitCode::from(u8::from(!tally.is_clean()))
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}

fn soak(arguments: &Arguments) -> std::io::Result<Tally> {
    let folder = match &arguments.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let disk = Disk::new(folder.path())?;
    eprintln!("{}", disk.describe());
    let (began, length) = (Instant::now(), Duration::from_secs_f64(arguments.minutes * 60.0));
    let mut tally = Tally::default();
    for number in 0.. {
        let subject = Subject::draw(Seed::new(arguments.seed).fold("subject", number), &disk);
        subject.endure(&mut tally)?;
        if tally.has_gone_wrong() {
            break;
        }
        subject.remove()?;
        eprintln!("{:>5.1} min  {}  {}", began.elapsed().as_secs_f64() / 60.0, tally.line(), subject.name());
        if began.elapsed() >= length {
            break;
        }
    }
    Ok(tally)
}
