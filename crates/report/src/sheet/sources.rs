//! Where a mixed picture comes from: its sources as small thumbnails, and a batch's shares as a map.

use super::{Canvas, GAP, INK, Matrix, SOFT, Source, Tile, hundredths, thumbnail};
use crate::font::Letters;
use crate::{Result, palette};

/// Sources shown; where there are more, the last place says how many are left.
const PLACES: u32 = 4;
/// Between two, and the stroke of the class below each.
const SPACE: u32 = 4;
const STROKE: u32 = 2;
/// A share below this is not shown, as in a caption.
const VISIBLE: f64 = 0.005;

/// The height that the sources of tiles of `side` take; 0 where none has any.
pub(super) fn strip(side: u32, tiles: &[Tile]) -> u32 {
    if tiles.iter().all(|tile| tile.sources.is_empty()) {
        0
    } else {
        small(side) + STROKE + 2 + LETTERS.line()
    }
}

fn small(side: u32) -> u32 {
    (side.saturating_sub(SPACE * (PLACES - 1)) / PLACES).max(1)
}

/// Of the shares below.
const LETTERS: Letters = Letters(11);
/// Of the title of a map.
const TITLE: Letters = Letters(12);

/// The visible ones, the largest share first.
fn ordered(sources: &[Source]) -> Vec<&Source> {
    let mut visible: Vec<&Source> = sources.iter().filter(|source| source.share >= VISIBLE).collect();
    visible.sort_by(|a, b| b.share.total_cmp(&a.share));
    visible
}

/// Side of a cell of a map of so many columns on a sheet of this width.
fn cell(width: u32, columns: usize) -> u32 {
    (width.saturating_sub(2 * GAP + MARGIN) / columns.max(1) as u32).clamp(2, 14)
}

/// The stripe of class colours beside a map, with its gap.
const MARGIN: u32 = 8;

impl Matrix {
    fn title(&self, width: u32) -> Vec<String> {
        TITLE.wrap(self.title.split(' '), width - 2 * GAP)
    }

    /// On a sheet of this width.
    pub(super) fn height(&self, width: u32) -> u32 {
        let lines = self.title(width).len() as u32 * TITLE.line();
        lines + GAP / 2 + MARGIN + self.shares.len() as u32 * cell(width, self.columns.len()) + GAP
    }
}

impl Canvas {
    pub(super) fn sources(&mut self, x: u32, y: u32, side: u32, sources: &[Source]) -> Result<()> {
        let (small, sources) = (small(side), ordered(sources));
        let shown = if sources.len() > PLACES as usize { PLACES as usize - 1 } else { sources.len() };
        for (place, source) in (0..).zip(&sources[..shown]) {
            let x = x + place * (small + SPACE);
            let image = thumbnail(&source.image, small)?;
            self.paste(x + (small - image.width) / 2, y + small - image.height, &image);
            self.fill(x, y + small, small, STROKE, palette::class(source.class));
            self.words(x, y + small + STROKE + 2, side, &hundredths(source.share));
        }
        if sources.len() > shown {
            let x = x + shown as u32 * (small + SPACE);
            self.words(x, y + small / 2, side, &format!("+{}", sources.len() - shown));
        }
        Ok(())
    }

    /// A text in the middle of a place of a tile of `side`, where it fits.
    fn words(&mut self, x: u32, y: u32, side: u32, text: &str) {
        let (room, wide) = (small(side), LETTERS.width(text));
        if wide <= room + SPACE {
            self.text(x + room.saturating_sub(wide) / 2, y, LETTERS, SOFT, text);
        }
    }

    /// Each cell the darker the larger its share, by the square root: a share of .01 is seen. Beside the lines and above the
    /// columns their classes.
    pub(super) fn matrix(&mut self, y: u32, matrix: &Matrix) {
        let width = self.0.width;
        let title = matrix.title(width);
        for (at, text) in (0..).zip(&title) {
            self.text(GAP, y + at * TITLE.line(), TITLE, INK, text);
        }
        let top = y + title.len() as u32 * TITLE.line() + GAP / 2;
        let cell = cell(width, matrix.columns.len());
        let (left, top) = (GAP + MARGIN, top + MARGIN);
        for (column, class) in (0..).zip(&matrix.columns) {
            self.fill(left + column * cell, top - MARGIN, cell, MARGIN - 3, palette::class(*class));
        }
        for (line, (shares, class)) in (0..).zip(matrix.shares.iter().zip(&matrix.lines)) {
            let y = top + line * cell;
            self.fill(left - MARGIN, y, MARGIN - 3, cell, palette::class(*class));
            for (column, share) in (0..).zip(shares) {
                self.fill(left + column * cell, y, cell, cell, shade(*share));
            }
        }
    }
}

/// From a tint of the paper, at 0, to ink, at 1.
fn shade(share: f64) -> [u8; 3] {
    const NONE: [u8; 3] = [0xee, 0xf1, 0xf5];
    let t = share.clamp(0., 1.).sqrt();
    std::array::from_fn(|c| (f64::from(NONE[c]) * (1. - t) + f64::from(INK[c]) * t).round() as u8)
}
