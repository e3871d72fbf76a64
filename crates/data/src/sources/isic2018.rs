//! ISIC 2018 Task 3: dermoscopic images of seven diagnoses, the challenge's own folders and files.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::{FOLLOW_LINKS, Parts, SourceSpec, links};
use crate::error::{Mistakes, first_few};
use crate::readers::csv::CsvFile;
use crate::readers::files::{Found, Links, listed};
use crate::{Dataset, Error, Files, Images, Options, Result, Row, Rows, Table, counted};

pub const SPEC: SourceSpec = SourceSpec {
    name: "isic2018",
    summary: "ISIC 2018 Task 3: dermoscopic images, 7 diagnoses, 10,015 / 193 / 1,512 (CC BY-NC)",
    keys: &[
        ("root", "data/isic2018", "the folder that the challenge's zip files were unpacked in"),
        FOLLOW_LINKS,
    ],
    open,
};

/// In the order of the ground truth's columns, which is the order of the challenge.
const CLASSES: [&str; 7] = ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"];
const GROUPINGS: &str = "ISIC2018_Task3_Training_LesionGroupings.csv";
/// What to do about a file that is not the challenge's.
const AGAIN: &str = "unpack the challenge's own file again";
const ADDRESS: &str = "https://isic-archive.s3.amazonaws.com/challenges/2018/";

fn open(options: &Options) -> Result<Parts> {
    let root = options.path("root")?.unwrap_or_else(|| "data/isic2018".into());
    let (links, mut notes) = (links(options)?, Vec::new());
    let parts = Parts {
        train: part(&root, "Training", links, &mut notes)?,
        validation: part(&root, "Validation", links, &mut notes)?,
        test: part(&root, "Test", links, &mut notes)?,
        notes,
    };
    if parts.train.is_none() && parts.validation.is_none() && parts.test.is_none() {
        let files = "ISIC2018_Task3_Training_Input.zip (2.6 GB), ISIC2018_Task3_Training_GroundTruth.zip and \
                     ISIC2018_Task3_Training_LesionGroupings.csv (and …_Validation_… and …_Test_…, each optional)";
        return Err(Error::missing(
            root.display(),
            "no ISIC 2018 Task 3 here",
            format!(
                "download {files} from {ADDRESS}, unpack them in {}, or say where they are with data.root=…",
                root.display()
            ),
        ));
    }
    Ok(parts)
}

/// One part; `None` where neither its images nor its ground truth are there.
fn part(root: &Path, part: &str, links: Links, notes: &mut Vec<String>) -> Result<Option<Arc<dyn Dataset>>> {
    let folder = root.join(format!("ISIC2018_Task3_{part}_Input"));
    let truth = format!("ISIC2018_Task3_{part}_GroundTruth");
    let places = [root.join(&truth).join(format!("{truth}.csv")), root.join(format!("{truth}.csv"))];
    let table = places.iter().find(|path| path.is_file());
    let lacks = |missing: &Path, zip: &str| {
        let remedy = format!(
            "download {ADDRESS}{zip} and unpack it in {}, or say where the data is with data.root=…",
            root.display()
        );
        Error::missing(missing.display(), format!("the {part} part has no such file or folder"), remedy)
    };
    match (folder.is_dir(), table) {
        (false, None) => Ok(None),
        (true, None) => Err(lacks(&places[0], &format!("{truth}.zip"))),
        (false, Some(_)) => Err(lacks(&folder, &format!("ISIC2018_Task3_{part}_Input.zip"))),
        (true, Some(table)) => {
            links.check(&folder)?;
            let files = jpegs(&folder, links)?;
            Ok(Some(Arc::new(read(root, part, &folder, files, table, notes)?)))
        }
    }
}

fn read(
    root: &Path,
    part: &str,
    folder: &Path,
    files: HashMap<String, Found>,
    table: &Path,
    notes: &mut Vec<String>,
) -> Result<Table> {
    let truth = labels(table)?;
    let absent: Vec<&str> =
        truth.iter().filter(|(id, _)| !files.contains_key(id)).map(|(id, _)| id.as_str()).collect();
    if !absent.is_empty() {
        return Err(Error::missing(
            folder.display(),
            format!("{} of {} images are not here: {}", absent.len(), truth.len(), first_few(&absent)),
            format!(
                "unpack ISIC2018_Task3_{part}_Input.zip again, or take their rows out of {}",
                table.display()
            ),
        ));
    }
    check_twice(folder, &truth, &files)?;
    let named: HashSet<&str> = truth.iter().map(|(id, _)| id.as_str()).collect();
    let mut spare: Vec<&str> = files.keys().map(String::as_str).filter(|id| !named.contains(id)).collect();
    spare.sort_unstable();
    if !spare.is_empty() {
        let (folder, table) = (folder.display(), table.display());
        let (number, named) = (counted(spare.len(), "image"), first_few(&spare));
        notes.push(format!("{folder}: {number} without a row in {table}: {named}"));
    }
    let groupings = root.join(GROUPINGS);
    let lesions = if part == "Training" { lesions(&groupings, notes)? } else { None };
    let ungrouped = lesions
        .as_ref()
        .map_or(0, |lesions| truth.iter().filter(|(id, _)| !lesions.contains_key(id)).count());
    if ungrouped > 0 {
        notes.push(format!(
            "{ungrouped} training images are in no lesion grouping; each counts as a lesion of its own"
        ));
    }
    let group = |id: &String| lesions.as_ref().and_then(|lesions| lesions.get(id)).cloned();
    let paths: Files = truth.iter().map(|(id, _)| files[id].path.clone()).collect();
    let rows: Rows =
        truth.iter().map(|(id, label)| Row { id: id.clone(), label: *label, group: group(id) }).collect();
    let name = lesions.is_some().then(|| "lesion_id".to_string());
    let classes = CLASSES.map(String::from).to_vec();
    let table = Table::new(&table.display().to_string(), classes, name, rows, Images::Files(paths))?;
    Ok(table.with_group_place(groupings.display()))
}

/// (image, label), one-hot in the file: exactly one of the seven columns above a half. Further columns are allowed. Errs with
/// every mistake.
fn labels(path: &Path) -> Result<Vec<(String, u32)>> {
    let csv = CsvFile::read(path)?;
    let mut mistakes = Mistakes::default();
    let image = mistakes.take(csv.column("image", AGAIN));
    let columns: Vec<usize> =
        CLASSES.iter().filter_map(|class| mistakes.take(csv.column(class, AGAIN))).collect();
    let Some(image) = image.filter(|_| columns.len() == CLASSES.len()) else {
        return Err(mistakes.end().expect_err("a column is missing"));
    };
    let mut seen: HashMap<&str, u64> = HashMap::new();
    let mut labels = Vec::with_capacity(csv.len());
    for (line, fields) in csv.rows() {
        let id = fields.get(image);
        let mut wrong = |problem: String| mistakes.push(csv.wrong(line, format!("{id}: {problem}")));
        if let Some(first) = seen.insert(id, line) {
            wrong(format!("expected one row for an image, got two – the other is in line {first}; keep one"));
        }
        let values: Vec<Option<f64>> =
            columns.iter().map(|&column| fields.get(column).parse().ok()).collect();
        if let Some(class) = values.iter().position(Option::is_none) {
            wrong(format!("{}: expected 0 or 1, got `{}`", CLASSES[class], fields.get(columns[class])));
            continue;
        }
        let hot: Vec<usize> = (0..values.len()).filter(|&class| values[class] > Some(0.5)).collect();
        match hot[..] {
            [class] => labels.push((id.to_owned(), class as u32)),
            _ => wrong(format!("expected one class of 1, got {}", hot.len())),
        }
    }
    mistakes.end()?;
    Ok(labels)
}

/// The JPEGs of a folder by name without extension. Folders in it have none of the challenge, but links to folders go by the rule.
fn jpegs(folder: &Path, links: Links) -> Result<HashMap<String, Found>> {
    let is_jpeg = |file: &Found| {
        let extension = file.path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        matches!(extension.to_lowercase().as_str(), "jpg" | "jpeg")
    };
    let name = |file: &Found| Some(file.path.file_stem()?.to_str()?.to_owned());
    let (folders, files): (Vec<Found>, Vec<Found>) =
        listed(folder)?.into_iter().partition(|entry| entry.path.is_dir());
    folders.iter().try_for_each(|folder| links.check(&folder.path))?;
    Ok(files.into_iter().filter(is_jpeg).filter_map(|file| Some((name(&file)?, file))).collect())
}

/// No image of the challenge is a link to another.
fn check_twice(folder: &Path, truth: &[(String, u32)], files: &HashMap<String, Found>) -> Result<()> {
    let mut of: HashMap<&Path, &str> = HashMap::new();
    for (id, _) in truth {
        if let Some(first) = of.insert(&files[id].real, id) {
            let problem = format!(
                "{first} and {id} are one file, by a link – expected a file for each image – {AGAIN}"
            );
            return Err(Error::invalid(folder.display(), problem));
        }
    }
    Ok(())
}

/// Image to lesion; `None`, and a note, where the file is not there.
fn lesions(path: &Path, notes: &mut Vec<String>) -> Result<Option<HashMap<String, String>>> {
    if !path.is_file() {
        notes.push(format!(
            "{}: not there, so nothing keeps two images of a lesion on one side of a split; download {ADDRESS}{GROUPINGS}",
            path.display()
        ));
        return Ok(None);
    }
    let csv = CsvFile::read(path)?;
    let (image, lesion) = (csv.column("image", AGAIN)?, csv.column("lesion_id", AGAIN)?);
    let lesions = csv.rows().map(|(_, fields)| (fields.get(image).to_owned(), fields.get(lesion).to_owned()));
    Ok(Some(lesions.filter(|(_, lesion)| !lesion.is_empty()).collect()))
}

#[cfg(test)]
mod tests;
