//! The commands of tallow. A program with policies of its own pushes their specs onto a [`Registry`] and calls [`run`].

mod arguments;
mod commands;
mod ranks;
mod signals;
mod wrap;

use clap::Parser;
use std::io::{ErrorKind, IsTerminal};
use std::process::ExitCode;
pub use tallow_policy::Registry;
use tallow_train::{Error, is_of_full_disk};

/// The whole program: `tallow COMMAND …`.
pub fn run(registry: Registry) -> ExitCode {
    let arguments = arguments::Tallow::parse();
    join_threads();
    finish(commands::dispatch(arguments.command, &registry))
}

/// The program `train RECIPE …`: the same as `tallow train RECIPE …`.
pub fn run_train(registry: Registry) -> ExitCode {
    let arguments = arguments::Train::parse();
    join_threads();
    finish(commands::train::train(&arguments, &registry))
}

/// Makes this thread, which would wait while the kernels' threads compute, one of them; a pool that is there already stays.
fn join_threads() {
    let threads = ranks::threads().filter(|_| std::env::var_os("RAYON_NUM_THREADS").is_none()).unwrap_or(0);
    _ = rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread().build_global();
}

/// Errors for people, and the exit code for programs: 2 a mistake in the command or recipe, 3 bad data, or what the hub did not
/// give or take, 4 diverged, 5 a full disk, 128 + signal interrupted, 1 anything else.
fn finish(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        ranks::leave();
        return ExitCode::SUCCESS;
    };
    if let Some(broken) = error.downcast_ref::<std::io::Error>()
        && broken.kind() == ErrorKind::BrokenPipe
    {
        ranks::leave();
        return ExitCode::SUCCESS;
    }
    const ROOM: &str = "make room, and try again";
    let (message, code) = match error.downcast::<Error>() {
        Ok(error) => told(&error.or_full(ROOM)),
        Err(other) if is_of_full_disk(other.as_ref()) => told(&Error::Full(format!("{other:#}; {ROOM}"))),
        Err(other) => (format!("{other:#}"), 1),
    };
    let tell = |rank: Option<usize>| {
        let rank = rank.filter(|rank| *rank > 0).map_or(String::new(), |rank| format!("rank {rank}: "));
        let message = format!("error: {rank}{}", tallow_report::plain(&message));
        // In a file or a pipe, one mistake is one line.
        eprintln!("{}", if std::io::stderr().is_terminal() { wrap::message(&message) } else { message });
    };
    ranks::give_up(tell, code);
    ExitCode::from(code)
}

fn told(error: &Error) -> (String, u8) {
    (error.to_string(), error.exit_code())
}
