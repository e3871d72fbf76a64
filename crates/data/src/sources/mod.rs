//! Where images come from: one file per source that a recipe can name, the list of them, and what several share (labels, the hub).
//! What a format means stands in `readers`; a source knows names, keys, layouts and classes.

use std::path::Path;
use std::sync::Arc;

use crate::error::first_few;
use crate::part::Part;
use crate::readers::binary::Loaded;
use crate::readers::expansion::MAX_EXPANSION;
use crate::readers::files::Links;
use crate::{Dataset, Error, Options, Result, Row, Table, suggestion};

mod cifar;
mod csv;
mod folder;
mod hub;
mod isic2018;
mod labels;
mod medmnist;
mod mnist;
mod parquet;

pub(crate) use csv::unpadded;
pub(crate) use folder::{folders, holding_classes_again};
pub(crate) use parquet::below as parquet_below;

/// The key of what a file may unpack to, for sources whose files are packed.
const EXPANSION: (&str, &str, &str) = (
    "max_expansion",
    "100",
    "times its own size that a file may unpack to, where that is more than 256 MiB; one of more is refused while it unpacks",
);

/// What [`EXPANSION`] says.
fn max_expansion(options: &Options) -> Result<u64> {
    match options.integer(EXPANSION.0)?.unwrap_or(MAX_EXPANSION) {
        0 => Err(Error::option(EXPANSION.0, "expected a whole number, 1 or more, got 0")),
        times => Ok(times),
    }
}

/// The key of links, for sources that list folders.
const FOLLOW_LINKS: (&str, &str, &str) = (
    "follow_links",
    "false",
    "whether links to folders are followed, each folder once; else they are an error; links to files always are",
);

/// What [`FOLLOW_LINKS`] says.
fn links(options: &Options) -> Result<Links> {
    Ok(if options.flag(FOLLOW_LINKS.0)?.unwrap_or(false) { Links::Followed } else { LINKS })
}

/// Where a recipe says nothing of links.
pub(crate) const LINKS: Links =
    Links::Refused("take it out, or follow such links, each folder once, with data.follow_links=true");

/// A kind of dataset that a recipe can name: `data: { name: …, <keys> }`.
pub struct SourceSpec {
    pub name: &'static str,
    /// What it is, one line.
    pub summary: &'static str,
    /// (key, default, meaning); an empty default means that the key may be left out, `required` that it may not.
    pub keys: &'static [(&'static str, &'static str, &'static str)],
    /// Reads everything but the images. Keys were checked by [`SourceSpec::read`], values are not.
    pub open: fn(&Options) -> Result<Parts>,
}

/// The official parts of a dataset, those that exist.
#[derive(Clone, Default)]
pub struct Parts {
    pub train: Option<Arc<dyn Dataset>>,
    pub validation: Option<Arc<dyn Dataset>>,
    pub test: Option<Arc<dyn Dataset>>,
    /// What a person should know about the files, one sentence each.
    pub notes: Vec<String>,
}

/// Every source of this build, in the order `list` shows them.
pub const SOURCES: &[&SourceSpec] = &[
    &crate::synthetic::SPEC,
    &isic2018::SPEC,
    &folder::SPEC,
    &csv::SPEC,
    &medmnist::SPEC,
    &mnist::MNIST,
    &mnist::FASHION,
    &cifar::CIFAR10,
    &cifar::CIFAR100,
    &parquet::SPEC,
];

/// The source called `name`.
pub fn find(name: &str) -> Option<&'static SourceSpec> {
    SOURCES.iter().copied().find(|spec| spec.name == name)
}

impl SourceSpec {
    /// Every key of `options` that this source does not know, as errors.
    pub fn unknown(&self, options: &Options) -> Vec<Error> {
        let known: Vec<&str> = self.keys.iter().map(|(key, ..)| *key).collect();
        let unknown = options.keys().filter(|key| !known.contains(&key.as_str()));
        unknown
            .map(|key| {
                let near = suggestion(&key, known.iter().copied());
                let problem = format!("`{}` has no such key{near}", self.name);
                Error::option(key, problem)
            })
            .collect()
    }

    /// Checks the keys, then opens.
    ///
    /// # Errors
    /// [`Error::Option`] for an unknown key or a value of another kind; what the files lack or hold that does not fit.
    pub fn read(&self, options: &Options) -> Result<Parts> {
        match self.unknown(options).into_iter().next() {
            Some(error) => Err(error),
            None => {
                let parts = (self.open)(options)?;
                if let Some(classes) = options.texts("classes")? {
                    parts.check_used(&classes)?;
                }
                Ok(parts)
            }
        }
    }
}

impl Parts {
    /// The parts that are there.
    pub fn all(&self) -> impl Iterator<Item = &Arc<dyn Dataset>> {
        [&self.train, &self.validation, &self.test].into_iter().flatten()
    }

    /// With each part as `change` makes it.
    pub fn map(self, change: impl Fn(Arc<dyn Dataset>) -> Arc<dyn Dataset>) -> Parts {
        Parts {
            train: self.train.map(&change),
            validation: self.validation.map(&change),
            test: self.test.map(&change),
            notes: self.notes,
        }
    }

    /// Classes that a recipe names have images in some part.
    fn check_used(&self, classes: &[String]) -> Result<()> {
        let mut counts = vec![0; classes.len()];
        for part in self.all() {
            (0..part.len()).for_each(|index| counts[part.label(index) as usize] += 1);
        }
        let unused: Vec<&str> = classes
            .iter()
            .zip(&counts)
            .filter(|(_, count)| **count == 0)
            .map(|(class, _)| class.as_str())
            .collect();
        if unused.is_empty() {
            return Ok(());
        }
        let problem =
            format!("no image has the class {} – take it out, or correct its name", first_few(&unused));
        Err(Error::option("classes", problem))
    }

    /// Rows of pixels as datasets; ids are `<part>/<row>`.
    fn of(loaded: Loaded, place: &Path, classes: &[String]) -> Result<Parts> {
        let mut parts = Parts::default();
        for (part, images, labels) in loaded {
            let rows = labels.into_iter().enumerate();
            let rows =
                rows.map(|(row, label)| Row { id: format!("{}/{row}", part.name()), label, group: None });
            let place = place.display().to_string();
            let table = Table::new(&place, classes.to_vec(), None, rows.collect(), images)?;
            *parts.slot(part) = Some(Arc::new(table));
        }
        Ok(parts)
    }

    fn slot(&mut self, part: Part) -> &mut Option<Arc<dyn Dataset>> {
        match part {
            Part::Train => &mut self.train,
            Part::Validation => &mut self.validation,
            Part::Test => &mut self.test,
        }
    }
}

#[cfg(test)]
mod tests;
