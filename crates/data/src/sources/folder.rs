//! Class folders of image files.

use std::path::Path;
use std::sync::Arc;

use super::labels::Labels;
use super::{Parts, SourceSpec};
use crate::error::first_few;
use crate::part::Part;
use crate::readers::files::{EXTENSIONS, is_image, relative, sorted, walk};
use crate::{Dataset, Error, Images, Options, Result, Row, Table, counted};

pub const SPEC: SourceSpec = SourceSpec {
    name: "folder",
    summary: "one folder of images for each class, with or without train, validation and test folders above them",
    keys: &[
        (
            "root",
            "required",
            "the folder of the class folders, or of folders train, validation (val) and test",
        ),
        ("classes", "the folders' names, sorted", "the folders to read, in label order"),
    ],
    open,
};

fn open(options: &Options) -> Result<Parts> {
    let root = options.path("root")?.ok_or_else(|| {
        Error::option("root", "expected the folder that holds the class folders, got nothing – data.root=…")
    })?;
    if !root.is_dir() {
        let remedy = "put one folder of images for each class there, or say where they are with data.root=…";
        return Err(Error::missing(root.display(), "no such folder", remedy));
    }
    let folders = folders(&root)?;
    let parts: Vec<(Part, &str)> =
        folders.iter().filter_map(|name| Part::parse(name).map(|part| (part, name.as_str()))).collect();
    // A class may be called `train` (pictures of vehicles): folders are parts where all have parts' names, or where several
    // do that have folders of their own.
    let several = parts.len() > 1
        && parts.iter().all(|(_, name)| self::folders(&root.join(name)).is_ok_and(|inner| !inner.is_empty()));
    let in_parts = !parts.is_empty() && (parts.len() == folders.len() || several);
    let found: Vec<(Part, &str)> = if in_parts { parts } else { vec![(Part::Train, "")] };
    for (number, (part, name)) in found.iter().enumerate() {
        if let Some((_, other)) = found[..number].iter().find(|(earlier, _)| earlier == part) {
            let problem = format!("expected one folder for {}, got `{other}` and `{name}`", part.name());
            return Err(Error::invalid(root.display(), problem));
        }
    }
    let names = if in_parts {
        let each =
            found.iter().map(|(_, name)| self::folders(&root.join(name))).collect::<Result<Vec<_>>>()?;
        each.concat()
    } else {
        folders.clone()
    };
    let labels = Labels::new(options.texts("classes")?, names.iter().map(String::as_str));
    let mut result = Parts::default();
    if in_parts && found.len() < folders.len() {
        let is_part = |folder: &&String| found.iter().any(|(_, name)| name == folder);
        let others: Vec<&String> = folders.iter().filter(|folder| !is_part(folder)).collect();
        result.notes.push(format!(
            "{}: beside the parts, and left out: {}",
            root.display(),
            first_few(&others)
        ));
    }
    for (part, name) in found {
        let table: Arc<dyn Dataset> = Arc::new(read(&root, name, &labels, &mut result.notes)?);
        *result.slot(part) = Some(table);
    }
    Ok(result)
}

fn read(root: &Path, part: &str, labels: &Labels, notes: &mut Vec<String>) -> Result<Table> {
    let place = root.join(part);
    let (mut rows, mut paths, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (label, class) in labels.classes.iter().enumerate() {
        let folder = place.join(class);
        let mut files = Vec::new();
        if folder.is_dir() {
            walk(&folder, &mut files)?;
        }
        let before = paths.len();
        for path in files {
            let id = relative(root, &path);
            if is_image(&path) {
                rows.push(Row { id, label: label as u32, group: None });
                paths.push(path);
            } else {
                others.push(id);
            }
        }
        if paths.len() == before {
            notes.push(format!("{}: no images of class `{class}`", place.display()));
        }
    }
    if paths.is_empty() {
        let problem = format!("no images in the class folders {}", first_few(&labels.classes));
        let remedy = format!("put images ({}) into one folder for each class", EXTENSIONS.join(", "));
        return Err(Error::missing(place.display(), problem, remedy));
    }
    if !others.is_empty() {
        let place = place.display();
        let (number, named) = (counted(others.len(), "file"), first_few(&others));
        notes.push(format!("{place}: left out, as not images: {number}: {named}"));
    }
    Table::new(&place.display().to_string(), labels.classes.clone(), None, rows, Images::Files(paths))
}

/// Names of the folders in a folder, sorted, without hidden ones.
fn folders(folder: &Path) -> Result<Vec<String>> {
    let entries = sorted(folder)?;
    Ok(entries.iter().filter(|path| path.is_dir()).map(|path| relative(folder, path)).collect())
}

#[cfg(test)]
mod tests;
