//! What was seen of images, kept between checks in the user's cache folder: an image is decoded once.
//!
//! Three files for each place that images are read from, never among the images: `<place>.looks`, all that is kept of each image,
//! `<place>.pairs`, which images were compared and what was found, and `<place>.whole`, which images were decoded.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::look::{Look, Measures, SIDE};
use crate::hash::hash;
use crate::{About, Dataset, Encoded, Error, Result};

/// Of another version, or of other numbers kept, nothing is read.
const LOOKS: &[u8; 16] = b"tallow looks 1\r\n";
const PAIRS: &[u8; 16] = b"tallow pairs 1\r\n";
const WHOLE: &[u8; 16] = b"tallow whole 1\r\n";

/// Bytes before the small picture of a record, and of all of it: three hashes, the size and four measures.
const SMALL: usize = 3 * 16 + 6 * 4;
const RECORD: usize = SMALL + SIDE * SIDE;

/// Where checks keep what they saw; without a folder nothing is kept.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    folder: Option<PathBuf>,
}

/// Looks by the key of an image ([`key`]).
pub type Looks = HashMap<u128, Arc<Look>>;

/// What was found in images that were compared with each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compared {
    /// Hashes of the stored bytes and of the pixels, by key.
    pub images: HashMap<u128, [u128; 2]>,
    /// Near pictures.
    pub pairs: Vec<Alike>,
}

/// Two pictures by the hashes of their pixels, the correlation of their details, and the probability that they are one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alike {
    pub pictures: [u128; 2],
    pub correlation: f32,
    pub probability: f32,
}

impl Cache {
    /// Keeps nothing.
    pub const NONE: Cache = Cache { folder: None };

    pub fn new(folder: impl Into<PathBuf>) -> Cache {
        Cache { folder: Some(folder.into()) }
    }

    /// `$TALLOW_CACHE`, else `tallow` in the user's cache folder: `$XDG_CACHE_HOME`, `~/.cache`, `%LOCALAPPDATA%`.
    pub fn of_user() -> Cache {
        let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let user = folder("XDG_CACHE_HOME")
            .or_else(|| folder("HOME").map(|home| home.join(".cache")))
            .or_else(|| folder("LOCALAPPDATA"));
        Cache { folder: folder("TALLOW_CACHE").or_else(|| user.map(|user| user.join("tallow"))) }
    }

    /// The folder, where there is one.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    fn file(&self, place: u128, kind: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{place:032x}.{kind}")))
    }

    /// All looks of a place; none where the file is not there, damaged, or of another version.
    pub fn looks(&self, place: u128) -> Looks {
        let bytes = self.file(place, "looks").and_then(|file| fs::read(file).ok()).unwrap_or_default();
        let records = records::<RECORD>(&bytes, LOOKS);
        records.map(|record| (number(record, 0), Arc::new(look(record)))).collect()
    }

    /// # Errors
    /// [`Error::Io`].
    pub fn keep_looks(&self, place: u128, looks: &Looks) -> Result<()> {
        self.write(place, "looks", LOOKS, looks.iter().map(|(key, look)| record(*key, look)))
    }

    /// What was compared at a place.
    pub fn compared(&self, place: u128) -> Option<Compared> {
        let bytes = fs::read(self.file(place, "pairs")?).ok()?;
        let mut found = Compared::default();
        for record in records::<49>(&bytes, PAIRS) {
            let [first, second, third] = [0, 16, 32].map(|at| number(record, at));
            match record[48] {
                0 => _ = found.images.insert(first, [second, third]),
                _ => found.pairs.push(Alike {
                    pictures: [first, second],
                    correlation: f32::from_bits(third as u32),
                    probability: f32::from_bits((third >> 32) as u32),
                }),
            }
        }
        (!found.images.is_empty()).then_some(found)
    }

    /// # Errors
    /// [`Error::Io`].
    pub fn keep_compared(&self, place: u128, found: &Compared) -> Result<()> {
        let row = |numbers: [u128; 3], kind: u8| row::<49>(&numbers, kind);
        let images = found.images.iter().map(|(key, [content, pixels])| row([*key, *content, *pixels], 0));
        let pairs =
            found.pairs.iter().map(|Alike { pictures: [first, second], correlation, probability }| {
                let values = u128::from(correlation.to_bits()) | u128::from(probability.to_bits()) << 32;
                row([*first, *second, values], 1)
            });
        self.write(place, "pairs", PAIRS, images.chain(pairs))
    }

    /// What the images of a place are made of that were decoded, by key.
    pub fn whole(&self, place: u128) -> HashMap<u128, u128> {
        let bytes = self.file(place, "whole").and_then(|file| fs::read(file).ok()).unwrap_or_default();
        records::<32>(&bytes, WHOLE).map(|record| (number(record, 0), number(record, 16))).collect()
    }

    /// # Errors
    /// [`Error::Io`].
    pub fn keep_whole<'a>(
        &self,
        place: u128,
        found: impl Iterator<Item = (&'a u128, &'a u128)>,
    ) -> Result<()> {
        self.write(place, "whole", WHOLE, found.map(|(key, content)| row::<32>(&[*key, *content], 0)))
    }

    /// A head, the records, and a hash of them; under a temporary name first.
    fn write<const SIZE: usize>(
        &self,
        place: u128,
        kind: &str,
        head: &[u8],
        records: impl Iterator<Item = [u8; SIZE]>,
    ) -> Result<()> {
        let Some(file) = self.file(place, kind) else { return Ok(()) };
        let folder = file.parent().expect("in a folder");
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let temporary = file.with_extension(format!("{kind}.{}", std::process::id()));
        let written = || -> std::io::Result<()> {
            let mut out = std::io::BufWriter::new(fs::File::create(&temporary)?);
            out.write_all(head)?;
            let mut state = 0;
            for record in records {
                state = hash(&record, state);
                out.write_all(&record)?;
            }
            out.write_all(&state.to_le_bytes())?;
            out.into_inner()?.sync_all()?;
            fs::rename(&temporary, &file)
        };
        written().map_err(|error| {
            _ = fs::remove_file(&temporary);
            Error::io(&file)(error)
        })
    }
}

/// Those of a file that begins with `head` and ends with their hash; none of another.
fn records<'a, const SIZE: usize>(bytes: &'a [u8], head: &[u8]) -> impl Iterator<Item = &'a [u8; SIZE]> {
    let body = bytes.strip_prefix(head).and_then(|rest| rest.split_last_chunk::<16>());
    let is_whole = |(records, sum): &(&[u8], &[u8; 16])| {
        records.len() % SIZE == 0
            && records.chunks_exact(SIZE).fold(0, |state, record| hash(record, state))
                == u128::from_le_bytes(**sum)
    };
    let records = body.filter(is_whole).map_or(&[][..], |(records, _)| records);
    records.as_chunks::<SIZE>().0.iter()
}

/// A record of numbers, `fill` behind them.
fn row<const SIZE: usize>(numbers: &[u128], fill: u8) -> [u8; SIZE] {
    let mut row = [fill; SIZE];
    let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
    row.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    row
}

fn number(record: &[u8], at: usize) -> u128 {
    u128::from_le_bytes(record[at..at + 16].try_into().expect("sixteen bytes"))
}

fn record(key: u128, look: &Look) -> [u8; RECORD] {
    let Measures { brightness, contrast, colour, detail } = look.measures;
    let mut record = [0; RECORD];
    let head = [key.to_le_bytes(), look.content.to_le_bytes(), look.pixels.to_le_bytes()].concat();
    record[..48].copy_from_slice(&head);
    let words = [brightness, contrast, colour, detail].map(f32::to_bits);
    let words = [look.width, look.height].into_iter().chain(words).flat_map(u32::to_le_bytes);
    record[48..SMALL].iter_mut().zip(words).for_each(|(to, from)| *to = from);
    record[SMALL..].copy_from_slice(&look.small);
    record
}

fn look(record: &[u8; RECORD]) -> Look {
    let word = |at: usize| u32::from_le_bytes(record[48 + 4 * at..][..4].try_into().expect("four bytes"));
    let [brightness, contrast, colour, detail] = [2, 3, 4, 5].map(|at| f32::from_bits(word(at)));
    Look {
        width: word(0),
        height: word(1),
        content: number(record, 16),
        pixels: number(record, 32),
        measures: Measures { brightness, contrast, colour, detail },
        small: record[SMALL..].into(),
    }
}

/// The name of a set of places that images are read from.
pub fn place(parts: &[(&str, &dyn Dataset)]) -> u128 {
    let folder = |part: &dyn Dataset| match part.image(0) {
        Ok(Encoded::File(path)) => path.parent().map(Path::to_path_buf),
        _ => None,
    };
    let of = |part: &&(&str, &dyn Dataset)| part.1.place().map(PathBuf::from).or_else(|| folder(part.1));
    let found = parts.iter().filter(|(_, part)| !part.is_empty()).filter_map(|part| of(&part));
    let mut places: Vec<String> =
        found.map(|place| fs::canonicalize(&place).unwrap_or(place).display().to_string()).collect();
    places.sort();
    places.dedup();
    hash(places.join("\n").as_bytes(), 0)
}

/// What an image is known by without reading it: of a file its path, size and time of change; of others what is stored.
///
/// # Errors
/// [`Error::Io`].
pub fn key(image: &Encoded) -> Result<u128> {
    match image {
        Encoded::File(path) => Ok(About::read(path)?.key()),
        _ => Ok(Look::content(image)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::file;

    fn looked(level: u8) -> Look {
        let measures = Measures { brightness: 1.5, contrast: 2.5, colour: 3.5, detail: 4.5 };
        let (content, pixels) = (u128::MAX - u128::from(level), 7 << 100);
        Look { width: 3, height: 5, content, pixels, measures, small: vec![level; SIDE * SIDE].into() }
    }

    #[test]
    fn what_is_kept_is_read_back_and_what_is_damaged_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("new"));
        assert!(cache.looks(9).is_empty() && cache.compared(9).is_none());
        let looks: Looks =
            [(4, 40), (1 << 120, 50)].map(|(key, level)| (key, Arc::new(looked(level)))).into();
        cache.keep_looks(9, &looks).unwrap();
        assert_eq!(cache.looks(9), looks);
        assert!(cache.looks(8).is_empty());
        let pair = Alike { pictures: [6, 1 << 90], correlation: 0.75, probability: 0.5 };
        let compared = Compared { images: [(1, [2, 3]), (4, [5, 1 << 127])].into(), pairs: vec![pair] };
        cache.keep_compared(9, &compared).unwrap();
        assert_eq!(cache.compared(9), Some(compared));
        let names = || fs::read_dir(cache.folder().unwrap()).unwrap().map(|entry| entry.unwrap().path());
        assert_eq!(names().count(), 2);
        for path in names() {
            let mut bytes = fs::read(&path).unwrap();
            bytes[70] ^= 1;
            file(&path, &bytes);
        }
        assert!(cache.looks(9).is_empty() && cache.compared(9).is_none());
        Cache::NONE.keep_looks(9, &looks).unwrap();
        assert!(Cache::NONE.looks(9).is_empty());
    }

    #[test]
    fn a_key_changes_with_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let image = Encoded::File(path.clone());
        assert!(key(&image).is_err());
        file(&path, "one");
        let first = key(&image).unwrap();
        assert_eq!(first, key(&image).unwrap());
        file(&path, "three");
        assert_ne!(first, key(&image).unwrap());
        assert_eq!(key(&Encoded::Bytes(vec![1])).unwrap(), key(&Encoded::Bytes(vec![1])).unwrap());
        assert_ne!(key(&Encoded::Bytes(vec![1])).unwrap(), key(&Encoded::Bytes(vec![2])).unwrap());
    }
}
