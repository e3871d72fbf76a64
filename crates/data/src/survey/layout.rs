//! Which source reads a place, and with which keys.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use serde_yaml::{Mapping, Value};

use crate::error::first_few;
use crate::part::Part;
use crate::readers::csv::CsvFile;
use crate::readers::files::{images, is_image, relative, sorted, stem};
use crate::sources::LINKS;
use crate::{Error, Result, SourceSpec};

pub(super) struct Layout {
    pub source: &'static SourceSpec,
    pub options: Mapping,
    pub notes: Vec<String>,
}

impl Layout {
    pub fn new(source: &str, options: impl IntoIterator<Item = (&'static str, Value)>) -> Layout {
        let source = crate::find(source).expect("a source of this crate");
        let options = options.into_iter().map(|(key, value)| (Value::from(key), value)).collect();
        Layout { source, options, notes: Vec::new() }
    }
}

pub(super) fn text(path: &Path) -> Value {
    Value::from(path.display().to_string())
}

pub(super) fn recognise(path: &Path) -> Result<Layout> {
    if path.is_dir() {
        return folder(path);
    }
    if !path.is_file() {
        return Err(Error::missing(
            path.display(),
            "no such file or folder",
            "name the folder, CSV, npz or parquet of your images",
        ));
    }
    let extension =
        path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).unwrap_or_default();
    match extension.as_str() {
        "csv" | "tsv" | "txt" => table(path),
        "npz" => Ok(Layout::new("medmnist", [("path", text(path))])),
        "parquet" => parquet("train", path, path),
        _ => Err(Error::invalid(path.display(), "expected a folder, or a .csv, .tsv, .npz or .parquet file")),
    }
}

/// A folder of class folders, of one of the datasets that are known by name, of tables or of files of many images.
pub(super) fn folder(root: &Path) -> Result<Layout> {
    let has = |name: &str| root.join(name).exists();
    let here = |source| Ok(Layout::new(source, [("root", text(root))]));
    let entries = sorted(root)?;
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if entries.iter().any(|path| name(path).starts_with("ISIC2018_Task3_")) {
        return here("isic2018");
    }
    if has("cifar-10-batches-bin") || has("data_batch_1.bin") {
        return here("cifar10");
    }
    if has("cifar-100-binary") || has("train.bin") {
        return here("cifar100");
    }
    if has("train-images-idx3-ubyte") {
        let fashion = root.display().to_string().to_lowercase().contains("fashion");
        return here(if fashion { "fashion_mnist" } else { "mnist" });
    }
    let of_kind = |extension: &str| -> Vec<&PathBuf> {
        entries
            .iter()
            .filter(|path| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension)))
            .collect()
    };
    if let Some((_, files)) = crate::sources::parquet_below(root, LINKS)?.first() {
        return parquet("root", root, &files[0]);
    }
    if let [npz] = of_kind("npz")[..] {
        return Ok(Layout::new("medmnist", [("path", text(npz))]));
    }
    let folders: Vec<&PathBuf> = entries.iter().filter(|path| path.is_dir()).collect();
    let mut holding: Vec<&PathBuf> = Vec::new();
    for path in &folders {
        LINKS.check(path)?;
        match images(path, LINKS) {
            Ok(found) if found.is_empty() => {}
            Ok(_) => holding.push(path),
            // A folder that may not be read.
            Err(Error::Io { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if let Some(layout) = super::folders::class_folders(root, &folders, &holding)? {
        return Ok(layout);
    }
    let tables = [of_kind("csv"), of_kind("tsv")].concat();
    if !tables.is_empty() {
        let tried: Vec<(&PathBuf, Result<Layout>)> =
            tables.into_iter().map(|path| (path, table(path))).collect();
        let fits = tried.iter().filter(|(_, layout)| layout.is_ok()).count();
        let names: Vec<String> = tried.iter().map(|(path, _)| name(path)).collect();
        return match tried.into_iter().max_by_key(|(_, layout)| layout.is_ok()) {
            Some((_, layout)) if fits < 2 => layout,
            _ => Err(Error::invalid(
                root.display(),
                format!("several CSVs name images: {}; name the one to train on", first_few(&names)),
            )),
        };
    }
    match holding[..] {
        [only] if !entries.iter().any(|path| is_image(path)) => folder(only),
        _ => {
            let remedy = "expected one folder of images for each class, a CSV that names images and labels, an npz or parquet files";
            Err(Error::missing(root.display(), "nothing here says which class an image has", remedy))
        }
    }
}

/// Parquet at a place; `first` is one of its files.
fn parquet(key: &'static str, place: &Path, first: &Path) -> Result<Layout> {
    let columns = crate::readers::parquet::columns(first)?;
    let mut layout = Layout::new("parquet", [(key, text(place))]);
    for (key, names) in [("image", &IMAGES[..]), ("label", &LABELS), ("group", &GROUPS)] {
        let found =
            names.iter().find_map(|name| columns.iter().find(|column| column.to_lowercase() == *name));
        if let Some(column) = found.filter(|column| *column != key) {
            layout.options.insert(key.into(), column.as_str().into());
        }
    }
    Ok(layout)
}

/// Usual names of columns, the likeliest first.
const IMAGES: [&str; 6] = ["image", "img", "images", "picture", "jpg", "png"];
const LABELS: [&str; 12] = [
    "label",
    "fine_label",
    "class",
    "target",
    "diagnosis",
    "dx",
    "category",
    "labels",
    "class_name",
    "finding",
    "y",
    "diagnostic",
];
const GROUPS: [&str; 14] = [
    "patient_id",
    "patient",
    "patientid",
    "lesion_id",
    "lesion",
    "subject_id",
    "subject",
    "person_id",
    "person",
    "case_id",
    "study_id",
    "participant_id",
    "mrn",
    "group",
];
const PARTS: [&str; 5] = ["split", "part", "set", "subset", "partition"];

/// A CSV: the column of images is the one whose fields are files below its folder.
fn table(path: &Path) -> Result<Layout> {
    let csv = CsvFile::read(path)?;
    let root = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let files: HashSet<String> =
        images(root, LINKS)?.iter().map(|path| plain(&relative(root, path)).to_owned()).collect();
    let rows = csv.len().min(500);
    let share = |column: usize| {
        let found = csv.rows().take(rows).filter(|(_, fields)| files.contains(plain(fields.get(column))));
        found.count() as f64 / rows.max(1) as f64
    };
    let shares: Vec<f64> = (0..csv.header.len()).map(share).collect();
    let Some(image) = (0..shares.len())
        .rev()
        .max_by(|&a, &b| shares[a].total_cmp(&shares[b]))
        .filter(|&best| shares[best] >= 0.5)
    else {
        let problem = format!("no column names images below {}: {}", root.display(), first_few(&csv.header));
        return Err(Error::invalid(path.display(), problem));
    };
    let called = |names: &[&str]| {
        let is =
            |column: usize, name: &str| csv.header[column].to_lowercase().replace([' ', '-'], "_") == name;
        names
            .iter()
            .find_map(|name| (0..csv.header.len()).find(|&column| column != image && is(column, name)))
    };
    let values =
        |column: usize| -> BTreeSet<&str> { csv.rows().map(|(_, fields)| fields.get(column)).collect() };
    let group = called(&GROUPS);
    let part = called(&PARTS).filter(|&column| values(column).iter().all(|word| Part::parse(word).is_some()));
    let is_label = |column: &usize| {
        let count = values(*column).len();
        ![Some(image), group, part].contains(&Some(*column))
            && (2..=100).contains(&count)
            && count * 2 <= csv.len()
    };
    let Some(label) = called(&LABELS).or_else(|| (0..csv.header.len()).find(is_label)) else {
        let problem =
            format!("no column of labels is to be seen: {}; name one: data.label=…", first_few(&csv.header));
        return Err(Error::invalid(path.display(), problem));
    };
    let mut layout = Layout::new("csv", [("file", text(path))]);
    let mut put = |key: &str, column: usize| {
        if csv.header[column] != key {
            layout.options.insert(key.into(), csv.header[column].as_str().into());
        }
    };
    put("path", image);
    put("label", label);
    if let Some(group) = group {
        layout.options.insert("group".into(), csv.header[group].as_str().into());
    }
    if let Some(part) = part.filter(|&part| csv.header[part] != "split") {
        layout.options.insert("part".into(), csv.header[part].as_str().into());
    }
    Ok(layout)
}

/// A file's name alone, numbers without leading zeros: as the source `csv` finds it.
fn plain(name: &str) -> &str {
    crate::sources::unpadded(stem(name))
}
