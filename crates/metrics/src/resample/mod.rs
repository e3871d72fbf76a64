//! Thousands of resamples of some predictions: which images are drawn, and what metrics say of them, without copying a row.

mod batch;
mod cells;
mod clusters;
mod quantiles;
mod ranked;
mod scorers;
mod sums;

pub(crate) use batch::{Batch, LANES, Lanes};
pub(crate) use clusters::Clusters;
pub(crate) use quantiles::{defined, percentiles, quantile};
use rayon::prelude::*;
pub(crate) use scorers::{ClassNumbers, Scorers, Scores};
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

    /// What `then` makes of each resample of the clusters with replacement, in order: of its seed, of what each of `scorers` says, and
    /// of its lane there.
    pub(crate) fn bootstrap<T: Send>(
        &self,
        clusters: &Clusters,
        scorers: &[Scorers],
        then: impl Fn(Seed, &[Scores], usize) -> T + Sync + Send,
    ) -> Vec<T> {
        let has_order = scorers.iter().any(Scorers::has_order);
        self.batches("bootstrap", |seeds, (batch, _, drawn, images)| {
            batch.clear(clusters.len());
            let mut scores: Vec<Scores> = scorers.iter().map(Scorers::scores).collect();
            for (lane, seed) in seeds.iter().enumerate() {
                clusters.draw(&mut seed.rng(), drawn);
                clusters.count(drawn, lane, batch);
                if has_order {
                    let images = clusters.images_of(drawn, images);
                    let scored = scorers.iter().zip(&mut scores);
                    scored.for_each(|(scorers, scores)| scorers.in_order(images, lane, scores));
                }
            }
            scorers.iter().zip(&mut scores).for_each(|(scorers, scores)| scorers.of(batch, scores));
            seeds.iter().enumerate().map(|(lane, &seed)| then(seed, &scores, lane)).collect()
        })
    }

    /// Of each metric of `pairs`, each of the images of two models: the second's less the first's, the mean over pairs, where the models
    /// have changed places for about half of the clusters.
    pub(crate) fn swaps(&self, clusters: &Clusters, pairs: &[Scorers]) -> Vec<Vec<f64>> {
        self.batches("permutation", |seeds, (ours, theirs, ..)| {
            clusters.swap(seeds, ours, theirs);
            let mut differences: Vec<Lanes<f64>> = Vec::new();
            for pair in pairs {
                let (mut first, mut second) = (pair.scores(), pair.scores());
                pair.of(ours, &mut first);
                pair.of(theirs, &mut second);
                differences.resize(first.values.len(), [0.0; LANES]);
                let values = second.values.iter().zip(&first.values);
                for (difference, (second, first)) in differences.iter_mut().zip(values) {
                    for ((difference, second), first) in difference.iter_mut().zip(second).zip(first) {
                        *difference += second - first;
                    }
                }
            }
            let mean = |lanes: &Lanes<f64>, lane: usize| lanes[lane] / pairs.len() as f64;
            let of = |lane| differences.iter().map(|lanes| mean(lanes, lane)).collect();
            (0..seeds.len()).map(of).collect()
        })
    }

    /// `of` the seeds of each batch of resamples, in order, with room to work in.
    fn batches<T: Send>(
        &self,
        purpose: &str,
        of: impl Fn(&[Seed], &mut Room) -> Vec<T> + Sync + Send,
    ) -> Vec<T> {
        let batch = |room: &mut Room, at: u32| {
            let first = at * LANES as u32;
            let indices = first..self.resamples.min(first + LANES as u32);
            let seeds = indices.map(|index| self.seed.fold(purpose, u64::from(index)));
            of(&seeds.collect::<Vec<_>>(), room)
        };
        let batches = 0..self.resamples.div_ceil(LANES as u32);
        batches.into_par_iter().map_init(Room::default, batch).flatten_iter().collect()
    }
}

/// Two batches, the clusters of one draw, and its images.
type Room = (Batch, Batch, Vec<u32>, Vec<u32>);

/// # Errors
/// [`Error::Argument`] for a level outside of (0, 1).
pub(crate) fn is_level(level: f64) -> Result<()> {
    if level > 0.0 && level < 1.0 {
        return Ok(());
    }
    Err(Error::Argument(format!("level: expected a number between 0 and 1, got {level}; 0.95 is usual")))
}
