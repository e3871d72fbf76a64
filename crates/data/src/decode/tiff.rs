//! JPEGs within TIFFs, which say their own size: a strip or tile of one may claim any, whatever the TIFF says.

use std::io::Cursor;

use tiff::decoder::{ChunkType, Decoder};
use tiff::tags::Tag;

use super::jpeg;
use crate::{Error, Result};

/// The number of TIFF 6.0's second way to hold JPEGs, which is the one that is decoded.
const JPEG: u16 = 7;

/// No strip or tile of a TIFF is a JPEG of more pixels than the TIFF gives it, up to whole blocks. Passes what is no TIFF, has no JPEGs, or
/// cannot be read, which its decoder tells.
///
/// # Errors
/// [`Error::Image`] with both sizes.
pub fn check_strips(bytes: &[u8]) -> Result<()> {
    if !bytes.starts_with(b"II") && !bytes.starts_with(b"MM") {
        return Ok(());
    }
    let Some(Strips { places, tables, size: (width, height) }) = strips(bytes) else { return Ok(()) };
    for (offset, length) in places {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let to = from.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)).min(bytes.len());
        let strip = &bytes[from..to];
        // As the decoder reads them: the tables without their end, then the strip without its beginning.
        let whole = match (tables.len().checked_sub(2), strip.get(2..)) {
            (Some(end), Some(rest)) => [&tables[..end], rest].concat(),
            _ => strip.to_vec(),
        };
        let Ok(((claimed_width, claimed_height), _)) = jpeg::header(&whole) else { continue };
        // A JPEG is made of blocks of up to 32 pixels.
        let blocks = |side: u32| side.div_ceil(32).saturating_mul(32);
        if claimed_width > blocks(width) || claimed_height > blocks(height) {
            return Err(Error::Image(format!(
                "broken TIFF: a JPEG of {claimed_width}×{claimed_height} pixels in a strip or tile of {width}×{height}"
            )));
        }
    }
    Ok(())
}

struct Strips {
    /// (offset, length) of each strip or tile.
    places: Vec<(u64, u64)>,
    /// What the JPEGs have in common.
    tables: Vec<u8>,
    size: (u32, u32),
}

/// Where a TIFF has JPEGs; `None` where it has none.
fn strips(bytes: &[u8]) -> Option<Strips> {
    let mut tiff = Decoder::new(Cursor::new(bytes)).ok()?;
    if tiff.find_tag_unsigned::<u16>(Tag::Compression).ok()? != Some(JPEG) {
        return None;
    }
    let (offsets, lengths) = match tiff.get_chunk_type() {
        ChunkType::Strip => (Tag::StripOffsets, Tag::StripByteCounts),
        ChunkType::Tile => (Tag::TileOffsets, Tag::TileByteCounts),
    };
    let (offsets, lengths) = (tiff.get_tag_u64_vec(offsets).ok()?, tiff.get_tag_u64_vec(lengths).ok()?);
    let tables = tiff.find_tag(Tag::JPEGTables).ok()?.map(|value| value.into_u8_vec());
    Some(Strips {
        places: offsets.into_iter().zip(lengths).collect(),
        tables: tables.transpose().ok()?.unwrap_or_default(),
        size: tiff.chunk_dimensions(),
    })
}

#[cfg(test)]
mod tests {
    use crate::written::{jpeg, picture};
    use crate::{Encoded, decode};

    /// A TIFF of one strip of 40 × 30 pixels, which is a JPEG.
    fn with(strip: &[u8]) -> Vec<u8> {
        const SHORT: u16 = 3;
        const LONG: u16 = 4;
        let bits_at = 8 + 2 + 9 * 12 + 4;
        let tags: [(u16, u16, u32, u32); 9] = [
            (256, LONG, 1, 40),
            (257, LONG, 1, 30),
            (258, SHORT, 3, bits_at),
            (259, SHORT, 1, 7),
            (262, SHORT, 1, 2),
            (273, LONG, 1, bits_at + 6),
            (277, SHORT, 1, 3),
            (278, LONG, 1, 30),
            (279, LONG, 1, strip.len() as u32),
        ];
        let mut bytes = b"II*\0\x08\0\0\0\x09\0".to_vec();
        for (tag, kind, count, value) in tags {
            bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
            bytes.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
        }
        bytes.extend([0; 4]);
        bytes.extend([8, 0, 8, 0, 8, 0]);
        bytes.extend(strip);
        bytes
    }

    #[test]
    fn a_jpeg_of_another_size_than_its_strip_is_refused_before_it_is_decoded() {
        let decoded = |width: u32, height: u32| {
            decode(&Encoded::Bytes(with(&jpeg(&picture(width, height), None))))
                .map(|image| (image.width, image.height))
                .map_err(|error| error.to_string())
        };
        assert_eq!(decoded(40, 30), Ok((40, 30)));
        assert_eq!(
            decoded(3000, 30),
            Err("broken TIFF: a JPEG of 3000×30 pixels in a strip or tile of 40×30".into())
        );
        assert!(decoded(40, 3000).is_err());
    }
}
