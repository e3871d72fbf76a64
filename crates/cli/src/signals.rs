//! SIGINT and SIGTERM ask a training to stop at the next step; a second one ends the program at once, as the first does one that has
//! nothing to finish.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// The first signal ends the program, by the exit code that a training has too.
#[cfg(feature = "board")]
pub fn end_at_once() -> std::io::Result<()> {
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(
            signal,
            128 + signal,
            Arc::new(AtomicBool::new(true)),
        )?;
    }
    Ok(())
}

/// A number that becomes that of the first signal received.
pub fn watch() -> std::io::Result<Arc<AtomicI32>> {
    let received = Arc::new(AtomicI32::new(0));
    let again = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // In this order: the first signal finds the flag down.
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, again.clone())?;
        signal_hook::flag::register(signal, again.clone())?;
        let received = received.clone();
        // SAFETY: storing to an atomic is all the handler does, which is safe in a signal handler.
        unsafe {
            signal_hook::low_level::register(signal, move || received.store(signal, Ordering::Relaxed))?
        };
    }
    Ok(received)
}
