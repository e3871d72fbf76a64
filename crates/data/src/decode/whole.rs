//! Whether a file ends before its image does, by its first and last bytes: for all files of a large set, where decoding takes minutes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use super::{bytes, decode, is_jpeg, is_webp, jpeg, reader, webp_is_whole};
use crate::{Encoded, Error, Result, file};

/// As many of the first bytes as tell the format, and of the last ones as hold its end.
const LOOKED_AT: u64 = 64;

pub(super) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// The last chunk of a PNG: its length, its name, its checksum.
const PNG_END: &[u8] = b"\0\0\0\0IEND\xaeB`\x82";

/// The file is not empty, is of a format that [`decode`] reads, and reaches the end that JPEG, PNG and WebP mark. Only files that do not
/// end with that mark are read whole. An image that passes may be broken all the same: nothing between is looked at.
///
/// # Errors
/// [`Error::Io`]; [`Error::Image`], without the image's name.
pub fn check_whole(encoded: &Encoded) -> Result<()> {
    let Some(Ends { start, end, length }) = Ends::of(encoded)? else { return Ok(()) };
    if is_jpeg(&start) {
        // Some cameras fill the file up with zeros.
        let last = end.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
        return if end[..last].ends_with(&[0xff, 0xd9]) { Ok(()) } else { jpeg::check_end(&bytes(encoded)?) };
    }
    if start.starts_with(PNG) {
        if end.ends_with(PNG_END) || decode(encoded).is_ok() {
            return Ok(());
        }
        return Err(Error::Image(format!("truncated PNG: {length} bytes, and no end chunk (IEND)")));
    }
    if is_webp(&start) {
        return webp_is_whole(&start, length);
    }
    reader(&start).map(|_| ())
}

/// First and last bytes of a file, and its length.
pub(crate) struct Ends {
    pub start: Vec<u8>,
    pub end: Vec<u8>,
    pub length: u64,
}

impl Ends {
    /// Of what is stored; `None` for pixels.
    pub fn of(encoded: &Encoded) -> Result<Option<Ends>> {
        Ok(match encoded {
            Encoded::Pixels(_) => None,
            Encoded::Bytes(bytes) | Encoded::Deep { bytes, .. } => {
                let few = bytes.len().min(LOOKED_AT as usize);
                let (start, end) = (bytes[..few].to_vec(), bytes[bytes.len() - few..].to_vec());
                Some(Ends { start, end, length: bytes.len() as u64 })
            }
            Encoded::File(path) => Some(Ends::of_file(file::open(path)?).map_err(Error::io(path))?),
        })
    }

    fn of_file(mut file: File) -> std::io::Result<Ends> {
        let length = file.metadata()?.len();
        let mut read = |from: u64| {
            let mut found = Vec::with_capacity(LOOKED_AT as usize);
            file.seek(SeekFrom::Start(from))?;
            file.by_ref().take(LOOKED_AT).read_to_end(&mut found)?;
            Ok::<_, std::io::Error>(found)
        };
        Ok(Ends { start: read(0)?, end: read(length.saturating_sub(LOOKED_AT))?, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::{file, jpeg, picture};

    fn encoded_as(format: image::ImageFormat) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture(40, 30).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// The reason for which bytes are refused, in memory and as a file alike.
    fn reason(bytes: &[u8]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        file(&path, bytes);
        let said = |encoded: Encoded| check_whole(&encoded).err().map(|error| error.to_string());
        let of_file = said(Encoded::File(path));
        assert_eq!(said(Encoded::Bytes(bytes.to_vec())), of_file);
        of_file
    }

    #[test]
    fn whole_files_pass_also_with_something_behind_their_end() {
        use image::ImageFormat::{Bmp, Png, Tiff, WebP};
        for format in [Bmp, Png, Tiff, WebP] {
            assert_eq!(reason(&encoded_as(format)), None, "{format:?}");
        }
        for whole in [jpeg(&picture(40, 30), None), encoded_as(Png)] {
            for behind in [&[0; 200][..], b"appended", &[]] {
                assert_eq!(reason(&[&whole[..], behind].concat()), None);
            }
        }
    }

    #[test]
    fn what_ends_early_or_is_no_image_is_told() {
        let said = |bytes: &[u8]| reason(bytes).expect("refused");
        for cut in [1, 40, 200] {
            let whole = jpeg(&picture(40, 30), None);
            let text = said(&whole[..whole.len() - cut]);
            assert!(
                text.starts_with("truncated JPEG: ") && text.contains("no end-of-image marker"),
                "{text}"
            );
            let whole = encoded_as(image::ImageFormat::WebP);
            assert!(said(&whole[..whole.len() - cut.min(20)]).starts_with("truncated WebP: "));
        }
        let whole = encoded_as(image::ImageFormat::Png);
        assert!(said(&whole[..whole.len() - 40]).starts_with("truncated PNG: "));
        assert_eq!(said(b""), "expected an image, got an empty file");
        assert!(said(b"<html>not found</html>").starts_with("expected a JPEG, PNG, BMP"));
        assert!(check_whole(&Encoded::File("nowhere.jpg".into())).is_err());
    }
}
