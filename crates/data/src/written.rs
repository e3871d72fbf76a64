//! Files and datasets that the tests make.

use std::fs;
use std::io::Write;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::{ImageEncoder, RgbImage};
use tallow_seed::Seed;

use crate::{Images, Options, Result, Row, Table};

pub fn options(yaml: &str) -> Options {
    Options::new(serde_yaml::from_str(yaml).unwrap(), Seed::new(1))
}

/// A smooth picture: red grows to the right, green downwards.
pub fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x * 255 / width.max(2)) as u8, (y * 255 / height.max(2)) as u8, 128])
    })
}

/// A JPEG of quality 95, with an EXIF orientation (1 to 8) if asked for.
pub fn jpeg(image: &RgbImage, orientation: Option<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
    if let Some(orientation) = orientation {
        // TIFF, little-endian, one entry: tag 0x0112, type SHORT, one value.
        let mut exif = b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
        encoder.set_exif_metadata(exif).unwrap();
    }
    encoder.write_image(image, image.width(), image.height(), image::ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// Compressed as in PNG and elsewhere.
pub fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A chunk of a PNG.
pub fn png_chunk(name: &[u8; 4], bytes: &[u8]) -> Vec<u8> {
    let mut sum = flate2::Crc::new();
    sum.update(name);
    sum.update(bytes);
    [&(bytes.len() as u32).to_be_bytes(), &name[..], bytes, &sum.sum().to_be_bytes()].concat()
}

/// A grey PNG that says this size and holds one black pixel, `more` chunks before it.
pub fn forged_png(width: u32, height: u32, more: &[u8]) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    let chunks = [png_chunk(b"IHDR", &header), more.to_vec(), png_chunk(b"IDAT", &zlib(&[0; 2]))].concat();
    [b"\x89PNG\r\n\x1a\n", &chunks[..], &png_chunk(b"IEND", &[])].concat()
}

/// Writes a file and the folders above it.
pub fn file(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
    let path = path.as_ref();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A FIFO that nobody writes to.
#[cfg(unix)]
pub fn fifo(path: impl AsRef<Path>) {
    let made = std::process::Command::new("mkfifo").arg(path.as_ref()).status();
    assert!(made.unwrap().success(), "mkfifo, which every Unix has");
}

/// A link: `path` leads to `to`.
#[cfg(unix)]
pub fn link(to: impl AsRef<Path>, path: impl AsRef<Path>) {
    std::os::unix::fs::symlink(to, path).unwrap();
}

/// The message of a refusal, ROOT in place of the folder.
pub fn refused<T>(folder: &tempfile::TempDir, result: Result<T>) -> String {
    let error = result.err().expect("refused").to_string();
    error.replace(&folder.path().display().to_string(), "ROOT")
}

/// A small JPEG file.
pub fn jpeg_file(path: impl AsRef<Path>) {
    file(path, jpeg(&picture(16, 12), None));
}

/// A dataset of (label, group; "" for none); ids are `image <index>`, image i is 2×1 pixels of value i.
pub fn table(labels: &[(u32, &str)]) -> Table {
    let most = labels.iter().map(|(label, _)| *label).max().unwrap_or(0);
    let row = |(index, (label, group)): (usize, &(u32, &str))| Row {
        id: format!("image {index}"),
        label: *label,
        group: (!group.is_empty()).then(|| (*group).to_string()),
    };
    let rows: Vec<Row> = labels.iter().enumerate().map(row).collect();
    let classes = (0..=most).map(|label| format!("class {label}")).collect();
    let grouped = rows.iter().any(|row| row.group.is_some()).then(|| "lesion_id".to_string());
    let bytes = (0..rows.len()).flat_map(|index| [index as u8; 6]).collect();
    let images = Images::Pixels { width: 2, height: 1, channels: 3, bytes };
    Table::new("a test", classes, grouped, rows.into(), images).unwrap()
}

/// Real data, where the environment variable `TALLOW_DATA` names a folder that has it; says so otherwise.
pub fn real(name: &str) -> Option<std::path::PathBuf> {
    let folder = std::env::var_os("TALLOW_DATA").unwrap_or_else(|| "data".into());
    let path = Path::new(&folder).join(name);
    if !path.exists() {
        println!("skipped: no data at {}", path.display());
        return None;
    }
    Some(path)
}
