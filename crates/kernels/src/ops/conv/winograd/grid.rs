//! A convolution as tiles of 4×4 outputs, and the tasks that they make.

use super::super::Chunk;

/// Tiles whose transforms stay in the second cache while they are multiplied.
const TILES: usize = 64;

/// A convolution cut into chunks of tiles.
pub(super) struct Grid {
    pub r: usize,
    pub c: usize,
    pub h: usize,
    pub w: usize,
    pub o: usize,
    pub oh: usize,
    pub ow: usize,
    pub padding: usize,
    /// Columns and rows of tiles in a map.
    pub across: usize,
    pub down: usize,
    /// Images of a chunk, and rows of tiles of each: all of them where there are several images.
    pub images: usize,
    pub rows: usize,
}

impl Grid {
    pub fn new(
        (r, c, h, w): (usize, usize, usize, usize),
        (o, oh, ow): (usize, usize, usize),
        padding: usize,
    ) -> Grid {
        let (across, down) = (ow.div_ceil(4), oh.div_ceil(4));
        // Eight chunks or more, where the batch has them, so that all threads have work.
        let images = (TILES / (across * down)).clamp(1, r.div_ceil(8));
        let rows = if images > 1 { down } else { (TILES / across).clamp(1, down) };
        Grid { r, c, h, w, o, oh, ow, padding, across, down, images, rows }
    }

    pub fn chunks(&self) -> usize {
        self.r.div_ceil(self.images) * self.down.div_ceil(self.rows)
    }

    /// Its rows are rows of tiles.
    pub fn chunk(&self, i: usize) -> Chunk {
        let strips = self.down.div_ceil(self.rows);
        let (n0, r0) = (i / strips * self.images, i % strips * self.rows);
        Chunk { n0, n1: (n0 + self.images).min(self.r), r0, r1: (r0 + self.rows).min(self.down) }
    }

    pub fn tiles(&self, chunk: &Chunk) -> usize {
        (chunk.n1 - chunk.n0) * (chunk.r1 - chunk.r0) * self.across
    }

    /// Tiles before this chunk.
    pub fn before(&self, i: usize) -> usize {
        let chunk = self.chunk(i);
        chunk.n0 * self.down * self.across + (chunk.n1 - chunk.n0) * chunk.r0 * self.across
    }
}
