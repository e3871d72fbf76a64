//! Contact sheets: thumbnails in a grid, each with its note and its label shares, as PNG.

mod canvas;
mod legend;
pub(crate) mod rows;
mod sources;

use crate::font::Letters;
use crate::{Error, Result};
use canvas::Canvas;
use image::{ImageEncoder, RgbImage, imageops};
use std::path::Path;
use tallow_data::Image;

/// Thumbnails under a title.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    pub title: String,
    /// Names of what `shares` counts.
    pub classes: Vec<String>,
    pub tiles: Vec<Tile>,
    /// Below the tiles.
    pub matrix: Option<Matrix>,
    /// `None`: about 8 : 5, at most 8, and the last row as full as can be.
    pub columns: Option<usize>,
    /// Side of a thumbnail in pixels. `None`: about 128 for small images, by a whole factor; at most 224.
    pub side: Option<u32>,
}

/// One thumbnail.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile {
    pub image: Image,
    /// What it is, such as an id or a policy; may be empty.
    pub note: String,
    /// A row of soft targets, one per class; or empty.
    pub shares: Vec<f64>,
    /// What it was mixed from; the largest are shown below the caption.
    pub sources: Vec<Source>,
}

/// A picture that another was mixed from.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    pub image: Image,
    pub class: usize,
    pub share: f64,
}

/// How much of each source is in each row, as a map of shades.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    pub title: String,
    /// A line for each row, in [0, 1]; a column for each source.
    pub shares: Vec<Vec<f64>>,
    /// The class of each line and column.
    pub lines: Vec<usize>,
    pub columns: Vec<usize>,
}

/// Label shares as text, the largest first: `NV .71 MEL .29`. A single class is just named; shares that would show as .00 are left
/// out, and with more than four the rest is summed up as `+3`.
pub fn caption(shares: &[f64], classes: &[String]) -> String {
    words(shares, classes).join(" ")
}

/// The caption in pieces that stay on one line.
pub(crate) fn words(shares: &[f64], classes: &[String]) -> Vec<String> {
    pieces(shares, MOST_NAMED, |class, _| classes[class].clone())
}

/// The same with at most `most` classes named, each as `name` has it beside that share (none where it is alone).
fn pieces(shares: &[f64], most: usize, name: impl Fn(usize, &str) -> String) -> Vec<String> {
    let present = present(shares);
    if let [(at, share)] = present[..]
        && share >= 0.995
    {
        return vec![name(at, "")];
    }
    let mut out: Vec<_> = present
        .iter()
        .take(most)
        .map(|(at, share)| (at, hundredths(*share)))
        .map(|(at, share)| format!("{} {share}", name(*at, &share)))
        .collect();
    if present.len() > most {
        out.push(format!("+{}", present.len() - most));
    }
    out
}

/// Classes with a visible share, the largest first, ties by index.
pub(crate) fn present(shares: &[f64]) -> Vec<(usize, f64)> {
    let mut out: Vec<_> = shares.iter().copied().enumerate().filter(|(_, share)| *share >= 0.005).collect();
    out.sort_by(|a, b| b.1.total_cmp(&a.1));
    out
}

fn hundredths(share: f64) -> String {
    let text = format!("{share:.2}");
    text.strip_prefix('0').map_or(text.clone(), str::to_string)
}

const INK: [u8; 3] = [28, 36, 48];
const SOFT: [u8; 3] = [91, 102, 117];
const GAP: u32 = 12;
const TITLE: Letters = Letters(16);
const MOST_LINES: usize = 5;
const MOST_NAMED: usize = 4;

/// Of captions on a sheet whose thumbnails have this side.
fn letters(side: u32) -> Letters {
    Letters(if side >= 112 { 14 } else { 11 })
}

impl Sheet {
    /// The sheet as one picture, RGB8.
    ///
    /// # Errors
    /// [`Error::Picture`] where the pictures differ in size or do not have as many bytes as they say.
    pub fn render(&self) -> Result<Image> {
        let side = self.side()?;
        let (count, letters) = (self.tiles.len(), letters(side));
        let wanted = (count as f64 * 1.6).sqrt().ceil() as usize;
        let columns =
            self.columns.map_or_else(|| rows::columns(count, wanted, 8), |columns| columns.max(1)) as u32;
        let width = GAP + columns * (side + GAP);
        let title = TITLE.wrap(self.title.split(' '), width - 2 * GAP);
        let captions: Vec<_> = self.tiles.iter().map(|tile| self.lines(tile, letters, side)).collect();
        let most = captions.iter().map(Vec::len).max().unwrap_or(0) as u32;
        let head = if title.is_empty() { GAP } else { GAP + title.len() as u32 * TITLE.line() + GAP / 2 };
        let (bar, space) = (if side >= 112 { 5 } else { 3 }, 4);
        let strip = sources::strip(side, &self.tiles);
        let pitch = side + bar + space + most * letters.line() + strip + GAP;
        let legend = self.legend(letters, side, width);
        let map = head + (count as u32).div_ceil(columns) * pitch + legend.height();
        let mut canvas =
            Canvas::new(width, map + self.matrix.as_ref().map_or(0, |matrix| matrix.height(width)));
        for (at, text) in (0..).zip(&title) {
            canvas.text(GAP, GAP + at * TITLE.line(), TITLE, INK, text);
        }
        for (at, (tile, caption)) in (0..).zip(self.tiles.iter().zip(&captions)) {
            let (x, y) = (GAP + at % columns * (side + GAP), head + at / columns * pitch);
            let small = thumbnail(&tile.image, side)?;
            canvas.paste(x + (side - small.width) / 2, y + side - small.height, &small);
            canvas.bar(x, y + side + 1, side, bar, &tile.shares);
            let y = y + side + bar + space;
            for (at, text) in (0..).zip(caption) {
                let colour = if at == 0 && !tile.note.is_empty() { SOFT } else { INK };
                canvas.text(x, y + at * letters.line(), letters, colour, text);
            }
            canvas.sources(x, y + most * letters.line() + 2, side, &tile.sources)?;
        }
        canvas.legend(map - legend.height(), &legend);
        if let Some(matrix) = &self.matrix {
            canvas.matrix(map, matrix);
        }
        Ok(canvas.0)
    }

    /// The bytes of a PNG file.
    ///
    /// # Errors
    /// What [`Sheet::render`] answers.
    pub fn png(&self) -> Result<Vec<u8>> {
        png(&self.render()?)
    }

    /// The bytes of a JPEG file of this quality, 1 to 100.
    ///
    /// # Errors
    /// What [`Sheet::render`] answers.
    pub fn jpeg(&self, quality: u8) -> Result<Vec<u8>> {
        let (image, mut out) = (self.render()?, Vec::new());
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, quality)
            .encode(&image.pixels, image.width, image.height, image::ExtendedColorType::Rgb8)
            .map_err(|error| Error::Picture(format!("jpeg: {error}")))?;
        Ok(out)
    }

    /// Writes the sheet as PNG.
    ///
    /// # Errors
    /// What [`Sheet::render`] answers; [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.png()?).map_err(Error::io(path))
    }

    fn side(&self) -> Result<u32> {
        for tile in &self.tiles {
            for Image { width, height, pixels } in
                tile.sources.iter().map(|source| &source.image).chain([&tile.image])
            {
                if *width == 0 || *height == 0 || pixels.len() != *width as usize * *height as usize * 3 {
                    let sizes = format!("{width}×{height} pixels, {} bytes", pixels.len());
                    return Err(Error::Picture(format!(
                        "picture of a contact sheet: expected width · height · 3 bytes, got {sizes}"
                    )));
                }
            }
            if !tile.shares.is_empty() && tile.shares.len() != self.classes.len() {
                let (shares, classes) = (tile.shares.len(), self.classes.len());
                return Err(Error::Picture(format!(
                    "label shares: expected one for each of {classes} classes, got {shares}"
                )));
            }
        }
        let largest =
            self.tiles.iter().map(|tile| tile.image.width.max(tile.image.height)).max().unwrap_or(128);
        let factor = (128. / f64::from(largest)).round().max(1.) as u32;
        Ok(self.side.unwrap_or(factor * largest).clamp(16, if self.side.is_some() { 4096 } else { 224 }))
    }

    /// A caption of at most [`MOST_LINES`] lines under the note: as many classes as fit, then `+n`. Names that are too long for
    /// a line are cut; the legend has them whole.
    fn lines(&self, tile: &Tile, letters: Letters, width: u32) -> Vec<String> {
        let note = (!tile.note.is_empty()).then(|| letters.end(&tile.note, width));
        let name = |class, share: &str| {
            let beside = if share.is_empty() { 0 } else { letters.width(&format!(" {share}")) };
            short(class, &self.classes, letters, width.saturating_sub(beside))
        };
        let caption = |most| letters.wrap(pieces(&tile.shares, most, name), width);
        let fits = (1..=MOST_NAMED).rev().map(caption).find(|lines| lines.len() <= MOST_LINES);
        note.into_iter().chain(fits.unwrap_or_else(|| caption(1))).collect()
    }
}

/// PNG, RGB8.
pub(crate) fn png(image: &Image) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    image::codecs::png::PngEncoder::new(&mut out)
        .write_image(&image.pixels, image.width, image.height, image::ExtendedColorType::Rgb8)
        .map_err(|error| Error::Picture(format!("png: {error}")))?;
    Ok(out)
}

/// Within `side` × `side`, in proportion: larger pictures are averaged down, smaller ones enlarged by a whole factor, nearest neighbour.
pub(crate) fn thumbnail(image: &Image, side: u32) -> Result<Image> {
    let largest = image.width.max(image.height);
    if largest == side {
        return Ok(image.clone());
    }
    let scaled = |length: u32| match side / largest {
        0 => (f64::from(length) * f64::from(side) / f64::from(largest)).round().max(1.) as u32,
        factor => length * factor,
    };
    let filter = if largest > side { imageops::FilterType::Triangle } else { imageops::FilterType::Nearest };
    let source = RgbImage::from_raw(image.width, image.height, image.pixels.clone()).ok_or_else(|| {
        Error::Picture(format!("picture: expected {}×{}×3 bytes", image.width, image.height))
    })?;
    let (width, height) = (scaled(image.width), scaled(image.height));
    Ok(Image { width, height, pixels: imageops::resize(&source, width, height, filter).into_raw() })
}

/// The name of a class in at most `width` pixels: its beginning, or its end where another class begins the same.
fn short(class: usize, classes: &[String], letters: Letters, width: u32) -> String {
    let begin = |name: &String| letters.begin(name, width);
    let shown = begin(&classes[class]);
    let is_alone = classes.iter().filter(|name| begin(name) == shown).nth(1).is_none();
    if is_alone { shown } else { letters.end(&classes[class], width) }
}

#[cfg(test)]
mod tests;
