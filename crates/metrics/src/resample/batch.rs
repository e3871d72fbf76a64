//! Several draws side by side: what depends on no draw, such as the order of the scores, is then read once for all of them.

/// Draws in a batch.
pub(crate) const LANES: usize = 16;

/// A number of each draw.
pub(crate) type Lanes<T> = [T; LANES];

/// How often rows are in each draw. A row stands for the images of a cluster, or for those that one model saw of it.
#[derive(Default)]
pub(crate) struct Batch {
    /// At most 255 times, which leaves the cache room: more has a chance of 1 in 255!.
    pub times: Vec<Lanes<u8>>,
    /// Images in each draw.
    pub images: Lanes<u32>,
}

impl Batch {
    /// Draws of none of so many rows.
    pub(crate) fn clear(&mut self, rows: usize) {
        self.times.clear();
        self.times.resize(rows, [0; LANES]);
        self.images = [0; LANES];
    }

    /// How often these rows are in each draw, all together.
    #[inline]
    pub(crate) fn count(&self, rows: &[u32]) -> Lanes<u32> {
        let mut counts = [0; LANES];
        // Of so many rows 16 bits hold the sum: 257 · 255 = 2¹⁶ − 1.
        for rows in rows.chunks(257) {
            let mut some = [0u16; LANES];
            for &row in rows {
                for (some, &times) in some.iter_mut().zip(&self.times[row as usize]) {
                    *some += u16::from(times);
                }
            }
            for (count, &some) in counts.iter_mut().zip(&some) {
                *count += u32::from(some);
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::{Batch, LANES};

    #[test]
    fn counts_of_many_rows_are_whole() {
        let mut batch = Batch::default();
        batch.clear(1000);
        batch.times.iter_mut().for_each(|lanes| lanes[3] = 255);
        let rows: Vec<u32> = (0..1000).collect();
        let mut expected = [0; LANES];
        expected[3] = 255_000;
        assert_eq!(batch.count(&rows), expected);
    }
}
