//! The commands of tallow. A program with policies of its own pushes their specs onto a [`Registry`] and calls [`run`].

mod arguments;
mod commands;
mod signals;
mod wrap;

use clap::Parser;
use std::io::{ErrorKind, IsTerminal};
use std::process::ExitCode;
pub use tallow_policy::Registry;

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
    _ = rayon::ThreadPoolBuilder::new().use_current_thread().build_global();
}

/// Errors for people, and the exit code for programs: 2 a mistake in the command or recipe, 3 bad data, or what the hub did not
/// give or take, 4 diverged, 5 a full disk, 128 + signal interrupted, 1 anything else.
fn finish(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    if let Some(broken) = error.downcast_ref::<std::io::Error>()
        && broken.kind() == ErrorKind::BrokenPipe
    {
        return ExitCode::SUCCESS;
    }
    let (message, code) = match error.downcast::<tallow_train::Error>() {
        Ok(error) => {
            let error = error.or_full("make room, and try again");
            (format!("error: {error}"), error.exit_code())
        }
        Err(error) => {
            let is_full = |cause: &(dyn std::error::Error + 'static)| {
                let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
                matches!(kind, Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
            };
            let is_full = error.chain().any(is_full);
            (
                format!("error: {error:#}"),
                if is_full { tallow_train::Error::Full(String::new()).exit_code() } else { 1 },
            )
        }
    };
    let message = tallow_report::plain(&message);
    // In a file or a pipe, one mistake is one line.
    eprintln!(
        "{}",
        if std::io::stderr().is_terminal() { wrap::message(&message) } else { message.into_owned() }
    );
    ExitCode::from(code)
}
