//! `predict … --explain DIR`: a picture of each image beside what of it speaks for a class.

use super::super::refused;
use super::Answer;
use crate::arguments::Explaining;
use candle_core::Tensor;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use tallow_data::Dataset;
use tallow_report::{Progress, Sheet, Tile, overlay};
use tallow_train::{Error, Explained, Explainer, Model};

/// Side of each picture of a pair, in pixels; smaller images are enlarged by a whole factor.
const SIDE: u32 = 384;

/// Maps that were asked for.
pub struct Maps<'a> {
    folder: PathBuf,
    explainer: Explainer<'a>,
    classes: &'a [String],
    /// The class to ask about; the predicted one where there is none.
    pub class: Option<usize>,
}

impl<'a> Maps<'a> {
    /// None where none are asked for. Makes the folder. `size` is that of values, (height, width), where they are not the model's.
    pub fn asked(
        model: &'a Model,
        explaining: &Explaining,
        size: Option<(usize, usize)>,
    ) -> Result<Option<Maps<'a>>, Error> {
        let Some(folder) = &explaining.explain else { return Ok(None) };
        let classes = &model.classes;
        let place = |name: &String| {
            let found = classes.iter().position(|class| class == name);
            found.ok_or_else(|| {
                let known = classes.join(", ");
                Error::recipe(format!(
                    "--class {name}: the checkpoint has no such class – expected one of {known}"
                ))
            })
        };
        let class = explaining.class.as_ref().map(place).transpose()?;
        let explainer = Explainer::new(model, explaining.method, explaining.tap.as_deref(), size)?;
        std::fs::create_dir_all(folder).map_err(|error| refused("--explain", folder, error))?;
        Ok(Some(Maps { folder: folder.clone(), explainer, classes, class }))
    }

    /// One picture for each image, named as it is, with the folders above where two have one name.
    pub fn write(
        &self,
        images: &Arc<dyn Dataset>,
        answers: &[Answer],
        progress: &Progress,
    ) -> anyhow::Result<()> {
        let ids: Vec<&Path> = (0..images.len()).map(|index| Path::new(images.id(index))).collect();
        let names = names(&ids);
        let classes: Vec<usize> = answers.iter().map(|(class, _)| *class).collect();
        self.explainer.over(images, &classes, progress, |index, explained| -> anyhow::Result<()> {
            let file = ids[index]
                .file_name()
                .map_or(ids[index].display().to_string(), |name| name.to_string_lossy().into_owned());
            self.picture(&names[index], &file, &explained, answers[index])
        })?;
        let folder = self.folder.display();
        let (method, tap) = (self.explainer.method.name(), &self.explainer.tap);
        progress.note(&format!("maps by {method} at {tap}: {folder}"));
        Ok(())
    }

    /// The same for normalised values (R, 3, H, W), rows from `start` on.
    pub fn write_rows(&self, start: usize, values: &Tensor, answers: &[Answer]) -> anyhow::Result<()> {
        let classes: Vec<usize> = answers.iter().take(values.dim(0)?).map(|(class, _)| *class).collect();
        let explained = self.explainer.look(values, &classes)?;
        for ((row, explained), answer) in (start..).zip(&explained).zip(answers) {
            self.picture(&format!("row{row}.png"), &format!("row {row}"), explained, *answer)?;
        }
        Ok(())
    }

    fn picture(&self, name: &str, id: &str, seen: &Explained, (class, share): Answer) -> anyhow::Result<()> {
        let Explained { image, map } = seen;
        let (class, Explainer { method, tap, .. }) = (&self.classes[class], &self.explainer);
        let how = format!("{} at {tap}", method.name());
        let nothing = map.iter().all(|value| *value == 0.0);
        let note = if nothing { format!("nothing speaks for it, {how}") } else { how };
        let tile = |image, note: String| Tile { image, note, shares: Vec::new(), sources: Vec::new() };
        let largest = image.width.max(image.height);
        let sheet = Sheet {
            title: format!("{class} {share:.3} · {id}"),
            tiles: vec![
                tile(image.clone(), "as the network saw it".into()),
                tile(overlay(image, map)?, note),
            ],
            columns: Some(2),
            side: Some(if largest > SIDE { SIDE } else { SIDE / largest * largest }),
            ..Sheet::default()
        };
        Ok(sheet.write(&self.folder.join(name))?)
    }
}

/// `lesion.jpg.png` for each path; with the fewest folders above it that tell it from all others, `a_lesion.jpg.png`.
fn names(paths: &[&Path]) -> Vec<String> {
    // Folders and the file itself: neither a root nor `.` or `..`.
    let end = |path: &Path, parts: usize| {
        let named = path.components().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy()),
            _ => None,
        });
        let all: Vec<_> = named.collect();
        all[all.len().saturating_sub(parts)..].join("_")
    };
    let longest = paths.iter().map(|path| path.components().count()).max().unwrap_or(1);
    let mut names: Vec<String> = paths.iter().map(|path| end(path, 1)).collect();
    for parts in 2..=longest {
        let mut counts: HashMap<String, usize> = HashMap::new();
        names.iter().for_each(|name| *counts.entry(name.clone()).or_default() += 1);
        for (name, path) in names.iter_mut().zip(paths) {
            if counts[name] > 1 {
                *name = end(path, parts);
            }
        }
    }
    // Paths may differ in what a name does not keep: `a_b/c` and `a/b_c`.
    let mut seen: HashMap<String, usize> = HashMap::new();
    for name in &mut names {
        let before = seen.entry(name.clone()).or_default();
        *before += 1;
        if *before > 1 {
            *name = format!("{name}_{before}");
        }
        *name += ".png";
    }
    names
}

#[cfg(test)]
mod tests {
    use super::names;
    use std::path::Path;

    #[test]
    fn every_picture_has_a_name_of_its_own() {
        let of = |paths: &[&str]| names(&paths.iter().map(|path| Path::new(*path)).collect::<Vec<_>>());
        assert_eq!(of(&["x/a.jpg", "x/b.png"]), ["a.jpg.png", "b.png.png"]);
        assert_eq!(of(&["x/1/a.jpg", "x/2/a.jpg", "b.jpg"]), ["1_a.jpg.png", "2_a.jpg.png", "b.jpg.png"]);
        assert_eq!(of(&["a.jpg", "/d/a.jpg"]), ["a.jpg.png", "d_a.jpg.png"]);
        assert_eq!(of(&["x_y/a.jpg", "x/y_a.jpg"]), ["a.jpg.png", "y_a.jpg.png"]);
        assert_eq!(of(&["./a.jpg", "a.jpg"]), ["a.jpg.png", "a.jpg_2.png"]);
    }
}
