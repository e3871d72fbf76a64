//! The whole names of classes that the captions of a sheet had to cut, each beside its colour.

use super::{Canvas, GAP, INK, Sheet, present};
use crate::font::Letters;
use crate::palette;
use std::collections::BTreeSet;

pub(super) struct Legend {
    letters: Letters,
    /// (class, its name in lines).
    pub names: Vec<(usize, Vec<String>)>,
}

/// Of a square of colour, with its gap.
const SQUARE: u32 = 10;
const INDENT: u32 = 18;

impl Legend {
    pub fn height(&self) -> u32 {
        let lines = self.names.iter().map(|(_, lines)| lines.len() as u32).sum::<u32>();
        if lines == 0 { 0 } else { lines * self.letters.line() + GAP }
    }
}

impl Sheet {
    /// Of the classes that some tile shows, those whose name is too long for a caption beside a share.
    pub(super) fn legend(&self, letters: Letters, side: u32, width: u32) -> Legend {
        let shown: BTreeSet<usize> =
            self.tiles.iter().flat_map(|tile| present(&tile.shares)).map(|(class, _)| class).collect();
        let is_cut = |class: &usize| letters.width(&format!("{} .00", self.classes[*class])) > side;
        let lines = |class: usize| letters.wrap(self.classes[class].split(' '), width - 2 * GAP - INDENT);
        let names = shown.into_iter().filter(is_cut).map(|class| (class, lines(class))).collect();
        Legend { letters, names }
    }
}

impl Canvas {
    pub(super) fn legend(&mut self, top: u32, legend: &Legend) {
        let (letters, mut y) = (legend.letters, top);
        for (class, lines) in &legend.names {
            let middle = y + (letters.line() - SQUARE) / 2;
            self.fill(GAP, middle, SQUARE, SQUARE, palette::class(*class));
            for line in lines {
                self.text(GAP + INDENT, y, letters, INK, line);
                y += letters.line();
            }
        }
    }
}
