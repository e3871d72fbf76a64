//! What asks a training to stop at the next step: SIGINT, SIGTERM, SIGHUP of a terminal that closes, SIGUSR1 of
//! a scheduler that warns. Whoever asks again, a second later, ends the program at once, but for a checkpoint
//! that is being written. What has nothing to finish ends at the first.

use signal_hook::consts::{SIGINT, SIGTERM};
use std::io;
use std::sync::Arc;
use tallow_train::Stop;

/// The first signal ends the program, by the exit code that a training has too.
#[cfg(feature = "board")]
pub fn end_at_once() -> io::Result<()> {
    use std::sync::atomic::AtomicBool;
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(
            signal,
            128 + signal,
            Arc::new(AtomicBool::new(true)),
        )?;
    }
    Ok(())
}

/// What the first signal asks.
pub fn watch() -> io::Result<Arc<Stop>> {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Instant;
    let stop = Arc::new(Stop::default());
    let (began, first) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    for signal in signals() {
        let (stop, first) = (stop.clone(), first.clone());
        let act = move || {
            let now = began.elapsed().as_millis() as u64;
            if stop.asked().is_none() {
                first.store(now, Ordering::Relaxed);
                stop.ask(signal);
            } else if ends(now - first.load(Ordering::Relaxed), stop.is_saving()) {
                signal_hook::low_level::exit(128 + signal);
            }
        };
        // SAFETY: all that the handler does is safe within one: it reads a clock, reads and stores atomics, and calls _exit.
        unsafe { signal_hook::low_level::register(signal, act)? };
    }
    Ok(stop)
}

/// Whether a further signal, so many milliseconds after the first, ends the program at once. The same request often comes twice: to the
/// process and to its group.
fn ends(since: u64, is_saving: bool) -> bool {
    since >= 1000 && !is_saving
}

#[cfg(unix)]
fn signals() -> Vec<i32> {
    use signal_hook::consts::{SIGHUP, SIGUSR1};
    let mut signals = vec![SIGINT, SIGTERM, SIGUSR1];
    if !is_ignored(SIGHUP) {
        signals.push(SIGHUP);
    }
    signals
}

#[cfg(not(unix))]
fn signals() -> Vec<i32> {
    vec![SIGINT, SIGTERM]
}

/// Whether somebody, `nohup` for one, has had a signal ignored.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let mut found = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action nothing is changed; `found` is as large as what is written to it, and all zeros are a value of it.
    let (code, found) =
        unsafe { (libc::sigaction(signal, std::ptr::null(), found.as_mut_ptr()), found.assume_init()) };
    code == 0 && found.sa_sigaction == libc::SIG_IGN
}

#[cfg(test)]
mod tests {
    use super::ends;

    #[test]
    fn a_save_is_never_dropped_and_an_echo_is_no_second_request() {
        assert!(ends(1000, false));
        assert!(!ends(999, false) && !ends(5000, true));
    }
}
