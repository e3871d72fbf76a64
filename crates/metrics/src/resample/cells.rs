//! The confusions of a batch of draws.

use super::{Batch, LANES, Lanes};
use crate::{Confusion, Predictions};

/// The rows of the images by the cell of the confusion that they are in.
pub(crate) struct Cells {
    classes: usize,
    rows: Vec<u32>,
    /// Each cell that has images, and where they end.
    cells: Vec<(usize, usize)>,
}

impl Cells {
    /// `rows`: that of each image.
    pub(crate) fn of(predictions: &Predictions, rows: &[u32]) -> Cells {
        let classes = predictions.classes.len();
        let cell = |image: usize| {
            predictions.labels[image] as usize * classes + predictions.predicted(image) as usize
        };
        let mut images: Vec<(usize, u32)> =
            rows.iter().enumerate().map(|(at, &row)| (cell(at), row)).collect();
        images.sort_unstable();
        let mut end = 0;
        let cells = images.chunk_by(|a, b| a.0 == b.0).map(|of_cell| {
            end += of_cell.len();
            (of_cell[0].0, end)
        });
        Cells { classes, cells: cells.collect(), rows: images.iter().map(|image| image.1).collect() }
    }

    pub(crate) fn confusions(&self, batch: &Batch) -> Lanes<Confusion> {
        let mut counts: Lanes<Vec<u64>> = [const { Vec::new() }; LANES];
        counts.iter_mut().for_each(|counts| counts.resize(self.classes * self.classes, 0));
        let mut begin = 0;
        for &(cell, end) in &self.cells {
            let of_cell = batch.count(&self.rows[begin..end]);
            counts.iter_mut().zip(of_cell).for_each(|(counts, of_cell)| counts[cell] = u64::from(of_cell));
            begin = end;
        }
        counts.map(|counts| Confusion::from_counts(self.classes, counts))
    }
}
