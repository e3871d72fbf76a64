//! Class folders of image files.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::labels::Labels;
use super::{FOLLOW_LINKS, Parts, SourceSpec, links};
use crate::error::first_few;
use crate::part::Part;
use crate::readers::files::{EXTENSIONS, Found, Links, is_image, once, relative, sorted, walk};
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
        FOLLOW_LINKS,
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
    let (classes, links) = (options.texts("classes")?, links(options)?);
    let folders = folders(&root)?;
    let mut result = Parts::default();
    let divided = divided(&root, &folders, &mut result.notes);
    let in_parts = divided.is_some();
    if !in_parts && classes.is_none() {
        check_classes(&root, &folders)?;
    }
    let found = divided.unwrap_or_else(|| vec![(Part::Train, String::new())]);
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
    let labels = Labels::new(classes, names.iter().map(String::as_str));
    let others: Vec<&String> = folders.iter().filter(|folder| Part::parse(folder).is_none()).collect();
    if in_parts && !others.is_empty() {
        result.notes.push(format!(
            "{}: beside the parts, and left out: {}",
            root.display(),
            first_few(&others)
        ));
    }
    for (part, name) in found {
        let table: Arc<dyn Dataset> = Arc::new(read(&root, &name, &labels, links, &mut result.notes)?);
        *result.slot(part) = Some(table);
    }
    Ok(result)
}

/// The parts, and the folder of each. A class may be called `train` (pictures of vehicles): folders are parts where all have parts' names,
/// or where several do that have folders of their own.
fn divided(root: &Path, folders: &[String], notes: &mut Vec<String>) -> Option<Vec<(Part, String)>> {
    let parts =
        folders.iter().filter_map(|name| Part::parse(name).map(|part| (part, innermost(root, name, part))));
    let has_classes = |name: &str| self::folders(&root.join(name)).is_ok_and(|inner| !inner.is_empty());
    let (labelled, plain): (Vec<_>, Vec<_>) = parts.partition(|(_, name)| has_classes(name));
    let all = !folders.is_empty() && labelled.len() + plain.len() == folders.len();
    let trains = labelled.iter().any(|(part, _)| *part == Part::Train);
    // Beside class folders, without a training part, they are for another rule.
    let beside = || !trains && holding_classes_again(root, folders).is_ok_and(|found| !found.is_empty());
    if !all && (labelled.len() < 2 || beside()) {
        return None;
    }
    if !trains {
        return Some([labelled, plain].concat());
    }
    notes.extend(plain.iter().map(|(_, name)| {
        format!("{}: no class folders, so its images have no labels; left out", root.join(name).display())
    }));
    Some(labelled)
}

/// No folder of these is a part or a copy of the others.
fn check_classes(root: &Path, folders: &[String]) -> Result<()> {
    let found = holding_classes_again(root, folders)?;
    let Some((name, again)) = found.first() else { return Ok(()) };
    let is_class = |folder: &&String| found.iter().all(|(name, _)| name != *folder);
    let classes: Vec<&str> = folders.iter().filter(is_class).map(String::as_str).collect();
    let problem = format!(
        "{}: `{name}` holds folders of classes that are beside it ({}), as a part or a copy does, and no class – to leave it out, \
         name the classes: `classes: [{}]`; to use it as a part, move the class folders beside it into a folder `train`",
        root.display(),
        first_few(again),
        classes.join(", ")
    );
    Err(Error::option("classes", problem))
}

fn read(root: &Path, part: &str, labels: &Labels, links: Links, notes: &mut Vec<String>) -> Result<Table> {
    let place = root.join(part);
    // A part's folder may stand in another of its name.
    place.ancestors().take_while(|above| *above != root).try_for_each(|above| links.check(above))?;
    let (mut rows, mut files, mut others, mut again) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (label, class) in labels.classes.iter().enumerate() {
        let folder = place.join(class);
        let mut found = Vec::new();
        if folder.is_dir() {
            links.check(&folder)?;
            found = walk(&folder, links)?;
        }
        let (images, beside): (Vec<Found>, Vec<Found>) =
            found.into_iter().partition(|file| is_image(&file.path));
        others.extend(beside.iter().map(|file| relative(root, &file.path)));
        let (images, more) = once(images);
        again += more;
        let id = |file: &Found| relative(root, &file.path);
        rows.extend(images.iter().map(|file| Row { id: id(file), label: label as u32, group: None }));
        let count = images.len();
        files.extend(images);
        if count == 0 {
            notes.push(format!("{}: no images of class `{class}`", place.display()));
        }
    }
    if files.is_empty() {
        let problem = format!("no images in the class folders {}", first_few(&labels.classes));
        let remedy = format!("put images ({}) into one folder for each class", EXTENSIONS.join(", "));
        return Err(Error::missing(place.display(), problem, remedy));
    }
    check_labels(root, &files, &rows)?;
    if again > 0 {
        let number = counted(again, "link");
        notes.push(format!(
            "{}: {number} to images that are in the same class as well: counted once",
            place.display()
        ));
    }
    if !others.is_empty() {
        let place = place.display();
        let (number, named) = (counted(others.len(), "file"), first_few(&others));
        notes.push(format!("{place}: left out, as not images: {number}: {named}"));
    }
    let paths = files.into_iter().map(|file| file.path).collect();
    Table::new(&place.display().to_string(), labels.classes.clone(), None, rows.into(), Images::Files(paths))
}

/// No file is reached under two labels.
fn check_labels(root: &Path, files: &[Found], rows: &[Row]) -> Result<()> {
    if !files.iter().any(|file| file.is_linked) {
        return Ok(());
    }
    let mut of: HashMap<&Path, &Row> = HashMap::new();
    for (file, row) in files.iter().zip(rows) {
        let first = of.entry(&file.real).or_insert(row);
        if first.label != row.label {
            let problem = format!(
                "`{}` and `{}` are one file, by a link, under two labels – expected one label for a file – take one of them out",
                first.id, row.id
            );
            return Err(Error::invalid(root.display(), problem));
        }
    }
    Ok(())
}

/// A part's folder may hold one of the part's name alone, as archives are unpacked: `training_set/training_set/cat`.
fn innermost(root: &Path, name: &str, part: Part) -> String {
    match folders(&root.join(name)).as_deref() {
        Ok([only]) if Part::parse(only) == Some(part) => innermost(root, &format!("{name}/{only}"), part),
        _ => name.to_owned(),
    }
}

/// Of class folders those that hold folders of the other classes once more, which are a part (one such folder and a part's name are
/// enough) or a copy, and which they hold.
pub fn holding_classes_again(root: &Path, folders: &[String]) -> Result<Vec<(String, Vec<String>)>> {
    let mut found = Vec::new();
    for name in folders {
        let is_other =
            |inner: &String| folders.iter().any(|other| other != name && other.eq_ignore_ascii_case(inner));
        let again: Vec<String> = self::folders(&root.join(name))?.into_iter().filter(is_other).collect();
        if again.len() > usize::from(Part::parse(name).is_none()) {
            found.push((name.clone(), again));
        }
    }
    Ok(found)
}

/// Names of the folders in a folder, sorted, without hidden ones.
pub fn folders(folder: &Path) -> Result<Vec<String>> {
    let entries = sorted(folder)?;
    Ok(entries.iter().filter(|path| path.is_dir()).map(|path| relative(folder, path)).collect())
}

#[cfg(test)]
mod tests;
