//! Rectangles of pixels: cutting them out, padding around them, filling them.

use crate::schema::quantity::choice;
use crate::{Error, Result};
use tallow_data::Image;

/// A rectangle inside an image, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

choice! {
    /// What is outside of an image.
    #[derive(Default)]
    pub enum PaddingMode {
        /// Black.
        #[default]
        Zero = "zero",
        /// The image mirrored at its outermost pixels, which are not repeated: `c b | a b c | b a`, as often as needed.
        Reflect = "reflect",
    }
}

impl Region {
    /// From numbers (left, top, width, height).
    ///
    /// # Errors
    /// One that is not inside `image`, or holds no pixel.
    pub fn read(policy: &str, draw: &[f64], image: &Image) -> Result<Region> {
        let inside = |start: f64, length: f64, end: u32| {
            start >= 0.0 && length >= 1.0 && start + length <= f64::from(end)
        };
        match *draw {
            [left, top, width, height]
                if inside(left, width, image.width) && inside(top, height, image.height) =>
            {
                Ok(Region { left: left as u32, top: top as u32, width: width as u32, height: height as u32 })
            }
            _ => Err(invalid_draw(policy, "left, top, width, height inside the image", draw, image)),
        }
    }

    /// As numbers (left, top, width, height).
    pub fn numbers(self) -> Vec<f64> {
        [self.left, self.top, self.width, self.height].map(f64::from).to_vec()
    }
}

/// The error of numbers that do not fit an image.
pub fn invalid_draw(policy: &str, expected: &str, draw: &[f64], image: &Image) -> Error {
    let problem =
        format!("expected {expected} ({} by {} pixels), got the draw {draw:?}", image.width, image.height);
    Error::Policy { policy: policy.to_string(), problem }
}

/// The pixels of a region, moved to the front of the same allocation.
pub fn cut(mut image: Image, region: Region) -> Image {
    let Region { left, top, width, height } = region;
    let (from, to) = (image.width as usize * 3, width as usize * 3);
    if (width, height) != (image.width, image.height) {
        for y in 0..height as usize {
            let start = (top as usize + y) * from + left as usize * 3;
            image.pixels.copy_within(start..start + to, y * to);
        }
        image.pixels.truncate(height as usize * to);
    }
    Image { width, height, pixels: image.pixels }
}

/// The rectangle of `size` (width, height) whose upper left pixel is at (`left`, `top`), which may lie outside.
pub fn crop_padded(image: Image, left: i64, top: i64, size: (u32, u32), padding: PaddingMode) -> Image {
    let (width, height) = size;
    let inside =
        |start: i64, length: u32, end: u32| start >= 0 && start + i64::from(length) <= i64::from(end);
    if inside(left, width, image.width) && inside(top, height, image.height) {
        return cut(image, Region { left: left as u32, top: top as u32, width, height });
    }
    let mut pixels = vec![0; width as usize * height as usize * 3];
    let columns: Vec<Option<usize>> =
        (0..width).map(|x| source(left + i64::from(x), image.width, padding)).collect();
    for (y, row) in pixels.chunks_exact_mut(width as usize * 3).enumerate() {
        let Some(from) = source(top + y as i64, image.height, padding) else { continue };
        let from = &image.pixels[from * image.width as usize * 3..][..image.width as usize * 3];
        for (pixel, column) in row.chunks_exact_mut(3).zip(&columns) {
            if let Some(x) = column {
                pixel.copy_from_slice(&from[x * 3..x * 3 + 3]);
            }
        }
    }
    Image { width, height, pixels }
}

/// Paints a region in one colour.
pub fn paint(image: &mut Image, region: Region, colour: [u8; 3]) {
    let (row, left, right) =
        (image.width as usize * 3, region.left as usize * 3, (region.left + region.width) as usize * 3);
    for y in region.top..region.top + region.height {
        let start = y as usize * row;
        image.pixels[start + left..start + right]
            .chunks_exact_mut(3)
            .for_each(|p| p.copy_from_slice(&colour));
    }
}

/// The pixel in 0..n that is seen at `position`.
pub fn source(position: i64, n: u32, padding: PaddingMode) -> Option<usize> {
    let n = i64::from(n);
    match padding {
        _ if (0..n).contains(&position) => Some(position as usize),
        PaddingMode::Zero => None,
        PaddingMode::Reflect => {
            let period = (2 * n - 2).max(1); // a single pixel is its own mirror image
            let phase = position.rem_euclid(period);
            Some(phase.min(period - phase).min(n - 1) as usize)
        }
    }
}
