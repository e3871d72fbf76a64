//! Where images come from: one file per source, and the list of them.

use std::sync::Arc;

pub use folder::{EXTENSIONS, images_below};
use labels::Part;

use crate::{Dataset, Error, Options, Result, suggestion};

mod candle;
mod cifar;
mod csv;
pub(crate) mod csv_file;
mod folder;
mod hub;
mod isic2018;
pub(crate) mod labels;
mod medmnist;
mod mnist;
mod npz;
mod parquet;
mod parquet_file;

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
    pub fn read(&self, options: &Options) -> Result<Parts> {
        match self.unknown(options).into_iter().next() {
            Some(error) => Err(error),
            None => (self.open)(options),
        }
    }
}

impl Parts {
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
