//! How fast a run is, as seen from outside: its log has no times.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// When which step was seen.
#[derive(Default)]
pub struct Pace {
    seen: VecDeque<(Instant, u64)>,
}

/// What is older says nothing of now.
const WINDOW: Duration = Duration::from_secs(60);
/// Of a shorter time nothing is said.
const LEAST: Duration = Duration::from_secs(2);

impl Pace {
    /// A step that was read at `now`.
    pub fn saw(&mut self, step: u64, now: Instant) {
        if self.seen.back().is_some_and(|(last, _)| now.duration_since(*last) > WINDOW) {
            self.seen.clear();
        }
        match self.seen.back() {
            Some((_, before)) if *before == step => return,
            // Begun anew.
            Some((_, before)) if *before > step => self.seen.clear(),
            _ => {}
        }
        self.seen.push_back((now, step));
        while self.seen.len() > 2 && now.duration_since(self.seen[0].0) > WINDOW {
            self.seen.pop_front();
        }
    }

    /// Steps per second of what was seen lately; `None` before enough was.
    pub fn per_second(&self) -> Option<f64> {
        let ((first, from), (last, to)) = (self.seen.front()?, self.seen.back()?);
        let time = last.duration_since(*first);
        (time >= LEAST).then(|| (to - from) as f64 / time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_long_ago_says_nothing_of_now() {
        let (mut pace, began) = (Pace::default(), Instant::now());
        let at = |seconds: u64| began + Duration::from_secs(seconds);
        pace.saw(10, at(0));
        assert_eq!(pace.per_second(), None);
        pace.saw(30, at(10));
        assert_eq!(pace.per_second(), Some(2.0));
        // Nobody looked for an hour.
        pace.saw(40_000, at(3610));
        assert_eq!(pace.per_second(), None);
        pace.saw(40_004, at(3614));
        assert_eq!(pace.per_second(), Some(1.0));
        // It stands still.
        pace.saw(40_004, at(3700));
        assert_eq!(pace.per_second(), None);
    }
}
