//! Thousands of resamples of some predictions: which images are drawn, and what a metric says of them, without copying a row.

mod clusters;
mod quantiles;
mod scorer;

pub(crate) use clusters::Clusters;
pub(crate) use quantiles::{defined, percentiles, quantile};
use rayon::prelude::*;
pub(crate) use scorer::{ClassNumbers, ClassScorer, Scorer};
use tallow_seed::Seed;

use crate::{Error, Result};

/// How predictions are resampled.
#[derive(Clone, Copy, Debug)]
pub struct Resampling {
    /// How often; 2000 is usual.
    pub resamples: u32,
    /// How much of the resamples an interval holds, such as 0.95.
    pub level: f64,
    /// Whole groups (lesions, patients) are drawn, or swapped, at once, an image without a group being one of its own: images of
    /// one lesion are not independent, and an interval that forgets it is too narrow.
    pub by_group: bool,
    /// The same seed gives the same resamples, on any number of threads.
    pub seed: Seed,
}

impl Resampling {
    /// Checks its numbers, before any work is done by them.
    ///
    /// # Errors
    /// [`Error::Argument`] for a level outside of (0, 1) or no resamples.
    pub fn check(&self) -> Result<()> {
        let Resampling { resamples, level, .. } = *self;
        if resamples == 0 {
            return Err(Error::Argument("resamples: expected at least 1, got 0; 2000 is usual".to_owned()));
        }
        is_level(level)
    }

    /// `of` each resample, in order: given its seed and a draw to write into.
    pub(crate) fn each<T: Send>(
        &self,
        purpose: &str,
        of: impl Fn(Seed, &mut Draw) -> T + Sync + Send,
    ) -> Vec<T> {
        let resample = |draw: &mut Draw, index| of(self.seed.fold(purpose, u64::from(index)), draw);
        (0..self.resamples).into_par_iter().map_init(Draw::default, resample).collect()
    }
}

/// # Errors
/// [`Error::Argument`] for a level outside of (0, 1).
pub(crate) fn is_level(level: f64) -> Result<()> {
    if level > 0.0 && level < 1.0 {
        return Ok(());
    }
    Err(Error::Argument(format!("level: expected a number between 0 and 1, got {level}; 0.95 is usual")))
}

/// Some images, with repetition.
#[derive(Default)]
pub(crate) struct Draw {
    /// In the order in which they were drawn.
    pub images: Vec<u32>,
    /// How often each image was drawn. At most 255 times, which leaves the cache room: more has a chance of 1 in 255!.
    pub times: Vec<u8>,
}

impl Draw {
    /// Counts the images, which are below `of`.
    pub(crate) fn count(&mut self, of: usize) {
        self.times.clear();
        self.times.resize(of, 0);
        for &image in &self.images {
            let times = &mut self.times[image as usize];
            *times = times.saturating_add(1);
        }
    }
}
