//! From a file of any supported format to upright RGB8.

use std::borrow::Cow;
use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader};
use limit::{MAX_PIXELS, opened, opened_within};

use crate::{Encoded, Error, Image, Result, file};

pub mod broken;
pub mod budget;
mod jpeg;
pub mod limit;
pub mod rate;
mod tiff;
pub mod whole;
pub mod window;

/// Upright RGB8, as Pillow's `exif_transpose` and `convert("RGB")` make it: grey is repeated, a palette looked up,
/// alpha dropped (not blended), 16 bits shifted to 8 (`v >> 8`; Pillow does so in colour, and clips grey at 255), and the turn of
/// the EXIF orientation done. JPEGs differ from libjpeg-turbo's by the rounding of the inverse transform and the upsampling;
/// those whose data end early are refused, which libjpeg fills up.
///
/// Formats: JPEG, PNG, BMP, TIFF, WebP, told by their first bytes, not by the name.
///
/// # Errors
/// [`Error::Io`]; [`Error::Image`], without the image's name, for what cannot be read whole, and for floating point, which
/// has no agreed range; for more than [`MAX_PIXELS`](crate::MAX_PIXELS) pixels.
pub fn decode(encoded: &Encoded) -> Result<Image> {
    decode_within(encoded, MAX_PIXELS)
}

/// The same with another limit, such as a dataset's: an image of more than `most` pixels is refused by its header.
///
/// # Errors
/// As [`decode`].
pub fn decode_within(encoded: &Encoded, most: u64) -> Result<Image> {
    let bytes = match encoded {
        Encoded::Pixels(image) => return Ok(image.clone()),
        other => bytes(other)?,
    };
    if is_jpeg(&bytes) {
        let (image, orientation) = jpeg::decode(&bytes, most)?;
        return Ok(upright(image, orientation));
    }
    if let Encoded::Deep { window, .. } = encoded
        && let Some(deep) = window::deep(&bytes, most)?
    {
        return Ok(deep.image(*window));
    }
    webp_is_whole(&bytes, bytes.len() as u64)?;
    let (image, orientation) = dynamic(opened_within(&bytes, most)?)?;
    Ok(upright(rgb8(image)?, orientation))
}

/// The picture as stored, and the turn that makes it upright.
fn dynamic(mut decoder: impl ImageDecoder) -> Result<(DynamicImage, Orientation)> {
    let orientation = decoder.orientation().map_err(broken)?;
    Ok((DynamicImage::from_decoder(decoder).map_err(broken)?, orientation))
}

/// (width, height) of the upright image, from the header.
///
/// # Errors
/// [`Error::Io`]; [`Error::Image`] where the header cannot be read.
pub fn size(encoded: &Encoded) -> Result<(u32, u32)> {
    let bytes = match encoded {
        Encoded::Pixels(image) => return Ok((image.width, image.height)),
        other => bytes(other)?,
    };
    let ((width, height), orientation) = if is_jpeg(&bytes) {
        jpeg::header(&bytes)?
    } else {
        let mut decoder = opened(&bytes)?;
        (decoder.dimensions(), decoder.orientation().map_err(broken)?)
    };
    Ok(if turns(orientation) { (height, width) } else { (width, height) })
}

/// Format, channels and depth from the header: `JPEG, RGB, 8 bits`.
pub(crate) fn kind(encoded: &Encoded) -> Result<String> {
    let bytes = bytes(encoded)?;
    let format = reader(&bytes)?.format().expect("checked by reader");
    let color = opened(&bytes)?.original_color_type();
    let channels = match color.channel_count() {
        1 => "grey",
        2 => "grey and alpha",
        3 => "RGB",
        _ => "RGB and alpha",
    };
    let bits = color.bits_per_pixel() / u16::from(color.channel_count());
    Ok(format!("{}, {channels}, {bits} bits", format!("{format:?}").to_uppercase()))
}

impl Encoded {
    /// The same image with a file's bytes in memory, so that [`size`] and [`decode`] read the file once.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn load(self) -> Result<Encoded> {
        match self {
            Encoded::File(_) => Ok(Encoded::Bytes(bytes(&self)?.into_owned())),
            other => Ok(other),
        }
    }
}

/// Bytes of the largest file that is read: no image within the default limit of pixels has as many.
const LARGEST: u64 = 4 << 30;

fn bytes(encoded: &Encoded) -> Result<Cow<'_, [u8]>> {
    match encoded {
        Encoded::File(path) => Ok(Cow::Owned(file::read_within(path, LARGEST)?)),
        Encoded::Bytes(bytes) | Encoded::Deep { bytes, .. } => Ok(Cow::Borrowed(bytes)),
        Encoded::Pixels(_) => unreachable!("pixels are not bytes of a file"),
    }
}

fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xd8, 0xff])
}

fn is_webp(bytes: &[u8]) -> bool {
    bytes.get(..12).is_some_and(|header| header.starts_with(b"RIFF") && header.ends_with(b"WEBP"))
}

/// A WebP says its length (RIFF: from byte 8 on), which the decoder does not hold it to. `bytes` are the first of `length`.
fn webp_is_whole(bytes: &[u8], length: u64) -> Result<()> {
    if !is_webp(bytes) {
        return Ok(());
    }
    let expected = 8 + u64::from(u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]));
    if length < expected {
        return Err(Error::Image(format!("truncated WebP: expected {expected} bytes, got {length}")));
    }
    Ok(())
}

fn reader(bytes: &[u8]) -> Result<ImageReader<Cursor<&[u8]>>> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().expect("memory can be read");
    match reader.format() {
        Some(_) => Ok(reader),
        None if bytes.is_empty() => Err(Error::Image("expected an image, got an empty file".into())),
        None => Err(Error::Image("expected a JPEG, PNG, BMP, TIFF or WebP image, got something else".into())),
    }
}

fn broken(error: image::ImageError) -> Error {
    Error::Image(format!("broken image: {error}"))
}

fn rgb8(image: DynamicImage) -> Result<Image> {
    let (width, height) = (image.width(), image.height());
    let high = |value: u16| (value >> 8) as u8;
    let pixels: Vec<u8> = match image {
        DynamicImage::ImageRgb8(pixels) => pixels.into_raw(),
        DynamicImage::ImageRgba8(pixels) => pixels.pixels().flat_map(|p| [p[0], p[1], p[2]]).collect(),
        DynamicImage::ImageLuma8(pixels) => pixels.pixels().flat_map(|p| [p[0]; 3]).collect(),
        DynamicImage::ImageLumaA8(pixels) => pixels.pixels().flat_map(|p| [p[0]; 3]).collect(),
        DynamicImage::ImageRgb16(pixels) => {
            pixels.pixels().flat_map(|p| [p[0], p[1], p[2]].map(high)).collect()
        }
        DynamicImage::ImageRgba16(pixels) => {
            pixels.pixels().flat_map(|p| [p[0], p[1], p[2]].map(high)).collect()
        }
        DynamicImage::ImageLuma16(pixels) => pixels.pixels().flat_map(|p| [high(p[0]); 3]).collect(),
        DynamicImage::ImageLumaA16(pixels) => pixels.pixels().flat_map(|p| [high(p[0]); 3]).collect(),
        other => {
            let problem = format!("expected 8 or 16 bits a channel, got {:?}", other.color());
            return Err(Error::Image(problem));
        }
    };
    Ok(Image { width, height, pixels })
}

fn turns(orientation: Orientation) -> bool {
    // EXIF 5 to 8.
    orientation.to_exif() >= 5
}

fn upright(image: Image, orientation: Orientation) -> Image {
    if orientation == Orientation::NoTransforms {
        return image;
    }
    let buffer =
        image::RgbImage::from_raw(image.width, image.height, image.pixels).expect("three bytes a pixel");
    let mut turned = DynamicImage::ImageRgb8(buffer);
    turned.apply_orientation(orientation);
    let (width, height) = (turned.width(), turned.height());
    Image { width, height, pixels: turned.into_bytes() }
}

#[cfg(test)]
mod tests;
