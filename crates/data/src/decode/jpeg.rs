//! JPEG, strictly: a picture that libjpeg (Pillow, torchvision) would fill up is an error here.

use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::limit::check_pixels;
use crate::{Error, Image, Result};

/// The pixels as stored and the turn that makes them upright; of no more than `most` pixels.
///
/// Errs where the file ends before its end-of-image marker, and where that marker comes before the picture is complete. The
/// latter cannot be told of the last scan of a progressive JPEG, which refines what is there, nor of the last few blocks.
pub fn decode(bytes: &[u8], most: u64) -> Result<(Image, Orientation)> {
    let Layout { end, progressive } = layout(bytes)?;
    // At an end-of-image marker the decoder goes on with zeros, however many it needs; at the end of the file it errs. It reads
    // up to 8 bytes ahead.
    let open = (!progressive).then(|| [&bytes[..end], &[0; 16]].concat());
    match attempt(open.as_deref().unwrap_or(bytes), true, most) {
        // Bytes between two headers harm nothing; libjpeg skips them too.
        Err(Failure::Data(problem)) if problem.contains("Extra bytes between headers") => {
            attempt(bytes, false, most)
        }
        other => other,
    }
    .map_err(|failure| {
        let problem = match failure {
            Failure::Data(problem) => problem,
            Failure::Size(error) => return error,
        };
        let ran_out =
            ["Premature end of buffer", "Exhausted data"].iter().any(|words| problem.contains(words));
        if ran_out && open.is_some() {
            return Error::Image("truncated JPEG: its data end before the picture is complete".into());
        }
        Error::Image(format!("broken JPEG: {problem}"))
    })
}

/// (width, height) as stored and the turn that makes the image upright. Reads the headers only.
pub fn header(bytes: &[u8]) -> Result<((u32, u32), Orientation)> {
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options(false));
    decoder.decode_headers().map_err(|error| Error::Image(format!("broken JPEG: {error}")))?;
    let (width, height) = decoder.dimensions().ok_or_else(|| Error::Image("broken JPEG: no size".into()))?;
    Ok(((width as u32, height as u32), orientation(&decoder)))
}

/// (width, height) as stored, as the first frame header says: without the tables that a decoder makes of the other headers.
pub fn claimed(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        let &[0xff, marker, ref rest @ ..] = bytes.get(at..)? else { return None };
        match (marker, rest) {
            // Fill bytes, and markers without a length.
            (0xff, _) => at += 1,
            (0x01 | 0xd0..=0xd8, _) => at += 2,
            // Frame headers: length, precision, height, width. Between them stand the marks of tables.
            (0xc0..=0xcf, [_, _, _, a, b, c, d, ..]) if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                let side = |high: u8, low: u8| u32::from(u16::from_be_bytes([high, low]));
                return Some((side(*c, *d), side(*a, *b)));
            }
            (_, [high, low, ..]) => at += 2 + usize::from(u16::from_be_bytes([*high, *low])),
            _ => return None,
        }
    }
}

/// The file reaches its end-of-image marker.
pub fn check_end(bytes: &[u8]) -> Result<()> {
    layout(bytes).map(|_| ())
}

/// Why a picture was not decoded.
enum Failure {
    /// In the decoder's words.
    Data(String),
    Size(Error),
}

impl From<&str> for Failure {
    fn from(problem: &str) -> Failure {
        Failure::Data(problem.to_owned())
    }
}

fn attempt(bytes: &[u8], strict: bool, most: u64) -> std::result::Result<(Image, Orientation), Failure> {
    let failed = |error: zune_jpeg::errors::DecodeErrors| Failure::Data(error.to_string());
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options(strict));
    decoder.decode_headers().map_err(failed)?;
    let (width, height) = decoder.dimensions().ok_or("no size")?;
    check_pixels(width as u32, height as u32, most).map_err(Failure::Size)?;
    // As the headers say, like the size: between the scans of a progressive picture there may be another.
    let turn = orientation(&decoder);
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let color = if grey { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options(strict).jpeg_set_out_colorspace(color));
    let stored = decoder.decode().map_err(failed)?;
    let pixels = if grey { stored.iter().flat_map(|&grey| [grey; 3]).collect() } else { stored };
    if pixels.len() != width * height * 3 {
        let problem = format!("expected {} bytes of pixels, got {}", width * height * 3, pixels.len());
        return Err(Failure::Data(problem));
    }
    Ok((Image { width: width as u32, height: height as u32, pixels }, turn))
}

fn options(strict: bool) -> DecoderOptions {
    DecoderOptions::default().set_strict_mode(strict).set_max_width(65_535).set_max_height(65_535)
}

fn orientation(decoder: &JpegDecoder<ZCursor<&[u8]>>) -> Orientation {
    let exif = decoder.exif();
    exif.and_then(|exif| Orientation::from_exif_chunk(exif)).unwrap_or(Orientation::NoTransforms)
}

struct Layout {
    /// Where the end-of-image marker is.
    end: usize,
    progressive: bool,
}

/// Walks from marker to marker (ITU T.81, B.1.1) until the end of the image. A truncated file ends before it; an embedded
/// thumbnail, which has an end of its own, is inside a segment and skipped with it.
fn layout(bytes: &[u8]) -> Result<Layout> {
    const PROGRESSIVE: u8 = 0xc2;
    const END: u8 = 0xd9;
    let mut progressive = false;
    let mut at = 2;
    while let Some(offset) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff)) {
        at += offset + 1;
        match bytes.get(at) {
            // A stuffed zero, a restart marker, a fill byte, or a marker without a length.
            Some(0x00..=0x01 | 0xd0..=0xd8) => at += 1,
            Some(0xff) => {}
            Some(&END) => return Ok(Layout { end: at - 1, progressive }),
            Some(marker) => match bytes.get(at + 1..at + 3) {
                // After a segment, the scan's data among others, the search for a marker goes on.
                Some(length) => {
                    progressive |= *marker == PROGRESSIVE;
                    at += 1 + usize::from(u16::from_be_bytes([length[0], length[1]]));
                }
                None => break,
            },
            None => break,
        }
    }
    Err(Error::Image(format!("truncated JPEG: {} bytes, and no end-of-image marker", bytes.len())))
}
