//! NumPy arrays out of an npz archive.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use super::expansion::Expansion;
use crate::{Error, Result, file};

/// An npz file, read array by array.
pub struct Npz {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
    /// Of all arrays together.
    expansion: Expansion,
}

/// An array in C order, as stored.
#[derive(Debug)]
pub struct Array {
    pub shape: Vec<usize>,
    kind: u8,
    /// Bytes of a value.
    width: usize,
    bytes: Vec<u8>,
}

impl Npz {
    /// Arrays that together are more than so many times the file's size are refused while they unpack.
    pub fn open(path: &Path, max_expansion: u64) -> Result<Npz> {
        let expansion = Expansion::of(path, max_expansion)?;
        let file = file::open(path)?;
        let archive = ZipArchive::new(BufReader::new(file))
            .map_err(|error| Error::invalid(path.display(), format!("expected an npz archive: {error}")))?;
        Ok(Npz { path: path.to_path_buf(), archive, expansion })
    }

    /// Names of the arrays.
    pub fn names(&self) -> Vec<String> {
        self.archive.file_names().flatten().map(|name| name.trim_end_matches(".npy").to_string()).collect()
    }

    /// The array called `name`; `None` if there is none.
    pub fn array(&mut self, name: &str) -> Result<Option<Array>> {
        let file = format!("{name}.npy");
        if !self.archive.file_names().flatten().any(|known| known == file) {
            return Ok(None);
        }
        let place = format!("{}: {name}", self.path.display());
        let invalid = |error: String| Error::invalid(&place, error);
        let entry = self.archive.by_name(&file).map_err(|error| invalid(error.to_string()))?;
        let bytes = self.expansion.read(entry, &place)?;
        parse(bytes).map(Some).map_err(invalid)
    }
}

impl Array {
    /// Unsigned bytes; `None` if it holds anything else.
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        (self.kind == b'u' && self.width == 1).then_some(self.bytes)
    }

    /// Whole numbers of any width, little-endian.
    pub fn integers(&self) -> Option<Vec<i64>> {
        let signed = self.kind == b'i';
        let width = self.width;
        let read = |bytes: &[u8]| {
            let mut full = if signed && bytes[width - 1] >= 0x80 { [0xff; 8] } else { [0; 8] };
            full[..width].copy_from_slice(bytes);
            i64::from_le_bytes(full)
        };
        (signed || self.kind == b'u').then(|| self.bytes.chunks_exact(width).map(read).collect())
    }
}

fn parse(mut file: Vec<u8>) -> std::result::Result<Array, String> {
    let short = || "expected an npy header, got the end of the file".to_string();
    if !file.starts_with(b"\x93NUMPY") {
        return Err("expected an npy array".into());
    }
    // Version 1: two bytes of length; later ones: four.
    let (start, length) = match file.get(6).ok_or_else(short)? {
        1 => (
            10,
            u64::from(u16::from_le_bytes([*file.get(8).ok_or_else(short)?, *file.get(9).ok_or_else(short)?])),
        ),
        _ => {
            let length: [u8; 4] = file.get(8..12).ok_or_else(short)?.try_into().expect("four bytes");
            (12, u64::from(u32::from_le_bytes(length)))
        }
    };
    let end = start + length as usize;
    let header = String::from_utf8_lossy(file.get(start..end).ok_or_else(short)?).into_owned();
    let field = |name: &str| {
        let after = header.split_once(&format!("'{name}':")).map(|(_, after)| after.trim_start());
        after.ok_or_else(|| format!("expected `{name}` in the npy header, got {header}"))
    };
    let descr = field("descr")?.trim_start_matches('\'').split('\'').next().unwrap_or_default().to_string();
    if field("fortran_order")?.starts_with("True") {
        return Err(
            "expected an array in C order, got Fortran's – save it with numpy.ascontiguousarray".into()
        );
    }
    let inside = field("shape")?.trim_start_matches('(').split(')').next().unwrap_or_default();
    let shape: Vec<usize> = inside
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(|text| text.parse().map_err(|_| format!("expected a shape, got ({inside})")))
        .collect::<std::result::Result<_, String>>()?;
    let (kind, width) = match descr.as_bytes() {
        [b'|' | b'<', kind @ (b'u' | b'i'), width @ (b'1' | b'2' | b'4' | b'8')] => {
            (*kind, usize::from(width - b'0'))
        }
        _ => return Err(format!("expected whole numbers, little-endian, got `{descr}`")),
    };
    file.drain(..end);
    let expected = shape.iter().try_fold(width, |bytes, &side| bytes.checked_mul(side));
    if expected != Some(file.len()) {
        let expected = expected.map_or("more".to_owned(), |bytes| bytes.to_string());
        return Err(format!("expected {expected} bytes for the shape ({inside}), got {}", file.len()));
    }
    Ok(Array { shape, kind, width, bytes: file })
}
