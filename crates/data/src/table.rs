//! The dataset behind every source: labels, groups and names in memory, images as files or bytes.

use std::path::PathBuf;

use crate::{Dataset, Encoded, Error, Image, Result};

/// Images with their labels. Made by the sources; [`Table::new`] checks what they promise.
#[derive(Debug)]
pub struct Table {
    place: String,
    /// Where the groups were read from, if that is another place.
    group_place: Option<String>,
    pub(crate) classes: Vec<String>,
    /// What a group is: `lesion_id`, `patient_id`.
    group_name: Option<String>,
    pub(crate) rows: Vec<Row>,
    images: Images,
}

/// What is known of an image without decoding it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub id: String,
    pub label: u32,
    pub group: Option<String>,
}

/// The images of a table, one per row.
#[derive(Debug)]
pub enum Images {
    Files(Vec<PathBuf>),
    /// Files in memory.
    Bytes(Vec<Vec<u8>>),
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
        rows: Vec<Row>,
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
        let mut seen = std::collections::HashSet::new();
        for row in &rows {
            if row.label as usize >= classes.len() {
                let problem = format!(
                    "{}: expected a label below {}, the number of classes, got {}",
                    row.id,
                    classes.len(),
                    row.label
                );
                return Err(Error::invalid(place, problem));
            }
            if !seen.insert(row.id.as_str()) {
                return Err(Error::invalid(
                    place,
                    format!("{}: expected one row for an image, got two", row.id),
                ));
            }
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
            Images::Files(paths) => paths.len(),
            Images::Bytes(files) => files.len(),
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
        self.rows[index].label
    }

    fn group(&self, index: usize) -> Option<&str> {
        self.rows[index].group.as_deref()
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
        &self.rows[index].id
    }

    fn image(&self, index: usize) -> Result<Encoded> {
        Ok(match &self.images {
            Images::Files(paths) => Encoded::File(paths[index].clone()),
            Images::Bytes(files) => Encoded::Bytes(files[index].clone()),
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
