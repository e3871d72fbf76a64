//! JPEG, strictly: what libjpeg would fill with grey is an error here.

use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::{Error, Image, Result};

/// The pixels as stored and the turn that makes them upright.
pub fn decode(bytes: &[u8]) -> Result<(Image, Orientation)> {
    ends_with_its_last_scan(bytes)?;
    match attempt(bytes, true) {
        // Bytes between two headers harm nothing; libjpeg skips them too.
        Err(problem) if problem.contains("Extra bytes between headers") => attempt(bytes, false),
        other => other,
    }
    .map_err(|problem| Error::Image(format!("broken JPEG: {problem}")))
}

/// (width, height) as stored and the turn that makes the image upright. Reads the headers only.
pub fn header(bytes: &[u8]) -> Result<((u32, u32), Orientation)> {
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options(false));
    decoder.decode_headers().map_err(|error| Error::Image(format!("broken JPEG: {error}")))?;
    let (width, height) = decoder.dimensions().ok_or_else(|| Error::Image("broken JPEG: no size".into()))?;
    Ok(((width as u32, height as u32), orientation(&decoder)))
}

fn attempt(bytes: &[u8], strict: bool) -> std::result::Result<(Image, Orientation), String> {
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options(strict));
    decoder.decode_headers().map_err(|error| error.to_string())?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let color = if grey { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options(strict).jpeg_set_out_colorspace(color));
    let stored = decoder.decode().map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions().ok_or("no size")?;
    let pixels = if grey { stored.iter().flat_map(|&grey| [grey; 3]).collect() } else { stored };
    if pixels.len() != width * height * 3 {
        return Err(format!("expected {} bytes of pixels, got {}", width * height * 3, pixels.len()));
    }
    Ok((Image { width: width as u32, height: height as u32, pixels }, orientation(&decoder)))
}

fn options(strict: bool) -> DecoderOptions {
    DecoderOptions::default().set_strict_mode(strict).set_max_width(65_535).set_max_height(65_535)
}

fn orientation(decoder: &JpegDecoder<ZCursor<&[u8]>>) -> Orientation {
    let exif = decoder.exif();
    exif.and_then(|exif| Orientation::from_exif_chunk(exif)).unwrap_or(Orientation::NoTransforms)
}

/// Walks from marker to marker (ITU T.81, B.1.1) until the end of the image. A truncated file ends before it; an embedded
/// thumbnail, which has an end of its own, is inside a segment and skipped with it.
fn ends_with_its_last_scan(bytes: &[u8]) -> Result<()> {
    const END: u8 = 0xd9;
    let mut at = 2;
    while let Some(offset) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff)) {
        at += offset + 1;
        match bytes.get(at) {
            // A stuffed zero, a restart marker, a fill byte, or a marker without a length.
            Some(0x00..=0x01 | 0xd0..=0xd8) => at += 1,
            Some(0xff) => {}
            Some(&END) => return Ok(()),
            Some(_) => match bytes.get(at + 1..at + 3) {
                // After a segment, the scan's data among others, the search for a marker goes on.
                Some(length) => at += 1 + usize::from(u16::from_be_bytes([length[0], length[1]])),
                None => break,
            },
            None => break,
        }
    }
    Err(Error::Image(format!("truncated JPEG: {} bytes, and no end-of-image marker", bytes.len())))
}
