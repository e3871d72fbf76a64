//! 16-bit pictures in 8 bits: which levels become black and white.
//!
//! A picture of 16 bits often holds 12 (0 to 4095): taken as it is, by its upper eight bits, it is nearly black.

use std::io::BufReader;
use std::sync::Arc;

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder};
use serde_yaml::Value;
use tallow_seed::Seed;

use super::limit::{of_headers, opened_within};
use super::{bytes, dynamic, is_jpeg, reader, upright};
use crate::options::shown;
use crate::{Dataset, Encoded, Error, Image, Options, Result, file};

/// What a recipe's `data.window` says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Window {
    /// These levels become 0 and 255, those between in proportion, others the nearer end.
    Levels { min: u16, max: u16 },
    /// Of each picture, the levels that this part (per cent) of its values lies below and above.
    Percentile(f64),
}

/// Pictures whose levels are looked at, of those of 16 bits.
const SAMPLE: usize = 64;

/// Files whose headers are looked at for their depth, all of a part where it has no more: those of names that are no JPEG's.
const HEADERS: usize = 4096;

impl Window {
    /// From a recipe: `{ min: 0, max: 4095 }`, `{ percentile: 0.5 }` or `auto`, which takes the least and greatest level of a
    /// sample of `parts`.
    ///
    /// # Errors
    /// [`Error::Option`] for anything else; for `auto` where there is no picture of 16 bits.
    pub fn parse(value: &Value, parts: &[&dyn Dataset]) -> Result<Window> {
        let expected = || {
            let forms = "`auto`, { min: 0, max: 4095 } or { percentile: 0.5 }";
            Error::option("window", format!("expected {forms}, got {}", shown(value)))
        };
        if value.as_str() == Some("auto") {
            let none = || {
                Error::option(
                    "window",
                    "expected pictures of 16 bits, found none; leave the key out, or write the levels of those that you know of, \
                     { min: 0, max: 4095 }",
                )
            };
            let (min, max) = levels(parts)?.ok_or_else(none)?;
            return Ok(Window::Levels { min, max: max.max(min + 1) });
        }
        let map = value.as_mapping().ok_or_else(expected)?;
        let options = Options::new(map.clone(), Seed::new(0));
        let keys: Vec<String> = options.keys().collect();
        match keys.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["percentile"] => {
                let part = options.number("percentile")?.filter(|part| (0.0..50.0).contains(part));
                part.map(Window::Percentile).ok_or_else(expected)
            }
            ["min", "max"] | ["max", "min"] => {
                let level = |key| Ok(options.integer(key)?.and_then(|level| u16::try_from(level).ok()));
                match (level("min")?, level("max")?) {
                    (Some(min), Some(max)) if min < max => Ok(Window::Levels { min, max }),
                    _ => Err(expected()),
                }
            }
            _ => Err(expected()),
        }
    }

    /// The two levels of a picture.
    fn ends(self, levels: &[u16]) -> (u16, u16) {
        match self {
            Window::Levels { min, max } => (min, max),
            Window::Percentile(part) => {
                let mut sorted = levels.to_vec();
                sorted.sort_unstable();
                let last = sorted.len().saturating_sub(1) as f64;
                let at = |share: f64| sorted.get((share * last).round() as usize).copied().unwrap_or(0);
                (at(part / 100.0), at(1.0 - part / 100.0))
            }
        }
    }
}

/// Refuses pictures of 16 bits that use less than half of their range, of which nobody has said what is black and white.
///
/// # Errors
/// [`Error::Option`] with the levels that were found; a file that cannot be read.
pub fn check_depth(parts: &[&dyn Dataset]) -> Result<()> {
    match levels(parts)? {
        Some((min, max)) if max < 1 << 15 => {
            let bits = (u32::from(max) + 1).next_power_of_two().trailing_zeros();
            let problem = format!(
                "these pictures have 16 bits and levels from {min} to {max} ({bits} bits) in a sample, and would be nearly black: say \
                 what is black and white, `window: auto` for those two levels, {{ min: 0, max: {} }}, or {{ percentile: 0.5 }}",
                (1u32 << bits) - 1
            );
            Err(Error::option("window", problem))
        }
        _ => Ok(()),
    }
}

/// The least and greatest level of a sample of the 16-bit pictures; none where there are none.
fn levels(parts: &[&dyn Dataset]) -> Result<Option<(u16, u16)>> {
    let mut found: Option<(u16, u16)> = None;
    for part in parts {
        let mut of_16_bits = Vec::new();
        for index in spread(part.len()) {
            if is_deep(&part.image(index)?) {
                of_16_bits.push(index);
            }
        }
        for &index in of_16_bits.iter().step_by(of_16_bits.len().div_ceil(SAMPLE).max(1)) {
            // What cannot be read is told by those who read all.
            let image = part.image(index)?;
            let Ok(Some(Deep { levels, .. })) =
                bytes(&image).and_then(|bytes| deep(&bytes, part.max_pixels()))
            else {
                continue;
            };
            let (least, most) = (levels.iter().min(), levels.iter().max());
            if let (Some(&least), Some(&most)) = (least, most) {
                let (low, high) = found.unwrap_or((least, most));
                found = Some((low.min(least), high.max(most)));
            }
        }
    }
    Ok(found)
}

/// At most [`HEADERS`] of so many, in no step that a naming scheme could share: formats that take turns are all met.
fn spread(count: usize) -> Vec<usize> {
    if count <= HEADERS {
        return (0..count).collect();
    }
    // Multiples of the golden ratio, modulo 1.
    let at = |k: usize| ((k as f64 * 0.618_033_988_749_894_8).fract() * count as f64) as usize;
    let mut indices: Vec<usize> = (0..HEADERS).map(at).collect();
    indices.sort_unstable();
    indices.dedup();
    indices
}

/// Whether the header says 16 bits. A file that is called a JPEG is not opened.
fn is_deep(encoded: &Encoded) -> bool {
    let color = match encoded {
        Encoded::Pixels(_) => None,
        Encoded::Bytes(bytes) | Encoded::Deep { bytes, .. } if is_jpeg(bytes) => None,
        Encoded::Bytes(bytes) | Encoded::Deep { bytes, .. } => {
            reader(bytes).ok().and_then(|reader| color_type(reader).ok())
        }
        Encoded::File(path) => {
            let end = path.extension().map(|end| end.to_ascii_lowercase());
            if end.is_some_and(|end| end == "jpg" || end == "jpeg") {
                return false;
            }
            let opened = file::open(path).ok().map(|file| image::ImageReader::new(BufReader::new(file)));
            let guessed = opened.and_then(|reader| reader.with_guessed_format().ok());
            guessed.and_then(|reader| color_type(reader).ok())
        }
    };
    color.is_some_and(has_16_bits)
}

fn color_type<R: std::io::BufRead + std::io::Seek>(
    mut reader: image::ImageReader<R>,
) -> image::ImageResult<ColorType> {
    reader.limits(of_headers());
    Ok(reader.into_decoder()?.color_type())
}

fn has_16_bits(color: ColorType) -> bool {
    matches!(color, ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16)
}

/// A picture of 16 bits as stored: levels of one channel or three, alpha dropped, and the turn that makes it upright.
pub struct Deep {
    width: u32,
    height: u32,
    levels: Vec<u16>,
    turn: Orientation,
}

/// None for every other image; decoded only where the header says 16 bits.
pub fn deep(bytes: &[u8], most: u64) -> Result<Option<Deep>> {
    if is_jpeg(bytes) {
        return Ok(None);
    }
    let decoder = opened_within(bytes, most)?;
    if !has_16_bits(decoder.color_type()) {
        return Ok(None);
    }
    let (image, turn) = dynamic(decoder)?;
    let (width, height) = (image.width(), image.height());
    let levels = match image {
        DynamicImage::ImageLuma16(pixels) => pixels.into_raw(),
        DynamicImage::ImageLumaA16(pixels) => pixels.pixels().map(|pixel| pixel[0]).collect(),
        other => other.into_rgb16().into_raw(),
    };
    Ok(Some(Deep { width, height, levels, turn }))
}

impl Deep {
    pub fn image(self, window: Window) -> Image {
        let (min, max) = window.ends(&self.levels);
        let range = f64::from(max.saturating_sub(min).max(1));
        let byte = |level: u16| (f64::from(level.clamp(min, max) - min) / range * 255.0).round() as u8;
        let is_grey = self.levels.len() == self.width as usize * self.height as usize;
        let pixels = match is_grey {
            true => self.levels.iter().flat_map(|&level| [byte(level); 3]).collect(),
            false => self.levels.iter().map(|&level| byte(level)).collect(),
        };
        upright(Image { width: self.width, height: self.height, pixels }, self.turn)
    }
}

/// A dataset whose 16-bit pictures become 8-bit ones by a window; others stay.
pub struct Windowed {
    pub dataset: Arc<dyn Dataset>,
    pub window: Window,
}

impl Dataset for Windowed {
    fn classes(&self) -> &[String] {
        self.dataset.classes()
    }

    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn label(&self, index: usize) -> u32 {
        self.dataset.label(index)
    }

    fn group(&self, index: usize) -> Option<&str> {
        self.dataset.group(index)
    }

    fn group_name(&self) -> Option<&str> {
        self.dataset.group_name()
    }

    fn place(&self) -> Option<&str> {
        self.dataset.place()
    }

    fn group_place(&self) -> Option<&str> {
        self.dataset.group_place()
    }

    fn id(&self, index: usize) -> &str {
        self.dataset.id(index)
    }

    fn length(&self, index: usize) -> Result<Option<u64>> {
        self.dataset.length(index)
    }

    fn image(&self, index: usize) -> Result<Encoded> {
        let encoded = self.dataset.image(index)?.load()?;
        let is_deep = is_deep(&encoded);
        Ok(match encoded {
            Encoded::Bytes(bytes) if is_deep => Encoded::Deep { bytes, window: self.window },
            other => other,
        })
    }

    fn max_pixels(&self) -> u64 {
        self.dataset.max_pixels()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::file;
    use crate::{Images, Row, Table};

    #[test]
    fn a_broken_picture_is_left_to_those_who_decode() {
        let (folder, pictures) = pictures(&[&[0, 1]]);
        std::fs::write(folder.path().join("0.png"), "").unwrap();
        let windowed = Windowed { dataset: pictures, window: Window::Levels { min: 0, max: 9 } };
        assert_eq!(crate::broken(&windowed, 1, &|_| ()).len(), 1);
        assert!(windowed.image(0).is_ok());
    }

    /// One 16-bit grey PNG for each list of levels, a row of pixels.
    fn pictures(levels: &[&[u16]]) -> (tempfile::TempDir, Arc<dyn Dataset>) {
        let folder = tempfile::tempdir().unwrap();
        let mut paths = Vec::new();
        for (index, levels) in levels.iter().enumerate() {
            let path = folder.path().join(format!("{index}.png"));
            let buffer =
                image::ImageBuffer::<image::Luma<u16>, _>::from_raw(levels.len() as u32, 1, levels.to_vec());
            buffer.unwrap().save(&path).unwrap();
            paths.push(path);
        }
        let rows =
            (0..levels.len()).map(|index| Row { id: index.to_string(), label: 0, group: None }).collect();
        let table = Table::new("a test", vec!["a".into()], None, rows, Images::Files(paths.into())).unwrap();
        (folder, Arc::new(table))
    }

    #[test]
    fn pictures_of_16_bits_are_met_wherever_they_stand() {
        // Every second file, so that steps of two would miss them.
        let folder = tempfile::tempdir().unwrap();
        let mut paths = Vec::new();
        for index in 0..2 * SAMPLE + 2 {
            let path = folder.path().join(format!("{index}.png"));
            if index % 2 == 1 {
                image::ImageBuffer::<image::Luma<u16>, _>::from_raw(2, 1, vec![3, 4095])
                    .unwrap()
                    .save(&path)
                    .unwrap();
            } else {
                image::GrayImage::new(2, 1).save(&path).unwrap();
            }
            paths.push(path);
        }
        let rows =
            (0..paths.len()).map(|index| Row { id: index.to_string(), label: 0, group: None }).collect();
        let table = Table::new("a test", vec!["a".into()], None, rows, Images::Files(paths.into())).unwrap();
        assert_eq!(levels(&[&table]).unwrap(), Some((3, 4095)));
        assert!(check_depth(&[&table]).is_err());
        let many = spread(100_000);
        assert!(many.len() > HEADERS * 9 / 10 && many.len() <= HEADERS && *many.last().unwrap() < 100_000);
        for step in [2, 3, 4, 5, 7, 24] {
            let met: std::collections::BTreeSet<usize> = many.iter().map(|index| index % step).collect();
            assert_eq!(met.len(), step);
        }
        assert_eq!(spread(3), [0, 1, 2]);
    }

    fn parsed(yaml: &str, dataset: &dyn Dataset) -> Result<Window> {
        Window::parse(&serde_yaml::from_str(yaml).unwrap(), &[dataset])
    }

    fn reds(dataset: &Arc<dyn Dataset>, yaml: &str, index: usize) -> Vec<u8> {
        let window = parsed(yaml, &**dataset).unwrap();
        let windowed = Windowed { dataset: dataset.clone(), window };
        let image = crate::decode(&windowed.image(index).unwrap()).unwrap();
        image.pixels.iter().step_by(3).copied().collect()
    }

    #[test]
    fn twelve_bits_are_refused_without_a_window_and_mapped_with_one() {
        let (_folder, dark) = pictures(&[&[0, 1000, 4095], &[100, 200, 300]]);
        let said = check_depth(&[&*dark]).unwrap_err().to_string();
        assert!(
            said.starts_with("data.window: these pictures have 16 bits and levels from 0 to 4095 (12 bits)"),
            "{said}"
        );
        assert_eq!(reds(&dark, "{ min: 0, max: 4095 }", 0), [0, 62, 255]); // 1000 / 4095 · 255 = 62.3
        assert_eq!(reds(&dark, "auto", 0), [0, 62, 255]);
        assert_eq!(reds(&dark, "{ percentile: 0 }", 1), [0, 128, 255]); // its own ends
        assert_eq!(reds(&dark, "{ min: 200, max: 1000 }", 0), [0, 255, 255]);
        let (_folder, full) = pictures(&[&[0, 65535]]);
        assert!(check_depth(&[&*full]).is_ok());
    }

    #[test]
    fn other_images_stay_and_wrong_windows_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpg");
        file(&path, crate::written::jpeg(&crate::written::picture(8, 8), None));
        let rows = vec![Row { id: "a".into(), label: 0, group: None }];
        let table =
            Table::new("a test", vec!["a".into()], None, rows.into(), Images::Files(vec![path].into()))
                .unwrap();
        let dataset: Arc<dyn Dataset> = Arc::new(table);
        assert!(check_depth(&[&*dataset]).is_ok());
        let window = Window::Levels { min: 0, max: 1 };
        let windowed = Windowed { dataset: dataset.clone(), window };
        assert_eq!(
            crate::decode(&windowed.image(0).unwrap()).unwrap(),
            crate::decode(&dataset.image(0).unwrap()).unwrap()
        );
        for (yaml, said) in [
            ("auto", "expected pictures of 16 bits, found none"),
            ("{ min: 3, max: 2 }", "expected `auto`, { min: 0, max: 4095 } or { percentile: 0.5 }"),
            ("{ percentile: 60 }", "expected `auto`"),
            ("wide", "got `wide`"),
        ] {
            let error = parsed(yaml, &*dataset).err().unwrap().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
