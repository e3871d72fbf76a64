//! A CSV that names image files and their labels.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::labels::Labels;
use super::{FOLLOW_LINKS, Parts, SourceSpec, links};
use crate::error::{Mistakes, first_few};
use crate::part::Part;
use crate::readers::csv::CsvFile;
use crate::readers::files::leaves;
use crate::texts::repeated;
use crate::{Dataset, Error, Files, Images, Options, Result, Rows, Table, check_file, counted};
use located::Located;

mod by_name;
mod located;

pub const SPEC: SourceSpec = SourceSpec {
    name: "csv",
    summary: "a CSV with a path and a label for each image, and groups and parts if it has them",
    keys: &[
        ("file", "required", "the CSV; its columns are separated by commas, semicolons or tabs"),
        ("root", "the CSV's folder", "the folder that the paths are relative to"),
        ("path", "path", "the column of the paths"),
        ("label", "label", "the column of the labels"),
        ("group", "", "the column of the groups: lesion or patient"),
        ("part", "split, if there", "the column that says train, val or test"),
        ("extension", "", "added to each path; names without one are found by name below root in any case"),
        ("encoding", "UTF-8, else Latin-1", "of the CSV: utf-16, windows-1252, gbk …"),
        ("classes", "the labels that occur, sorted", "the labels, in label order"),
        (
            "confine",
            "false",
            "whether paths that lead out of root are refused, links among them; else their number is noted",
        ),
        FOLLOW_LINKS,
    ],
    open,
};

fn open(options: &Options) -> Result<Parts> {
    let file = options.path("file")?.ok_or_else(|| {
        Error::option("file", "expected the CSV that names the images, got nothing – data.file=…")
    })?;
    if !file.is_file() {
        special(&file)?;
        let remedy = "write a CSV with the columns `path` and `label`, or say where it is with data.file=…";
        return Err(Error::missing(file.display(), "no such file", remedy));
    }
    // Beside a file of the working directory stands its name alone.
    let folder =
        file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
    let root = options.path("root")?.unwrap_or(folder);
    let (links, confine) = (links(options)?, options.flag("confine")?.unwrap_or(false));
    let csv = CsvFile::read_as(&file, options.text("encoding")?.as_deref())?;
    let named = |key: &str, default: &str| Ok(options.text(key)?.unwrap_or_else(|| default.to_string()));
    let mut mistakes = Mistakes::default();
    let path = mistakes.take(column(&csv, "path", &named("path", "path")?));
    let label = mistakes.take(column(&csv, "label", &named("label", "label")?));
    let group_name = options.text("group")?;
    let group = group_name.as_deref().and_then(|name| mistakes.take(column(&csv, "group", name)));
    let part = match options.text("part")? {
        Some(name) => mistakes.take(column(&csv, "part", &name)),
        None => csv.find("split"),
    };
    let (Some(path), Some(label)) = (path, label) else {
        return Err(mistakes.end().expect_err("a column is missing"));
    };
    mistakes.end()?;
    let extension = options.text("extension")?.map(|text| format!(".{}", text.trim_start_matches('.')));
    let place = |id: &str| root.join(format!("{id}{}", extension.as_deref().unwrap_or_default()));
    let labels = Labels::new(options.texts("classes")?, csv.rows().map(|(_, fields)| fields.get(label)));

    let mut mistakes = Mistakes::default();
    let mut absent: Vec<&str> = Vec::new();
    let id_of = |row: usize| csv.row(row).get(path);
    let twice: HashMap<usize, usize> = repeated(csv.len(), id_of).into_iter().collect();
    // (row, part, label) of the rows that are no mistakes by themselves.
    let mut known: Vec<(usize, Part, u32)> = Vec::new();
    for (at, (line, fields)) in csv.rows().enumerate() {
        let id = fields.get(path);
        let mut wrong = |problem: String| mistakes.push(csv.wrong(line, format!("{id}: {problem}")));
        if let Some(first) = twice.get(&at).map(|&first| csv.line(first)) {
            wrong(format!("expected one row for an image, got two – the other is in line {first}; keep one"));
        }
        let word = part.map_or("train", |part| fields.get(part));
        let side = Part::parse(word);
        if side.is_none() {
            wrong(format!(
                "expected train, val or test, got `{word}` – write one of them, or take the row out"
            ));
        }
        let text = fields.get(label);
        if text.is_empty() {
            wrong("expected a label, got nothing – write it, or take the row out".to_owned());
            continue;
        }
        if text.contains('|') {
            wrong(format!(
                "expected one label, got `{text}`, which are several – images of several labels are not supported; keep one"
            ));
            continue;
        }
        let label = mistakes.take(labels.find(text, || format!("{}:{line}", file.display())));
        let (Some(side), Some(label)) = (side, label) else { continue };
        known.push((at, side, label));
    }
    let id_of_known = |at: usize| id_of(known[at].0);
    let located = Located::new(known.len(), |at| place(id_of_known(at)), id_of_known, (&root, links));
    let Some(located) = mistakes.take(located) else {
        return Err(mistakes.end().expect_err("what cannot be listed"));
    };
    // Rows of files that others may name as well, by their paths without links: in the table, and in the CSV.
    let mut of_file: HashMap<(Part, PathBuf), (usize, usize)> = HashMap::new();
    let mut again = 0;
    let mut leaving = Vec::new();
    let real_root =
        if confine { Some(std::fs::canonicalize(&root).map_err(Error::io(&root))?) } else { None };
    let mut sides: [(Rows, Files); 3] = Default::default();
    for (at, &(row, side, label)) in known.iter().enumerate() {
        let (id, line) = (id_of(row), csv.line(row));
        let group = group.map(|group| csv.row(row).get(group)).filter(|group| !group.is_empty());
        let image = located.named(at).map_or_else(|| place(id), PathBuf::clone);
        let Some(about) = located.about(at) else {
            // What is there and never opened is told here.
            if mistakes.take(special(&image)).is_some() {
                absent.push(id);
            }
            continue;
        };
        if leaves(&image, &root) {
            leaving.push(id);
        }
        let is_outside = |root| std::fs::canonicalize(&image).is_ok_and(|real| !real.starts_with(root));
        if real_root.as_ref().is_some_and(is_outside) {
            let problem = format!(
                "{id}: leads out of {}, and `confine` is true – expected a file below it",
                root.display()
            );
            mistakes.push(csv.wrong(line, problem));
        }
        let (rows, files) = &mut sides[side as usize];
        let real = located.is_shared(at).then(|| std::fs::canonicalize(&image).ok()).flatten();
        match real.map(|real| of_file.entry((side, real))) {
            Some(Entry::Occupied(first)) => {
                let (first, of_first) = *first.get();
                if (rows.label(first), rows.group(first)) == (label, group) {
                    again += 1;
                    continue;
                }
                let problem = format!(
                    "{id}: the same file as {} in line {}, with another label or group – expected one row for a file – keep one",
                    rows.id(first),
                    csv.line(of_first)
                );
                mistakes.push(csv.wrong(line, problem));
            }
            Some(Entry::Vacant(free)) => _ = free.insert((rows.len(), row)),
            None => {}
        }
        rows.push(id, label, group);
        files.push(&image, Some(about));
    }
    mistakes.end()?;
    if !absent.is_empty() {
        let (there, all) = (place(absent[0]), csv.len());
        return Err(Error::missing(
            file.display(),
            format!(
                "{} of {all} images are not there, nor a single file of their names: {}",
                absent.len(),
                first_few(&absent)
            ),
            format!("expected the first at {}; say where the images are with data.root=…", there.display()),
        ));
    }
    if csv.len() == 0 {
        return Err(Error::invalid(file.display(), "expected images, got a header alone"));
    }
    let mut parts = Parts::default();
    if again > 0 {
        let number = counted(again, "row");
        parts.notes.push(format!(
            "{}: {number} of files that another row names otherwise: counted once",
            file.display()
        ));
    }
    if !leaving.is_empty() {
        let (number, root, few) = (counted(leaving.len(), "path"), root.display(), first_few(&leaving));
        parts.notes.push(format!(
            "{}: {number} out of {root}: {few} (`confine: true` refuses them)",
            file.display()
        ));
    }
    for (part, (rows, files)) in Part::ALL.into_iter().zip(sides) {
        if !rows.is_empty() {
            let (place, group_name) = (file.display().to_string(), group_name.clone());
            let table = Table::new(&place, labels.classes.clone(), group_name, rows, Images::Files(files))?;
            let table: Arc<dyn Dataset> = Arc::new(table);
            *parts.slot(part) = Some(table);
        }
    }
    Ok(parts)
}

/// A whole number without its leading zeros; anything else as it is.
pub(crate) fn unpadded(name: &str) -> &str {
    let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { name.trim_start_matches('0') } else { name }
}

/// An error for what is there and is no file and no folder.
fn special(path: &Path) -> Result<()> {
    match check_file(path) {
        Err(error @ Error::Invalid { .. }) => Err(error),
        _ => Ok(()),
    }
}

/// A column, and the key that names another where it is not there.
fn column(csv: &CsvFile, key: &str, name: &str) -> Result<usize> {
    csv.column(name, &format!("name another with data.{key}=…"))
}

#[cfg(test)]
mod tests;
