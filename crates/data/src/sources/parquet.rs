//! Hugging Face image parquet: files on disk, or a dataset of the hub.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::labels::Labels;
use super::{EXPANSION, FOLLOW_LINKS, Parts, SourceSpec, hub, links, max_expansion};
use crate::part::Part;
use crate::readers::files::{Found, Links, listed, once};
use crate::readers::parquet::{Columns, Contents, Label, read};
use crate::{Dataset, Error, Images, Options, Result, Row, Stored, Storing, Table};

pub const SPEC: SourceSpec = SourceSpec {
    name: "parquet",
    summary: "Hugging Face image parquet, from disk or from the hub; a part's images are held in memory up to 16 MiB, else in a file of the cache folder while it is used",
    keys: &[
        (
            "root",
            "",
            "a folder with train-*.parquet, validation-*.parquet, test-*.parquet, or a folder for each part",
        ),
        (
            "train",
            "",
            "a parquet file, `folder/*.parquet`, or a list of them; with validation and test in place of root",
        ),
        ("validation", "", "likewise"),
        ("test", "", "likewise"),
        ("hub", "", "owner/name of a hub dataset, in place of files (its parquet conversion)"),
        ("config", "the only one", "the configuration of the hub dataset"),
        ("image", "image", "the column of the images"),
        ("label", "label", "the column of the labels: whole numbers or names"),
        ("group", "", "the column of the groups: lesion or patient"),
        ("classes", "the file's own", "class names, in label order"),
        EXPANSION,
        FOLLOW_LINKS,
    ],
    open,
};

/// A file, and what it holds beside images.
type Read<'a> = (&'a PathBuf, Contents);

/// Files by part.
pub type Files = Vec<(Part, Vec<PathBuf>)>;

fn open(options: &Options) -> Result<Parts> {
    let files = match options.text("hub")? {
        Some(dataset) => hub::parquet(&dataset, options.text("config")?.as_deref())?,
        None => named(options)?,
    };
    let text = |key: &str| Ok(options.text(key)?.unwrap_or_else(|| key.to_string()));
    let columns = Columns { image: text("image")?, label: text("label")?, group: options.text("group")? };
    assemble(&files, &columns, options.texts("classes")?, max_expansion(options)?)
}

fn named(options: &Options) -> Result<Files> {
    let mut files = Vec::new();
    for part in Part::ALL {
        if let Some(patterns) = options.texts(part.name())? {
            let each = patterns.iter().map(|pattern| matching(pattern)).collect::<Result<Vec<_>>>()?;
            files.push((part, each.concat()));
        }
    }
    match options.path("root")? {
        _ if !files.is_empty() => Ok(files),
        Some(root) => {
            let files = below(&root, links(options)?)?;
            if files.is_empty() {
                let problem = "no parquet files here named after a part";
                let remedy = "expected train-*.parquet (validation-*, test-*) or train/*.parquet; or name the files with \
                              data.train=…, data.validation=… and data.test=…";
                return Err(Error::missing(root.display(), problem, remedy));
            }
            Ok(files)
        }
        None => Err(Error::option("root", "expected one of `root`, `train` and `hub`, got none")),
    }
}

/// The parquet files of a folder, of its folder `data`, and of its folders named after parts; each belongs to the part its
/// name (or folder) begins with. A file of a part that links lead to once more counts once.
pub fn below(root: &Path, links: Links) -> Result<Files> {
    let list = |folder: &Path| listed(folder).unwrap_or_default();
    let mut files: Vec<(Part, Vec<Found>)> = Part::ALL.into_iter().map(|part| (part, Vec::new())).collect();
    let mut add = |part: Option<Part>, file: Found| {
        if let Some(part) = part {
            files[part as usize].1.push(file);
        }
    };
    let is_parquet = |file: &Found| file.path.extension().is_some_and(|extension| extension == "parquet");
    let name =
        |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let data = root.join("data");
    let within = list(&data);
    if within.iter().any(is_parquet) {
        links.check(&data)?;
    }
    for file in list(root).into_iter().chain(within) {
        if file.path.is_dir() {
            let part = Part::parse(&name(&file.path));
            let inner: Vec<Found> = list(&file.path).into_iter().filter(|file| is_parquet(file)).collect();
            if part.is_some() && !inner.is_empty() {
                links.check(&file.path)?;
            }
            inner.into_iter().for_each(|file| add(part, file));
        } else if is_parquet(&file) {
            let name = name(&file.path);
            let word: String = name.chars().take_while(|letter| letter.is_alphabetic()).collect();
            add(Part::parse(&word), file);
        }
    }
    let paths = |files: Vec<Found>| once(files).0.into_iter().map(|file| file.path).collect::<Vec<_>>();
    let files = files.into_iter().map(|(part, files)| (part, paths(files)));
    Ok(files.filter(|(_, files)| !files.is_empty()).collect())
}

/// The parts that the files hold. All parts share their classes. A part whose labels are all −1, as hidden test labels
/// are written, is left out with a note. No file may unpack to more than `max_expansion` times its size.
pub fn assemble(
    files: &Files,
    columns: &Columns,
    classes: Option<Vec<String>>,
    max_expansion: u64,
) -> Result<Parts> {
    let mut parts = Parts::default();
    let mut read_parts: Vec<(Part, Vec<Read>, Stored)> = Vec::new();
    for (part, paths) in files {
        let mut images = Storing::in_cache();
        let contents = paths
            .iter()
            .map(|path| Ok((path, read(path, columns, max_expansion, &mut images)?)))
            .collect::<Result<Vec<_>>>()?;
        let mut labels = contents.iter().flat_map(|(_, contents)| &contents.labels);
        if labels.all(|label| *label == Label::Number(-1)) {
            parts.notes.push(format!("{}: its labels are hidden (-1); left out", part.name()));
        } else {
            read_parts.push((*part, contents, images.end()));
        }
    }
    let all = || read_parts.iter().flat_map(|(_, files, _)| files.iter().map(|(_, contents)| contents));
    let labels = Labels::new(classes.or_else(|| class_names(all())), []);
    for (part, files, images) in read_parts {
        let mut rows = Vec::new();
        let place = files[0].0.display().to_string();
        for (path, contents) in files {
            for (number, (label, group)) in contents.labels.into_iter().zip(contents.groups).enumerate() {
                let at = || format!("{}: row {number}", path.display());
                let label = match label {
                    Label::Name(name) => labels.find(&name, at)?,
                    Label::Number(number) => {
                        let known = u32::try_from(number)
                            .ok()
                            .filter(|&label| (label as usize) < labels.classes.len());
                        known.ok_or_else(|| {
                            let expected = match labels.classes.len().checked_sub(1) {
                                Some(most) => format!("a label from 0 to {most}"),
                                None => "labels from 0 on".to_owned(),
                            };
                            Error::invalid(at(), format!("expected {expected}, got {number}"))
                        })?
                    }
                };
                rows.push(Row { id: format!("{}/{}", part.name(), rows.len()), label, group });
            }
        }
        let table = Table::new(
            &place,
            labels.classes.clone(),
            columns.group.clone(),
            rows.into(),
            Images::Bytes(images),
        )?;
        let table: Arc<dyn Dataset> = Arc::new(table);
        *parts.slot(part) = Some(table);
    }
    Ok(parts)
}

/// From the metadata; else the names that occur; else the numbers up to the largest that occurs.
fn class_names<'a>(contents: impl Iterator<Item = &'a Contents>) -> Option<Vec<String>> {
    let (mut largest, mut texts) = (-1, Vec::new());
    for contents in contents {
        if let Some(names) = &contents.names {
            return Some(names.clone());
        }
        for label in &contents.labels {
            match label {
                Label::Number(number) => largest = largest.max(*number),
                Label::Name(name) => texts.push(name.as_str()),
            }
        }
    }
    match (largest, texts.is_empty()) {
        (_, false) => Some(Labels::new(None, texts).classes),
        (0..100_000, true) => Some((0..=largest).map(|label| label.to_string()).collect()),
        _ => None,
    }
}

/// The files of a pattern: a path whose last part may have `*` in it; sorted. An [`Error::Missing`] where there are none.
fn matching(pattern: &str) -> Result<Vec<PathBuf>> {
    let path = Path::new(pattern);
    let nothing = || {
        let remedy =
            "name the files with data.train=…, data.validation=… and data.test=…, `*` stands for any letters";
        Err(Error::missing(pattern, "no such file", remedy))
    };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !name.contains('*') {
        return if path.is_file() { Ok(vec![path.to_path_buf()]) } else { nothing() };
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut files = listed(folder).unwrap_or_default();
    files.retain(|file| file.path.file_name().is_some_and(|file| fits(&file.to_string_lossy(), &name)));
    let files: Vec<PathBuf> = once(files).0.into_iter().map(|file| file.path).collect();
    if files.is_empty() { nothing() } else { Ok(files) }
}

/// Whether `name` is `pattern` with its `*` filled in.
fn fits(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|left| {
            (0..=left.len()).any(|at| left.is_char_boundary(at) && fits(&left[at..], rest))
        }),
    }
}

#[cfg(test)]
mod tests;
