//! Contact sheets: thumbnails in a grid, each with its note and its label shares, as PNG.

mod sources;

use crate::{Error, Result, font, palette};
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
    /// `None`: about 8 : 5, at most 8.
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

/// The same with at most `most` classes named, each as `name` has it beside a share of that many characters.
fn pieces(shares: &[f64], most: usize, name: impl Fn(usize, usize) -> String) -> Vec<String> {
    let present = present(shares);
    if let [(at, share)] = present[..]
        && share >= 0.995
    {
        return vec![name(at, 0)];
    }
    let mut out: Vec<_> = present
        .iter()
        .take(most)
        .map(|(at, share)| (at, hundredths(*share)))
        .map(|(at, share)| format!("{} {share}", name(*at, share.len() + 1)))
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

const PAPER: [u8; 3] = [255; 3];
const INK: [u8; 3] = [28, 36, 48];
const SOFT: [u8; 3] = [91, 102, 117];
const GAP: u32 = 12;
const MOST_LINES: usize = 4;
const MOST_NAMED: usize = 4;

impl Sheet {
    /// The sheet as one picture, RGB8.
    ///
    /// # Errors
    /// [`Error::Picture`] where the pictures differ in size or do not have as many bytes as they say.
    pub fn render(&self) -> Result<Image> {
        let side = self.side()?;
        let count = self.tiles.len() as u32;
        let columns = match self.columns {
            Some(columns) => columns.max(1) as u32,
            None => ((f64::from(count) * 1.6).sqrt().ceil() as u32).clamp(1, 8).min(count.max(1)),
        };
        let scale = if side >= 112 { 2 } else { 1 };
        let (letters, line) = ((side / (font::ADVANCE * scale)) as usize, font::LINE * scale);
        let width = GAP + columns * (side + GAP);
        let title = wrap(
            &self.title.split(' ').map(str::to_string).collect::<Vec<_>>(),
            letters_in(width - 2 * GAP, 2),
        );
        let captions: Vec<_> = self.tiles.iter().map(|tile| self.lines(tile, letters)).collect();
        let most = captions.iter().map(Vec::len).max().unwrap_or(0) as u32;
        let head = if title.is_empty() { GAP } else { GAP + title.len() as u32 * font::LINE * 2 + GAP / 2 };
        let bar = 3 * scale;
        let strip = sources::strip(side, &self.tiles);
        let pitch = side + bar + 3 * scale + most * line + strip + GAP;
        let foot = head + count.div_ceil(columns) * pitch;
        let map = self.matrix.as_ref().map_or(0, |matrix| matrix.height(width));
        let mut canvas = Canvas::new(width, foot + map);
        for (at, text) in title.iter().enumerate() {
            canvas.text(GAP, GAP + at as u32 * font::LINE * 2, 2, INK, text);
        }
        for (at, (tile, caption)) in self.tiles.iter().zip(&captions).enumerate() {
            let (column, row) = (at as u32 % columns, at as u32 / columns);
            let (x, y) = (GAP + column * (side + GAP), head + row * pitch);
            let small = thumbnail(&tile.image, side)?;
            canvas.paste(x + (side - small.width) / 2, y + side - small.height, &small);
            canvas.bar(x, y + side + scale, side, bar - scale, &tile.shares);
            for (at, text) in caption.iter().enumerate() {
                let colour = if at == 0 && !tile.note.is_empty() { SOFT } else { INK };
                canvas.text(x, y + side + bar + 2 * scale + at as u32 * line, scale, colour, text);
            }
            canvas.sources(x, y + side + bar + 3 * scale + most * line, side, &tile.sources)?;
        }
        if let Some(matrix) = &self.matrix {
            canvas.matrix(foot, matrix);
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

    /// A caption of at most [`MOST_LINES`] lines under the note: as many classes as fit, then `+n`.
    fn lines(&self, tile: &Tile, letters: usize) -> Vec<String> {
        let note = (!tile.note.is_empty()).then(|| end_of(&tile.note, letters));
        let name = |class, beside| short(class, &self.classes, letters.saturating_sub(beside));
        let caption = |most| wrap(&pieces(&tile.shares, most, name), letters);
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

fn letters_in(width: u32, scale: u32) -> usize {
    (width / (font::ADVANCE * scale)) as usize
}

/// Words into lines of at most `letters` characters. A word that is too long is cut.
fn wrap(words: &[String], letters: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.iter().filter(|word| !word.is_empty()) {
        let word = crate::table::ellipsis(word, letters);
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= letters => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// The name of a class in at most `letters` characters: its beginning, or its end where another class begins the same.
fn short(class: usize, classes: &[String], letters: usize) -> String {
    let begin = |name: &String| crate::table::ellipsis(name, letters);
    let shown = begin(&classes[class]);
    let is_alone = classes.iter().filter(|name| begin(name) == shown).nth(1).is_none();
    if is_alone { shown } else { end_of(&classes[class], letters) }
}

/// At most `letters` characters, the first an … where some are missing: ids and paths differ at their ends.
fn end_of(text: &str, letters: usize) -> String {
    let count = text.chars().count();
    if count <= letters {
        return text.into();
    }
    std::iter::once('…').chain(text.chars().skip(count + 1 - letters.max(1))).collect()
}

struct Canvas(Image);

impl Canvas {
    fn new(width: u32, height: u32) -> Canvas {
        Canvas(Image { width, height, pixels: PAPER.repeat(width as usize * height as usize) })
    }

    fn fill(&mut self, x: u32, y: u32, width: u32, height: u32, colour: [u8; 3]) {
        for y in y..(y + height).min(self.0.height) {
            for x in x..(x + width).min(self.0.width) {
                let at = (y as usize * self.0.width as usize + x as usize) * 3;
                self.0.pixels[at..at + 3].copy_from_slice(&colour);
            }
        }
    }

    fn text(&mut self, x: u32, y: u32, scale: u32, colour: [u8; 3], text: &str) {
        for (at, character) in (0..).zip(text.chars()) {
            for (dy, row) in (0..).zip(font::rows(character)) {
                for dx in (0..5).filter(|dx| row >> (4 - dx) & 1 == 1) {
                    let x = x + (at * font::ADVANCE + dx) * scale;
                    self.fill(x, y + dy * scale, scale, scale, colour);
                }
            }
        }
    }

    /// One stretch per class, in the order of the caption, as long as its share.
    fn bar(&mut self, x: u32, y: u32, width: u32, height: u32, shares: &[f64]) {
        let mut sum = 0.;
        for (class, share) in present(shares) {
            let (from, to) = (sum * f64::from(width), (sum + share).min(1.) * f64::from(width));
            self.fill(
                x + from.round() as u32,
                y,
                (to.round() - from.round()) as u32,
                height,
                palette::class(class),
            );
            sum += share;
        }
    }

    fn paste(&mut self, x: u32, y: u32, image: &Image) {
        let row = image.width as usize * 3;
        for (dy, source) in image.pixels.chunks_exact(row).enumerate() {
            let at = ((y as usize + dy) * self.0.width as usize + x as usize) * 3;
            self.0.pixels[at..at + row].copy_from_slice(source);
        }
    }
}

#[cfg(test)]
mod tests;
