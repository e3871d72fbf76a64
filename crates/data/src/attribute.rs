//! What a table knows of images or of groups, such as the sex of a patient: found by their names, wherever they stand in it.

use std::collections::HashMap;
use std::path::Path;

use crate::readers::csv::CsvFile;
use crate::readers::files::EXTENSIONS;
use crate::{Error, Result};

/// A column, for each image.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// The column whose entries are the names of the images, or of their groups.
    pub by: String,
    /// `None` where the table says nothing.
    pub values: Vec<Option<String>>,
    /// Images that are not in the table.
    pub strangers: usize,
}

/// What stands where nothing is known.
const MISSING: [&str; 8] = ["", "na", "n/a", "nan", "null", "none", "?", "-"];

impl Attribute {
    /// The column `name` of a CSV for images with these ids and groups. The rows are found by the column that names most of the images (as
    /// they are, or as file names without folders and extensions); where none does, by the one that names most of their groups.
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::Invalid`] for a file without that column, without names of images or groups, or where rows of one
    /// image differ.
    pub fn read(path: &Path, name: &str, ids: &[String], groups: &[Option<String>]) -> Result<Attribute> {
        if !path.is_file() {
            let remedy = "name a CSV with a column of the images' ids";
            return Err(Error::missing(path.display(), "no such file", remedy));
        }
        let csv = CsvFile::read(path)?;
        let column = csv.column(name, "name a column of the file")?;
        let images: Vec<Option<&str>> = ids.iter().map(|id| Some(&**id)).collect();
        let groups: Vec<Option<&str>> = groups.iter().map(Option::as_deref).collect();
        let keys = |wanted: &[Option<&str>]| {
            let others = (0..csv.header.len()).filter(|&other| other != column);
            let found = others.map(|key| (key, Index::of(&csv, key).rows(wanted)));
            let known = |rows: &[Vec<usize>]| rows.iter().filter(|rows| !rows.is_empty()).count();
            // Of equally many the first.
            found.rev().max_by_key(|(_, rows)| known(rows)).filter(|(_, rows)| known(rows) > 0)
        };
        let Some((key, rows)) = keys(&images).or_else(|| keys(&groups)) else {
            let first = ids.first().map_or("", |id| id);
            let problem = format!(
                "expected a column with the names of the images or of their groups, got {} – the first image is `{first}`",
                csv.header.join(", ")
            );
            return Err(Error::invalid(path.display(), problem));
        };
        let value = |rows: &Vec<usize>| {
            let text = |row: &usize| csv.row(*row).get(column);
            if let Some(other) = rows.iter().find(|row| text(row) != text(&rows[0])) {
                let problem = format!(
                    "`{}` is `{}` here and `{}` in line {} – keep one of the rows",
                    csv.row(*other).get(key),
                    text(other),
                    text(&rows[0]),
                    csv.line(rows[0])
                );
                return Err(csv.wrong(csv.line(*other), problem));
            }
            let known = rows.first().map(text).filter(|text| !MISSING.contains(&&*text.to_lowercase()));
            Ok(known.map(str::to_owned))
        };
        Ok(Attribute {
            by: csv.header[key].clone(),
            strangers: rows.iter().filter(|rows| rows.is_empty()).count(),
            values: rows.iter().map(value).collect::<Result<_>>()?,
        })
    }
}

/// The rows of a table by the entries of a column.
struct Index<'a> {
    whole: HashMap<&'a str, Vec<usize>>,
    /// By entries without folders and extensions.
    bare: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Index<'a> {
    fn of(csv: &'a CsvFile, column: usize) -> Index<'a> {
        let mut index = Index { whole: HashMap::new(), bare: HashMap::new() };
        for (row, (_, fields)) in csv.rows().enumerate() {
            let entry = fields.get(column);
            index.whole.entry(entry).or_default().push(row);
            index.bare.entry(bare(entry)).or_default().push(row);
        }
        index
    }

    fn rows(&self, wanted: &[Option<&str>]) -> Vec<Vec<usize>> {
        let rows = |name: &str| self.whole.get(name).or_else(|| self.bare.get(bare(name))).cloned();
        wanted.iter().map(|name| name.and_then(rows).unwrap_or_default()).collect()
    }
}

/// The name of a file without its folders and the extension of an image.
fn bare(path: &str) -> &str {
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    match file.rsplit_once('.') {
        Some((stem, end)) if !stem.is_empty() && EXTENSIONS.contains(&&*end.to_lowercase()) => stem,
        _ => file,
    }
}

#[cfg(test)]
mod tests {
    use super::Attribute;
    use crate::written::{file, refused};
    use std::path::PathBuf;

    fn table(folder: &tempfile::TempDir, text: &str) -> PathBuf {
        let path = folder.path().join("meta.csv");
        file(&path, text);
        path
    }

    fn read(text: &str, column: &str, ids: &[&str]) -> Result<Attribute, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = table(&folder, text);
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let groups: Vec<_> = (0..ids.len()).map(|at| (at < 2).then(|| format!("lesion {at}"))).collect();
        let found = Attribute::read(&path, column, &ids, &groups);
        found.map_err(|error| error.to_string().replace(&folder.path().display().to_string(), "ROOT"))
    }

    fn values(found: &Attribute) -> Vec<&str> {
        found.values.iter().map(|value| value.as_deref().unwrap_or("–")).collect()
    }

    #[test]
    fn images_are_found_by_name_in_any_column() {
        let text = "sex,number,isic_id\nfemale,1,ISIC_1\nNA,2,ISIC_2\nmale,3,ISIC_3\n";
        let found = read(text, "sex", &["ISIC_3", "ISIC_2", "ISIC_9"]).unwrap();
        assert_eq!((values(&found), &*found.by, found.strangers), (vec!["male", "–", "–"], "isic_id", 1));
        // As files, on either side.
        let found = read(text, "sex", &["train/NV/ISIC_1.jpg", "train/ISIC_3.png"]).unwrap();
        assert_eq!(values(&found), ["female", "male"]);
        let found = read("file;age\nimages/ISIC_1.JPG;40\n", "age", &["ISIC_1"]).unwrap();
        assert_eq!((values(&found), &*found.by), (vec!["40"], "file"));
        // A dot that begins no extension is part of the name.
        assert_eq!(
            read("file,age\nv1.2,40\nv1.3,50\n", "age", &["v1.3"]).unwrap().values[0].as_deref(),
            Some("50")
        );
    }

    #[test]
    fn groups_are_found_where_images_are_not() {
        let text = "lesion_id,site\nlesion 1,back\nlesion 0,face\n";
        let found = read(text, "site", &["a", "b", "c"]).unwrap();
        assert_eq!(
            (values(&found), &*found.by, found.strangers),
            (vec!["face", "back", "–"], "lesion_id", 1)
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let text = "image,sex\na,female\nb,male\n\na,male\n";
        assert_eq!(
            read(text, "sex", &["a", "b"]).unwrap_err(),
            "ROOT/meta.csv:5: `a` is `male` here and `female` in line 2 – keep one of the rows"
        );
        assert!(read(text, "sex", &["b"]).is_ok(), "of others nothing is asked");
        assert!(read(text, "sx", &["b"]).unwrap_err().contains("expected a column `sx`"));
        assert_eq!(
            read(text, "sex", &["x"]).unwrap_err(),
            "ROOT/meta.csv: expected a column with the names of the images or of their groups, got image, sex – the first image is `x`"
        );
        let folder = tempfile::tempdir().unwrap();
        let missing = Attribute::read(&folder.path().join("no.csv"), "sex", &[], &[]);
        assert!(refused(&folder, missing).starts_with("ROOT/no.csv: no such file; name a CSV"));
    }
}
