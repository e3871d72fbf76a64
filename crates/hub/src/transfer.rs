//! One call of the hub client, watched: its progress comes to the caller's thread, and silence ends it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use hf_hub::progress::{DownloadEvent, FileStatus, ProgressEvent, ProgressHandler};

/// How far a file has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    pub file: &'a str,
    /// Bytes here so far; starts again from 0 when a transfer is repeated.
    pub done: u64,
    /// Bytes of the whole file; 0 if the server does not say.
    pub total: u64,
}

/// What the client tells while it works.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// The file is that long.
    Size(u64),
    /// That many bytes have arrived; a file from the cache sends none.
    Bytes(u64),
}

/// Runs `call` on its own thread and passes on its events. `None` if no new byte came for as long as `patience`: the
/// client has no timeouts, so the thread is then left to its fate.
pub(crate) fn watched<T: Send + 'static>(
    patience: Duration,
    mut on_event: impl FnMut(Event),
    call: impl FnOnce(Reporter) -> T + Send + 'static,
) -> Option<T> {
    let (events, received) = channel();
    let (done, result) = channel();
    thread::spawn(move || {
        // Nobody listens any more once the caller has lost patience.
        let _ = done.send(call(Reporter(Mutex::new(events))));
    });
    listen(&received, patience, &mut on_event)?;
    result.recv().ok()
}

/// Until every sender is gone, which is when the call has ended.
fn listen(received: &Receiver<Event>, patience: Duration, on_event: &mut impl FnMut(Event)) -> Option<()> {
    let (mut last, mut most) = (Instant::now(), 0);
    loop {
        match received.recv_timeout(patience.saturating_sub(last.elapsed())) {
            Ok(event) => {
                // Some transfers repeat their state ten times a second: only a new byte is a sign of life.
                let news = match event {
                    Event::Size(_) => true,
                    Event::Bytes(bytes) => std::mem::replace(&mut most, bytes) != bytes,
                };
                on_event(event);
                if news {
                    last = Instant::now();
                }
            }
            Err(RecvTimeoutError::Timeout) => return None,
            Err(RecvTimeoutError::Disconnected) => return Some(()),
        }
        if last.elapsed() >= patience {
            return None;
        }
    }
}

/// Given to the client as its progress handler; the call has ended when it is dropped.
pub(crate) struct Reporter(Mutex<Sender<Event>>);

impl Reporter {
    pub fn handler(self) -> Arc<Reporter> {
        Arc::new(self)
    }

    pub fn send(&self, event: Event) {
        if let Ok(sender) = self.0.lock() {
            let _ = sender.send(event);
        }
    }
}

impl ProgressHandler for Reporter {
    fn on_progress(&self, event: &ProgressEvent) {
        match event {
            ProgressEvent::Download(DownloadEvent::Start { total_bytes, .. }) => {
                self.send(Event::Size(*total_bytes))
            }
            ProgressEvent::Download(DownloadEvent::Progress { files }) => {
                // `Complete` alone is what a cached file sends.
                for file in files.iter().filter(|file| file.status != FileStatus::Complete) {
                    self.send(Event::Bytes(file.bytes_completed));
                }
            }
            ProgressEvent::Download(DownloadEvent::AggregateProgress { bytes_completed, .. }) => {
                self.send(Event::Bytes(*bytes_completed));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_arrive_in_order_and_then_the_result() {
        let mut bytes = Vec::new();
        let result = watched(
            Duration::from_secs(10),
            |event| bytes.push(format!("{event:?}")),
            |reporter| {
                reporter.send(Event::Size(3));
                (1..=3).for_each(|n| reporter.send(Event::Bytes(n)));
                7
            },
        );
        assert_eq!((result, bytes.join(" ").as_str()), (Some(7), "Size(3) Bytes(1) Bytes(2) Bytes(3)"));
    }

    #[test]
    fn repeating_the_same_count_is_silence() {
        let begin = Instant::now();
        let (stop, stopped) = channel::<()>();
        let result = watched(
            Duration::from_millis(60),
            |_| (),
            move |reporter| {
                while stopped.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
                    reporter.send(Event::Bytes(5));
                    thread::sleep(Duration::from_millis(5));
                }
            },
        );
        assert_eq!(result, None);
        assert!(begin.elapsed() >= Duration::from_millis(60));
        drop(stop);
    }

    #[test]
    fn slow_bytes_are_a_sign_of_life() {
        let result = watched(
            Duration::from_millis(600),
            |_| (),
            |reporter| {
                for n in 0..10 {
                    thread::sleep(Duration::from_millis(100)); // 1 s in all
                    reporter.send(Event::Bytes(n));
                }
                "done"
            },
        );
        assert_eq!(result, Some("done"));
    }
}
