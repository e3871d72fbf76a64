//! Folders that hold class folders: the classes, parts of them, several copies of one dataset.

use std::path::{Path, PathBuf};

use super::layout::{Layout, folder, text};
use crate::error::first_few;
use crate::part::Part;
use crate::readers::files::relative;
use crate::sources::{folders, holding_classes_again};
use crate::{Error, Result};

/// How `root` is read by its folders, of which `holding` hold images; nothing where they tell no classes.
pub(super) fn class_folders(root: &Path, all: &[&PathBuf], holding: &[&PathBuf]) -> Result<Option<Layout>> {
    let part = |path: &Path| Part::parse(&relative(root, path));
    let parts = holding.iter().filter(|path| part(path).is_some()).count();
    let is_labelled =
        |path: &&&PathBuf| part(path).is_some() && folders(path).is_ok_and(|inner| !inner.is_empty());
    let labelled: Vec<&PathBuf> = holding.iter().filter(is_labelled).copied().collect();
    let trains = labelled.iter().any(|path| part(path) == Some(Part::Train));
    if labelled.len() > 1 && (trains || parts == holding.len()) {
        return Ok(Some(Layout::new("folder", [("root", text(root))])));
    }
    if holding.len() < 2 {
        return Ok(None);
    }
    if let ([train], true) = (&labelled[..], trains)
        && parts == holding.len()
    {
        let mut layout = folder(train)?;
        let others = holding.iter().filter(|path| path != &train);
        layout.notes.extend(others.map(|path| {
            format!("`{}` has no class folders, so its images have no labels: left out", relative(root, path))
        }));
        return Ok(Some(layout));
    }
    if parts == holding.len() {
        return Ok(None);
    }
    let shared = shared(holding)?;
    if parts == 0 && shared.len() > 1 {
        return one_of_several(root, holding, &shared).map(Some);
    }
    classes(root, all, holding).map(Some)
}

/// Class folders. A folder that holds those of other classes once more is a part or a copy of them, and no class.
fn classes(root: &Path, all: &[&PathBuf], holding: &[&PathBuf]) -> Result<Layout> {
    let mut layout = Layout::new("folder", [("root", text(root))]);
    let names: Vec<String> = holding.iter().map(|path| relative(root, path)).collect();
    let again = holding_classes_again(root, &names)?;
    let mut kept = Vec::new();
    for name in &names {
        let holds_classes = again.iter().any(|(copy, _)| copy == name);
        match (Part::parse(name), holds_classes) {
            (Some(_), true) => layout.notes.push(format!(
                "`{name}` has the name of a part and holds the classes that are beside it once more: left out; to use it, move the class \
                 folders beside it into a folder `train`"
            )),
            (None, true) => layout.notes.push(format!(
                "`{name}` holds the classes once more (a copy, or augmented images): left out"
            )),
            (Some(part), false) if part != Part::Train => layout.notes.push(format!(
                "`{name}` has the name of a part and no class folders, so its images have no labels: left out; if it is a class, add it \
                 to `classes`"
            )),
            _ => kept.push(name.as_str()),
        }
    }
    let empty: Vec<String> =
        all.iter().filter(|path| !holding.contains(path)).map(|path| relative(root, path)).collect();
    if !empty.is_empty() {
        layout.notes.push(format!("no images in {}: left out", first_few(&empty)));
    }
    if kept.len() < all.len() {
        layout.options.insert("classes".into(), kept.into_iter().map(serde_yaml::Value::from).collect());
    }
    Ok(layout)
}

/// Names of folders that are in each of these, in any case.
fn shared(holding: &[&PathBuf]) -> Result<Vec<String>> {
    let inner = holding.iter().map(|path| folders(path)).collect::<Result<Vec<_>>>()?;
    let Some((first, others)) = inner.split_first() else { return Ok(Vec::new()) };
    let is_in = |names: &Vec<String>, name: &str| names.iter().any(|other| other.eq_ignore_ascii_case(name));
    Ok(first.iter().filter(|name| others.iter().all(|names| is_in(names, name))).cloned().collect())
}

/// Of folders with the same class folders the one whose name says that it is the original; an error where no name does.
fn one_of_several(root: &Path, holding: &[&PathBuf], shared: &[String]) -> Result<Layout> {
    let says = |path: &Path, is: fn(&str) -> bool| {
        let name = relative(root, path).to_lowercase();
        name.split(|letter: char| !letter.is_alphanumeric()).any(is)
    };
    let is_copy = |word: &str| word == "aug" || word.starts_with("augm");
    let is_original = |word: &str| ["original", "originals", "orig", "raw"].contains(&word);
    let others: Vec<&PathBuf> = holding.iter().copied().filter(|path| !says(path, is_copy)).collect();
    let named: Vec<&PathBuf> = others.iter().copied().filter(|path| says(path, is_original)).collect();
    let names: Vec<String> = holding.iter().map(|path| format!("`{}`", relative(root, path))).collect();
    let (names, shared) = (first_few(&names), first_few(shared));
    let (([chosen], _) | (_, [chosen])) = (&others[..], &named[..]) else {
        return Err(Error::missing(
            root.display(),
            format!(
                "{names} each hold the folders {shared}: they are copies of one dataset, or classes with the same folders within, and \
                 no name tells"
            ),
            format!(
                "if {shared} are the classes, name the folder to read, such as {}; if not, write a recipe with data: {{ name: folder, \
                 root: {} }}, which takes the outer folders for classes",
                holding[0].display(),
                root.display()
            ),
        ));
    };
    let mut layout = folder(chosen)?;
    layout.notes.push(format!(
        "{names} each hold the folders {shared}, as copies of one dataset do: `{}` alone is read, as an image and its copy must not be on \
         two sides of a split",
        relative(root, chosen)
    ));
    Ok(layout)
}
