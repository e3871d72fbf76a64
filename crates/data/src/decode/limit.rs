//! How large an image may be, by its header, before memory is taken for its pixels.

use image::{ImageDecoder, Limits};

use super::tiff::check_strips;
use super::whole::PNG;
use super::{broken, reader};
use crate::{Error, Result};

/// Pixels that an image may have where nobody says otherwise; those of the largest cameras have 150 million.
pub const MAX_PIXELS: u64 = 200_000_000;

/// Bytes for what is in a file beside its pixels: colour profiles, text, tables.
const BESIDE: u64 = 64 << 20;

/// Bytes of a pixel in the widest kind that decoders make.
const WIDEST: u64 = 16;

/// As many bytes as one byte of zlib's can stand for: 258 in two bits.
const DEFLATED: u64 = 1032;

/// An image has no more than `most` pixels.
///
/// # Errors
/// [`Error::Image`] with its size and the limit.
pub fn check_pixels(width: u32, height: u32, most: u64) -> Result<()> {
    if u64::from(width) * u64::from(height) <= most {
        return Ok(());
    }
    Err(Error::Image(format!(
        "{width}×{height} pixels by its header – expected at most {most} pixels, so that no file can fill the memory – take it out, \
         or raise the limit with data.max_pixels=…"
    )))
}

/// A bound for what is read before the pixels.
pub fn of_headers() -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(BESIDE);
    limits
}

/// The decoder of a file, its header read, with a bound for all that it takes. Not for JPEGs, which have a decoder of their own.
pub fn opened(bytes: &[u8]) -> Result<impl ImageDecoder + '_> {
    let mut limits = of_headers();
    let mut reader = reader(bytes)?;
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(broken)?;
    // The first bound stays with the decoder of PNGs, which counts neither pixels nor more than a row; that of TIFFs counts all.
    let (width, height) = decoder.dimensions();
    let pixels = (u64::from(width) * u64::from(height)).saturating_mul(WIDEST);
    limits.max_alloc = Some(pixels.saturating_add(BESIDE));
    decoder.set_limits(limits).map_err(broken)?;
    Ok(decoder)
}

/// The same for an image that has no more than `most` pixels.
pub fn opened_within(bytes: &[u8], most: u64) -> Result<impl ImageDecoder + '_> {
    let decoder = opened(bytes)?;
    let (width, height) = decoder.dimensions();
    check_pixels(width, height, most)?;
    check_strips(bytes)?;
    check_png(bytes, width, height)?;
    Ok(decoder)
}

/// The file of a PNG is long enough for the pixels that its header claims: memory is taken for all of them before the first is read.
fn check_png(bytes: &[u8], width: u32, height: u32) -> Result<()> {
    let (true, Some(&[depth, color])) = (bytes.starts_with(PNG), bytes.get(24..26)) else { return Ok(()) };
    let channels = match color {
        2 => 3,
        4 => 2,
        6 => 4,
        _ => 1,
    };
    let pixels = u64::from(width) * u64::from(height);
    let unpacked = pixels.saturating_mul(channels * u64::from(depth)) / 8;
    if unpacked / DEFLATED <= bytes.len() as u64 {
        return Ok(());
    }
    Err(Error::Image(format!(
        "truncated PNG: {} bytes cannot hold the {width}×{height} pixels of its header",
        bytes.len()
    )))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::ImageFormat::{Bmp, Png, Tiff, WebP};

    use super::*;
    use crate::written::{forged_png, jpeg, picture, png_chunk, zlib};
    use crate::{Encoded, decode, decode_within};

    fn said(bytes: &[u8], most: u64) -> Option<String> {
        decode_within(&Encoded::Bytes(bytes.to_vec()), most).err().map(|error| error.to_string())
    }

    #[test]
    fn an_image_of_more_pixels_is_refused_by_its_header_in_every_format() {
        let mut files: Vec<Vec<u8>> = [Png, Bmp, Tiff, WebP]
            .into_iter()
            .map(|format| {
                let mut bytes = Cursor::new(Vec::new());
                picture(40, 30).write_to(&mut bytes, format).unwrap();
                bytes.into_inner()
            })
            .collect();
        files.push(jpeg(&picture(40, 30), None));
        for bytes in files {
            assert_eq!(said(&bytes, 1200), None);
            let refused = said(&bytes, 1199).expect("one pixel too many");
            assert!(
                refused.starts_with("40×30 pixels by its header – expected at most 1199 pixels")
                    && refused.ends_with("data.max_pixels=…"),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_small_file_cannot_ask_for_gigabytes() {
        for (width, height) in [(65_535, 65_535), (30_000, 30_000), (1_000_001, 200)] {
            let refused = decode(&Encoded::Bytes(forged_png(width, height, &[]))).err().unwrap().to_string();
            let expected =
                format!("{width}×{height} pixels by its header – expected at most 200000000 pixels");
            assert!(refused.starts_with(&expected), "{refused}");
        }
        // Within the limit, and more than zlib can hold in so few bytes.
        let file = forged_png(10_000, 10_000, &[]);
        let refused = decode(&Encoded::Bytes(file.clone())).err().unwrap().to_string();
        assert_eq!(
            refused,
            format!("truncated PNG: {} bytes cannot hold the 10000×10000 pixels of its header", file.len())
        );
        // A JPEG whose frame header is changed: height and width stand behind the precision.
        let mut bytes = jpeg(&picture(40, 30), None);
        let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        bytes[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
        let refused = decode(&Encoded::Bytes(bytes)).err().unwrap().to_string();
        assert!(refused.starts_with("65535×65535 pixels by its header"), "{refused}");
    }

    #[test]
    fn a_colour_profile_cannot_fill_the_memory() {
        let with_profile = |length: usize| {
            let profile = [b"p\0\0", &zlib(&vec![0; length])[..]].concat();
            forged_png(1, 1, &png_chunk(b"iCCP", &profile))
        };
        let kept = |length: usize| {
            let file = with_profile(length);
            assert!(file.len() < 200_000, "{}", file.len());
            let profile = opened(&file).ok().and_then(|mut decoder| decoder.icc_profile().ok().flatten());
            profile.map(|profile| profile.len())
        };
        assert_eq!(kept(1 << 20), Some(1 << 20));
        // 100 MiB of zeros in 100 kB. It is not needed, so the image itself may be decoded.
        assert_eq!(kept(100 << 20), None);
        let image = decode(&Encoded::Bytes(with_profile(100 << 20)));
        assert!(image.is_ok_and(|image| image.pixels == [0; 3]));
    }
}
