//! Draws the synthetic dataset: a contact sheet (a row per class) or, for other frameworks, an archive of arrays.
//!
//!   cargo run -p tallow-data --example draw -- sheet.png [images=…] [size=…] [seed=…] [part=train|validation|test]
//!   cargo run -p tallow-data --example draw -- data.npz  …   images (N, size, size, 3) uint8, labels (N,) int32

use std::io::Write;

use tallow_data::synthetic::{Part, Synthetic};
use tallow_data::{Dataset, Encoded, Image};
use tallow_seed::Seed;

/// Pictures in a row of the sheet, and the least width of each on it.
const COLUMNS: usize = 10;
const WIDTH: u32 = 96;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("expected the name of a .png or .npz file to write")?;
    let (mut images, mut size, mut seed, mut part) = (1000, 128, 1, Part::Train);
    for argument in arguments {
        match argument.split_once('=') {
            Some(("images", value)) => images = value.parse()?,
            Some(("size", value)) => size = value.parse()?,
            Some(("seed", value)) => seed = value.parse()?,
            Some(("part", value)) => {
                part = [Part::Train, Part::Validation, Part::Test]
                    .into_iter()
                    .find(|part| part.name() == value)
                    .ok_or("part: expected train, validation or test")?;
            }
            _ => return Err(format!("{argument}: expected images, size, seed or part = value").into()),
        }
    }
    let data = Synthetic::part(part, images, size, Seed::new(seed));
    if path.ends_with(".npz") { write_npz(&path, &data, size) } else { write_sheet(&path, &data, size) }
}

fn pixels(data: &Synthetic, index: usize) -> Image {
    match data.image(index) {
        Ok(Encoded::Pixels(image)) => image,
        other => unreachable!("drawn images are pixels, not {other:?}"),
    }
}

fn write_sheet(path: &str, data: &Synthetic, size: u32) -> Result<(), Box<dyn std::error::Error>> {
    let zoom = WIDTH.div_ceil(size);
    let tile = size * zoom + 4;
    let mut sheet = image::RgbImage::new(tile * COLUMNS as u32, tile * data.classes().len() as u32);
    for class in 0..data.classes().len() as u32 {
        let members = (0..data.len()).filter(|&i| data.label(i) == class).take(COLUMNS);
        for (column, index) in members.enumerate() {
            let image = pixels(data, index);
            let (left, top) = (column as u32 * tile, class * tile);
            for y in 0..size * zoom {
                for x in 0..size * zoom {
                    let at = ((y / zoom * size + x / zoom) * 3) as usize;
                    let pixel = [image.pixels[at], image.pixels[at + 1], image.pixels[at + 2]];
                    sheet.put_pixel(left + x, top + y, image::Rgb(pixel));
                }
            }
        }
    }
    Ok(sheet.save(path)?)
}

fn write_npz(path: &str, data: &Synthetic, size: u32) -> Result<(), Box<dyn std::error::Error>> {
    let n = data.len();
    let images = (0..n).flat_map(|i| pixels(data, i).pixels).collect();
    let labels = (0..n).flat_map(|i| (data.label(i) as i32).to_le_bytes()).collect();
    let mut archive = zip::ZipWriter::new(std::fs::File::create(path)?);
    let arrays: [(&str, String, Vec<u8>); 2] = [
        (
            "images.npy",
            format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({n}, {size}, {size}, 3), }}"),
            images,
        ),
        ("labels.npy", format!("{{'descr': '<i4', 'fortran_order': False, 'shape': ({n},), }}"), labels),
    ];
    for (name, header, bytes) in arrays {
        let options =
            zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        archive.start_file(name, options)?;
        // magic, version 1.0, length of the header; the data begin at a multiple of 64 bytes
        let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
        archive.write_all(b"\x93NUMPY\x01\x00")?;
        archive.write_all(&(padded as u16).to_le_bytes())?;
        archive.write_all(format!("{header:<width$}\n", width = padded - 1).as_bytes())?;
        archive.write_all(&bytes)?;
    }
    archive.finish()?;
    Ok(())
}
