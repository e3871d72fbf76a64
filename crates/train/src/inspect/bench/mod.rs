//! What training pays, timed: steps, evaluation, mixes, loading, epochs; and what the machine could do.

mod epoch;
mod machine;
mod mix;
mod network;
mod reduce;

pub use epoch::{Loaded, Trained, epoch, load};
pub use machine::{Machine, machine, peak_rss, threads};
pub use mix::{Mixed, mix};
pub use network::{Bench, Phases, Work};
pub use reduce::{Reduced, reduce};

use crate::Result;
use candle_core::Device;
use std::time::Instant;

/// Seconds of the same work, done several times.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<f64>);

impl Times {
    pub(crate) fn push(&mut self, seconds: f64) {
        self.0.push(seconds);
    }

    /// The middle one; the mean of the two middle ones of an even number. NaN where nothing was timed.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        match sorted.len() {
            0 => f64::NAN,
            n => (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0,
        }
    }

    pub fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::min)
    }

    pub fn sum(&self) -> f64 {
        self.0.iter().sum()
    }
}

/// Seconds since the last lap, of work that a device has finished.
struct Clock<'a> {
    device: &'a Device,
    began: Instant,
    last: Instant,
}

impl Clock<'_> {
    fn start(device: &Device) -> Result<Clock<'_>> {
        device.synchronize()?;
        let now = Instant::now();
        Ok(Clock { device, began: now, last: now })
    }

    fn lap(&mut self) -> candle_core::Result<f64> {
        self.device.synchronize()?;
        let before = std::mem::replace(&mut self.last, Instant::now());
        Ok((self.last - before).as_secs_f64())
    }

    /// Since the start, up to the last lap.
    fn total(&self) -> f64 {
        (self.last - self.began).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_least() {
        let times = |seconds: &[f64]| Times(seconds.to_vec());
        assert_eq!((times(&[3.0, 1.0, 2.0]).median(), times(&[3.0, 1.0, 2.0]).least()), (2.0, 1.0));
        assert_eq!(times(&[4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert!(times(&[]).median().is_nan() && times(&[]).least().is_nan());
    }
}
