//! A map laid over the image that it is of.

use crate::{Error, Result, palette};
use tallow_data::Image;

/// The image in grey under the colours of `map` (a number from 0 to 1 for each pixel, row by row): dark violet where it is 0, yellow where it
/// is 1, and the more colour the larger it is.
///
/// # Errors
/// [`Error::Picture`] where the image does not have as many pixels as the map.
pub fn overlay(image: &Image, map: &[f64]) -> Result<Image> {
    let pixels = image.width as usize * image.height as usize;
    if image.pixels.len() != 3 * pixels || map.len() != pixels {
        let sizes = format!("{} bytes and {} numbers", image.pixels.len(), map.len());
        let (width, height) = (image.width, image.height);
        return Err(Error::Picture(format!(
            "overlay: expected {width}×{height} pixels of 3 bytes and a number for each, got {sizes}"
        )));
    }
    let blend = |(pixel, value): (&[u8], &f64)| {
        let value = value.clamp(0.0, 1.0);
        let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(f64::from);
        let grey = 0.299 * red + 0.587 * green + 0.114 * blue;
        let share = 0.25 + 0.4 * value;
        palette::heat(value).map(|colour| (grey * (1.0 - share) + f64::from(colour) * share).round() as u8)
    };
    let pixels = image.pixels.chunks_exact(3).zip(map).flat_map(blend).collect();
    Ok(Image { pixels, ..*image })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_lie_over_grey() {
        let image = Image { width: 3, height: 1, pixels: vec![0, 0, 0, 200, 100, 0, 255, 255, 255] };
        let over = overlay(&image, &[0.0, 0.0, 1.0]).unwrap();
        let (none, all) = (palette::heat(0.0), palette::heat(1.0));
        // 0.299 · 200 + 0.587 · 100 = 118.5; three quarters of it are 88.875.
        let share = |share: f64, grey: f64, colour: u8| {
            (grey * (1.0 - share) + share * f64::from(colour)).round() as u8
        };
        let expected = [
            none.map(|c| share(0.25, 0.0, c)),
            none.map(|c| share(0.25, 118.5, c)),
            all.map(|c| share(0.65, 255.0, c)),
        ];
        assert_eq!(over.pixels, expected.concat());
        assert!(overlay(&image, &[0.0]).unwrap_err().to_string().contains("got 9 bytes and 1 numbers"));
    }
}
