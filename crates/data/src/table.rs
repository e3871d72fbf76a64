//! The dataset behind every source: labels, groups and names in memory, images as files or bytes.

use crate::texts::repeated;
use crate::{Dataset, Encoded, Error, Image, Result};
pub use files::{About, Files};
pub use rows::{Row, Rows};
pub use stored::{Stored, Storing};

mod files;
mod rows;
mod stored;

/// Images with their labels. Made by the sources; [`Table::new`] checks what they promise.
#[derive(Debug)]
pub struct Table {
    place: String,
    /// Where the groups were read from, if that is another place.
    group_place: Option<String>,
    pub(crate) classes: Vec<String>,
    /// What a group is: `lesion_id`, `patient_id`.
    group_name: Option<String>,
    rows: Rows,
    images: Images,
}

/// The images of a table, one per row.
#[derive(Debug)]
pub enum Images {
    Files(Files),
    /// Files without a place of their own.
    Bytes(Stored),
    /// Decoded, (rows, height, width, channels); one channel is grey, three are RGB.
    Pixels {
        width: u32,
        height: u32,
        channels: usize,
        bytes: Vec<u8>,
    },
}

impl Table {
    /// Rows and images in one order; `place` is where they were read.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `place`: no rows, a label without a class, an id used twice, fewer or more images than rows.
    pub fn new(
        place: &str,
        classes: Vec<String>,
        group_name: Option<String>,
        rows: Rows,
        images: Images,
    ) -> Result<Table> {
        if rows.is_empty() {
            return Err(Error::invalid(place, "expected images, got none"));
        }
        let count = images.len();
        if count != rows.len() {
            let problem = format!("expected one label for each image, got {} for {count}", rows.len());
            return Err(Error::invalid(place, problem));
        }
        if let Some(row) = (0..rows.len()).find(|&row| rows.label(row) as usize >= classes.len()) {
            let (id, label, count) = (rows.id(row), rows.label(row), classes.len());
            let problem = format!("{id}: expected a label below {count}, the number of classes, got {label}");
            return Err(Error::invalid(place, problem));
        }
        if let Some(&(row, _)) = repeated(rows.len(), |row| rows.id(row)).first() {
            let problem = format!("{}: expected one row for an image, got two", rows.id(row));
            return Err(Error::invalid(place, problem));
        }
        Ok(Table { place: place.to_owned(), group_place: None, classes, group_name, rows, images })
    }
}

impl Table {
    /// The same, its groups read from another place.
    pub fn with_group_place(self, place: impl std::fmt::Display) -> Table {
        Table { group_place: Some(place.to_string()), ..self }
    }
}

impl Images {
    fn len(&self) -> usize {
        match self {
            Images::Files(files) => files.len(),
            Images::Bytes(stored) => stored.len(),
            Images::Pixels { width, height, channels, bytes } => {
                bytes.len() / (*width as usize * *height as usize * channels).max(1)
            }
        }
    }
}

impl Dataset for Table {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn label(&self, index: usize) -> u32 {
        self.rows.label(index)
    }

    fn group(&self, index: usize) -> Option<&str> {
        self.rows.group(index)
    }

    fn group_name(&self) -> Option<&str> {
        self.group_name.as_deref()
    }

    fn place(&self) -> Option<&str> {
        Some(&self.place)
    }

    fn group_place(&self) -> Option<&str> {
        Some(self.group_place.as_ref().unwrap_or(&self.place))
    }

    fn id(&self, index: usize) -> &str {
        self.rows.id(index)
    }

    fn about(&self, index: usize) -> Result<Option<About>> {
        match &self.images {
            Images::Files(files) => files.about(index).map(Some),
            _ => Ok(None),
        }
    }

    fn length(&self, index: usize) -> Result<Option<u64>> {
        match &self.images {
            Images::Bytes(stored) => Ok(Some(stored.length(index))),
            _ => Ok(self.about(index)?.map(|about| about.length)),
        }
    }

    fn image(&self, index: usize) -> Result<Encoded> {
        Ok(match &self.images {
            Images::Files(files) => Encoded::File(files.path(index)),
            Images::Bytes(stored) => Encoded::Bytes(stored.get(index)?),
            Images::Pixels { width, height, channels, bytes } => {
                let size = *width as usize * *height as usize * channels;
                let stored = &bytes[index * size..][..size];
                let pixels = match channels {
                    1 => stored.iter().flat_map(|&grey| [grey; 3]).collect(),
                    _ => stored.to_vec(),
                };
                Encoded::Pixels(Image { width: *width, height: *height, pixels })
            }
        })
    }
}
