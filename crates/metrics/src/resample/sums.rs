//! Sums over the images of a batch of draws.

use super::{Batch, LANES, Lanes};

/// A number of each image, in groups, such as bins.
pub(crate) struct Sums {
    /// Row and number.
    terms: Vec<(u32, f64)>,
    /// Where each group ends.
    ends: Vec<usize>,
}

impl Sums {
    /// Of (key, row, number) of each image: those of one key are a group, in ascending order of the keys.
    pub(crate) fn by<K: Copy + PartialOrd>(mut images: Vec<(K, u32, f64)>) -> Sums {
        images.sort_by(|a, b| a.0.partial_cmp(&b.0).expect("keys have an order"));
        let mut end = 0;
        let ends = images.chunk_by(|a, b| a.0 == b.0).map(|group| {
            end += group.len();
            end
        });
        Sums { ends: ends.collect(), terms: images.iter().map(|&(_, row, term)| (row, term)).collect() }
    }

    /// How many images of each group are in each draw, and the sum of their numbers, group by group.
    pub(crate) fn each(&self, batch: &Batch, mut then: impl FnMut(Lanes<u32>, Lanes<f64>)) {
        let mut begin = 0;
        for &end in &self.ends {
            let (mut counts, mut sums) = ([0; LANES], [0.0; LANES]);
            for &(row, term) in &self.terms[begin..end] {
                let times = &batch.times[row as usize];
                for (count, &times) in counts.iter_mut().zip(times) {
                    *count += u32::from(times);
                }
                for (sum, &times) in sums.iter_mut().zip(times) {
                    *sum += f64::from(times) * term;
                }
            }
            then(counts, sums);
            begin = end;
        }
    }
}
