//! A list of images that are left out: a CSV with the column `image`, and perhaps others.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::first_few;
use crate::readers::csv::{CsvFile, Fields};
use crate::{Dataset, Error, Result, Subset};

/// Read from a file.
#[derive(Clone, Debug)]
pub struct Exclusion {
    path: PathBuf,
    /// Images and why they are left out (nothing where the file has no column `why`), in the file's order.
    pub rows: Vec<(String, String)>,
}

impl Exclusion {
    /// # Errors
    /// [`Error::Missing`]; [`Error::Invalid`] for a file without the column `image`.
    pub fn read(path: &Path) -> Result<Exclusion> {
        if !path.is_file() {
            let remedy = "write a CSV with the column `image`, or leave the key out";
            return Err(Error::missing(path.display(), "no such list of images", remedy));
        }
        let csv = CsvFile::read(path)?;
        let image = csv.column("image", "a list of images to leave out has the column `image`")?;
        let why = csv.find("why");
        let row = |(_, fields): (_, Fields)| {
            (fields.get(image).to_owned(), why.map_or(String::new(), |why| fields.get(why).to_owned()))
        };
        let rows = csv.rows().map(row).collect();
        Ok(Exclusion { path: path.to_owned(), rows })
    }

    /// A note of which images of the list are in none of the parts, if some are; classes or folds that are left out may have them.
    ///
    /// # Errors
    /// [`Error::Invalid`] where none of its images is there: it is a list of other data.
    pub fn strangers(&self, parts: &[&dyn Dataset]) -> Result<Option<String>> {
        let known: HashSet<&str> =
            parts.iter().flat_map(|part| (0..part.len()).map(|index| part.id(index))).collect();
        let missing = self.images().filter(|image| !known.contains(image));
        let missing: Vec<&str> = missing.collect();
        if !missing.is_empty() && missing.len() == self.rows.len() {
            let first = parts.iter().find(|part| !part.is_empty()).map_or("", |part| part.id(0));
            let problem = format!(
                "expected images of the data, got {} – name them as the data do (the first is `{first}`)",
                first_few(&missing)
            );
            return Err(Error::invalid(self.path.display(), problem));
        }
        let note = format!("{}: not in the data: {}", self.path.display(), first_few(&missing));
        Ok((!missing.is_empty()).then_some(note))
    }

    fn images(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|(image, _)| image.as_str())
    }

    /// A part without them, and how many of its images they were.
    pub fn apply(&self, part: Arc<dyn Dataset>) -> (Subset, usize) {
        let images: HashSet<&str> = self.images().collect();
        let kept = (0..part.len()).filter(|index| !images.contains(part.id(*index)));
        let kept: Vec<u32> = kept.map(|index| index as u32).collect();
        let count = part.len() - kept.len();
        (Subset::new(part, kept), count)
    }
}

/// Writes such a list, of (image, why).
///
/// # Errors
/// [`Error::Io`].
pub fn write_exclusion(path: &Path, rows: &[(String, String)]) -> Result<()> {
    let invalid = |error: csv::Error| Error::invalid(path.display(), error.to_string());
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["image", "why"]).map_err(invalid)?;
    for (image, why) in rows {
        csv.write_record([image, why]).map_err(invalid)?;
    }
    let bytes = csv.into_inner().expect("memory can be written to");
    std::fs::write(path, bytes).map_err(Error::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::{file, refused, table};

    #[test]
    fn images_of_a_list_are_left_out_of_every_part() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        write_exclusion(
            &path,
            &[("image 1".into(), "twice, \"so\"".into()), ("image 9".into(), String::new())],
        )
        .unwrap();
        let list = Exclusion::read(&path).unwrap();
        assert_eq!(list.images().collect::<Vec<_>>(), ["image 1", "image 9"]);
        let part: Arc<dyn Dataset> = Arc::new(table(&[(0, ""), (1, ""), (0, "")]));
        let (rest, count) = list.apply(part.clone());
        assert_eq!((rest.len(), count, rest.id(1)), (2, 1, "image 2"));
        let note = list.strangers(&[&*part]).unwrap().unwrap();
        assert!(note.ends_with("list.csv: not in the data: image 9"), "{note}");
        file(&path, "image\nx\ny\n");
        assert_eq!(
            refused(&folder, Exclusion::read(&path).unwrap().strangers(&[&*part])),
            "ROOT/list.csv: expected images of the data, got x, y – name them as the data do (the first is `image 0`)"
        );
        file(&path, "picture\nx\n");
        assert!(refused(&folder, Exclusion::read(&path)).contains("expected a column `image`"));
        file(&path, "image\n");
        assert_eq!(Exclusion::read(&path).unwrap().strangers(&[&*part]).unwrap(), None);
        std::fs::remove_file(&path).unwrap();
        assert!(
            refused(&folder, Exclusion::read(&path)).starts_with("ROOT/list.csv: no such list of images")
        );
    }
}
