//! What is kept of an image: two hashes, a small grey picture, and a few measures.

use std::cell::RefCell;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::hash::hash;
use crate::{Encoded, Image, Result, decode_within};

/// The side of the small picture, whatever the sides of the image.
pub const SIDE: usize = 64;

/// An image, looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    pub width: u32,
    pub height: u32,
    /// Of the bytes as stored.
    pub content: u128,
    /// Of the upright pixels and their size.
    pub pixels: u128,
    pub measures: Measures,
    /// SIDE × SIDE grey pixels, the whole image squeezed into a square.
    pub small: Box<[u8]>,
}

/// Simple statistics, of grey levels (luma) from 0 to 255.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measures {
    /// Mean level.
    pub brightness: f32,
    /// Standard deviation of the levels.
    pub contrast: f32,
    /// Mean difference between the largest and the smallest channel of a pixel.
    pub colour: f32,
    /// Mean difference of neighbours in the small picture.
    pub detail: f32,
}

impl Look {
    /// Decodes an image whose bytes are in memory, of at most `most` pixels.
    ///
    /// # Errors
    /// As [`decode_within`].
    pub fn of(encoded: &Encoded, content: u128, most: u64) -> Result<Look> {
        Ok(match encoded {
            Encoded::Pixels(image) => Look::of_pixels(image, content),
            other => Look::of_pixels(&decode_within(other, most)?, content),
        })
    }

    fn of_pixels(image: &Image, content: u128) -> Look {
        let count = (image.width as usize * image.height as usize).max(1) as f64;
        let (mut sum, mut squares, mut colour) = (0u64, 0u64, 0u64);
        let mut grey = Vec::with_capacity(image.pixels.len() / 3);
        for pixel in image.pixels.chunks_exact(3) {
            let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
            let level = (77 * red + 150 * green + 29 * blue + 128) >> 8;
            grey.push(level as u8);
            sum += u64::from(level);
            squares += u64::from(level * level);
            colour += u64::from(red.max(green).max(blue) - red.min(green).min(blue));
        }
        let small = squeeze(image.width, image.height, &grey);
        let mean = sum as f64 / count;
        let measures = Measures {
            brightness: mean as f32,
            contrast: (squares as f64 / count - mean * mean).max(0.0).sqrt() as f32,
            colour: (colour as f64 / count) as f32,
            detail: detail(&small),
        };
        let size = [image.width.to_le_bytes(), image.height.to_le_bytes()].concat();
        let pixels = hash(&image.pixels, hash(&size, 0));
        Look { width: image.width, height: image.height, content, pixels, measures, small }
    }

    /// The hash of what is stored, whose bytes are in memory.
    pub fn content(encoded: &Encoded) -> u128 {
        match encoded {
            Encoded::Bytes(bytes) => hash(bytes, 0),
            // What is seen of it depends on its window.
            Encoded::Deep { bytes, window } => hash(format!("{window:?}").as_bytes(), hash(bytes, 0)),
            Encoded::Pixels(image) => hash(&image.pixels, u128::from(image.width)),
            Encoded::File(_) => unreachable!("loaded"),
        }
    }

    pub fn shorter_side(&self) -> u32 {
        self.width.min(self.height)
    }
}

thread_local! {
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

/// SIDE × SIDE, by a triangle filter as wide as the shrinking asks for.
fn squeeze(width: u32, height: u32, grey: &[u8]) -> Box<[u8]> {
    let mut small = vec![0; SIDE * SIDE];
    let source = TypedImageRef::<U8>::from_buffer(width, height, grey).expect("a level for each pixel");
    let mut target =
        TypedImage::<U8>::from_buffer(SIDE as u32, SIDE as u32, &mut small).expect("made to this size");
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    // An image without pixels stays black.
    RESIZER.with_borrow_mut(|resizer| _ = resizer.resize_typed(&source, &mut target, &options));
    small.into()
}

fn detail(small: &[u8]) -> f32 {
    let differences =
        small.chunks_exact(SIDE).flat_map(|row| row.windows(2)).map(|pair| pair[0].abs_diff(pair[1]));
    let across: u32 = differences.map(u32::from).sum();
    let down: u32 =
        small.iter().zip(&small[SIDE..]).map(|(above, below)| u32::from(above.abs_diff(*below))).sum();
    (across + down) as f32 / (2 * SIDE * (SIDE - 1)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::{jpeg, picture};
    use crate::{MAX_PIXELS, decode};

    #[test]
    fn pixels_are_hashed_upright_and_with_their_size() {
        let stored = |width, height, pixels: &[u8]| {
            let image = Image { width, height, pixels: pixels.to_vec() };
            Look::of(&Encoded::Pixels(image), 0, MAX_PIXELS).unwrap()
        };
        let tall = stored(1, 2, &[1, 2, 3, 4, 5, 6]);
        assert_ne!(tall.pixels, stored(2, 1, &[1, 2, 3, 4, 5, 6]).pixels);
        assert_ne!(tall.pixels, stored(1, 2, &[1, 2, 3, 4, 5, 7]).pixels);
        // Turned by EXIF, or stored as it is shown.
        let turned = Encoded::Bytes(jpeg(&picture(24, 16), Some(3)));
        let shown = decode(&turned).unwrap();
        let turned = Look::of(&turned, 1, MAX_PIXELS).unwrap();
        assert_eq!(turned.pixels, Look::of(&Encoded::Pixels(shown), 2, MAX_PIXELS).unwrap().pixels);
        let stored = Encoded::Bytes(jpeg(&picture(24, 16), None));
        assert_ne!(turned.pixels, Look::of(&stored, 3, MAX_PIXELS).unwrap().pixels);
    }

    #[test]
    fn measures_are_those_of_the_levels() {
        // A chessboard of black and white; a red and a grey half.
        let board: Vec<u8> =
            (0..64 * 64).flat_map(|at| [if (at / 64 + at) % 2 == 0 { 0 } else { 255 }; 3]).collect();
        let board = Encoded::Pixels(Image { width: 64, height: 64, pixels: board });
        let board = Look::of(&board, 0, MAX_PIXELS).unwrap();
        assert_eq!(
            board.measures,
            Measures { brightness: 127.5, contrast: 127.5, colour: 0.0, detail: 255.0 }
        );
        assert_eq!((board.small[0], board.small[1], board.small[64]), (0, 255, 255));
        let halves: Vec<u8> = [[[200, 0, 0]; 10], [[60, 60, 60]; 10]].concat().concat();
        let halves = Encoded::Pixels(Image { width: 20, height: 1, pixels: halves });
        let halves = Look::of(&halves, 0, MAX_PIXELS).unwrap();
        assert_eq!(halves.measures.colour, 100.0);
        assert_eq!(halves.measures.brightness, 60.0, "red counts 77/256");
        assert!(halves.measures.contrast < 1.0);
    }
}
