//! The areas under the curves of a class, of a batch of draws.

use super::{Batch, LANES, Lanes};
use crate::Predictions;
use crate::ranking::Area;

/// The rows of the images by descending score of a class, in steps that end with an image of it.
pub(crate) struct Ranked {
    /// Of each step those of other classes that are scored higher, then those with the score that it ends with: of other classes, of
    /// the class. After the last step nothing matters.
    rows: Vec<u32>,
    steps: Vec<Step>,
}

/// How many images are in each part of a step.
struct Step {
    above: u32,
    misses: u32,
    hits: u32,
}

/// The areas of each draw, NaN where they are undefined, or not asked for.
pub(crate) struct Areas {
    pub roc: Lanes<f64>,
    pub precision: Lanes<f64>,
    /// Images of the class.
    pub positives: Lanes<u64>,
}

impl Ranked {
    /// `rows`: that of each image.
    pub(crate) fn of(predictions: &Predictions, class: usize, rows: &[u32]) -> Ranked {
        let mut ranked = Ranked { rows: Vec::new(), steps: Vec::new() };
        let (mut above, mut seen) = (0, 0);
        for tied in by_score(predictions, class).chunk_by(|a, b| a.score == b.score) {
            let hits = tied.iter().filter(|image| image.positive).count() as u32;
            // Those of other classes first.
            for side in [false, true] {
                let images = tied.iter().filter(|image| image.positive == side);
                ranked.rows.extend(images.map(|image| rows[image.index as usize]));
            }
            let misses = tied.len() as u32 - hits;
            if hits == 0 {
                above += misses;
            } else {
                ranked.steps.push(Step { above: std::mem::take(&mut above), misses, hits });
                seen = ranked.rows.len();
            }
        }
        ranked.rows.truncate(seen);
        ranked
    }

    /// To the bit what [`Area::of`] makes of the images of each draw.
    pub(crate) fn areas(&self, batch: &Batch, roc: bool, precision: bool) -> Areas {
        match (roc, precision) {
            (true, false) => self.walk::<true, false>(batch),
            (false, true) => self.walk::<false, true>(batch),
            _ => self.walk::<true, true>(batch),
        }
    }

    fn walk<const ROC: bool, const PRECISION: bool>(&self, batch: &Batch) -> Areas {
        let (mut hits_above, mut misses_above) = ([0; LANES], [0; LANES]);
        // Twice the pairs of one of another class above one of the class, a tie being half of one.
        let mut misplaced = [0u64; LANES];
        let mut sum = [0.0; LANES];
        let mut rest = &self.rows[..];
        for step in &self.steps {
            let mut take = |images: u32| {
                let (taken, others) = rest.split_at(images as usize);
                rest = others;
                batch.count(taken)
            };
            let (above, misses) = (take(step.above), take(step.misses));
            let hits = take(step.hits);
            for lane in 0..LANES {
                misses_above[lane] += above[lane];
                if ROC {
                    misplaced[lane] +=
                        u64::from(hits[lane]) * u64::from(2 * misses_above[lane] + misses[lane]);
                }
                misses_above[lane] += misses[lane];
                hits_above[lane] += hits[lane];
                if PRECISION {
                    let all = (hits_above[lane] + misses_above[lane]).max(1);
                    sum[lane] += f64::from(hits[lane]) * (f64::from(hits_above[lane]) / f64::from(all));
                }
            }
        }
        let positives = hits_above.map(|hits: u32| u64::from(hits));
        let mut areas = Areas { roc: [f64::NAN; LANES], precision: [f64::NAN; LANES], positives };
        for lane in 0..LANES {
            let (positives, images) = (positives[lane], u64::from(batch.images[lane]));
            let pairs = 2 * positives * (images - positives);
            if ROC && pairs > 0 {
                areas.roc[lane] = (pairs - misplaced[lane]) as f64 / pairs as f64;
            }
            if PRECISION && images > 0 {
                areas.precision[lane] = if positives == 0 { 0.0 } else { sum[lane] / positives as f64 };
            }
        }
        areas
    }
}

/// An image, its score, whether it is of the class.
struct Scored {
    score: f64,
    index: u32,
    positive: bool,
}

/// By descending score.
fn by_score(predictions: &Predictions, class: usize) -> Vec<Scored> {
    let images = predictions.rows().zip(&predictions.labels).zip(0..);
    let scored = |((row, &label), index): ((&[f64], &u32), u32)| Scored {
        score: row[class],
        index,
        positive: label as usize == class,
    };
    let mut images: Vec<Scored> = images.map(scored).collect();
    images.sort_unstable_by(|a, b| b.score.total_cmp(&a.score));
    images
}

/// The rows of the images by descending score: the row, whether the image is of the class, whether the next one's score is another.
/// For what [`Ranked`] forgets, the single scores.
pub(crate) struct Thresholds(Vec<(u32, bool, bool)>);

impl Thresholds {
    /// `rows`: that of each image.
    pub(crate) fn of(predictions: &Predictions, class: usize, rows: &[u32]) -> Thresholds {
        let images = by_score(predictions, class);
        let entry = |(at, image): (usize, &Scored)| {
            let last = images.get(at + 1).is_none_or(|next| next.score != image.score);
            (rows[image.index as usize], image.positive, last)
        };
        Thresholds(images.iter().enumerate().map(entry).collect())
    }

    /// An area of each draw, and the images of the class.
    pub(crate) fn areas(&self, area: Area, batch: &Batch) -> Lanes<(f64, u64)> {
        std::array::from_fn(|lane| {
            let times = |row: u32| u32::from(batch.times[row as usize][lane]);
            let of_class = self.0.iter().filter(|entry| entry.1);
            let positives = of_class.map(|&(row, ..)| u64::from(times(row))).sum();
            let mut entries = self.0.iter();
            let thresholds = std::iter::from_fn(|| {
                let (mut hits, mut misses) = (0, 0);
                for &(row, positive, last) in entries.by_ref() {
                    *(if positive { &mut hits } else { &mut misses }) += times(row);
                    if last {
                        return Some((hits, misses));
                    }
                }
                None
            });
            (area.of(thresholds, positives, u64::from(batch.images[lane]) - positives), positives)
        })
    }
}
