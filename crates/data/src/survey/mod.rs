//! What somebody's images are, seen without a recipe: which source reads them, with which keys, and what a person should know
//! before training on them. Nothing is decoded but headers; of every file the beginning and the end are read.

mod facts;
mod folders;
mod groups;
mod layout;

use std::collections::HashSet;
use std::path::Path;

use serde_yaml::Mapping;
use tallow_seed::Seed;

use crate::{Dataset, Decoded, Error, Identical, Options, Parts, Result, SourceSpec, identical};
pub use facts::{Facts, Sides};
pub use groups::{GroupGuess, GroupLeak, groups_of_names};

/// What [`survey`] found.
pub struct Survey {
    pub source: &'static SourceSpec,
    /// The keys of `data` that the source is opened with.
    pub options: Mapping,
    pub parts: Parts,
    /// What was seen on the way, one sentence each.
    pub notes: Vec<String>,
    pub facts: Facts,
    pub identical: Identical,
    /// Groups that the names of images suggest, where the source has none of its own.
    pub groups: Option<GroupGuess>,
    /// Groups of the source's own that are in several parts.
    pub own_leak: GroupLeak,
}

/// Looks at a folder, CSV, npz or parquet file.
///
/// Of a large set the headers of 2,000 images are read, spread evenly; bytes only of files that have a size in common.
///
/// # Errors
/// Nothing that a source reads; what the source answers, such as labels that are missing; no training part.
pub fn survey(path: &Path, workers: usize) -> Result<Survey> {
    let layout::Layout { source, options, notes } = layout::recognise(path)?;
    let parts = source.read(&Options::new(options.clone(), Seed::new(1)))?;
    if parts.train.is_none() {
        let remedy =
            "put what to learn from into a folder `train`, or mark it `train` in the column of parts";
        return Err(Error::missing(path.display(), "no training part here", remedy));
    }
    let named = named(&parts);
    let facts = facts::facts(&named, workers)?;
    let mut identical = identical(&named, &Decoded::default(), workers)?;
    // Two empty files are no copies.
    let unreadable: HashSet<&str> = facts.unreadable.iter().map(|(id, _)| id.as_str()).collect();
    identical.0.retain(|set| set.iter().all(|place| !unreadable.contains(place.id.as_str())));
    let own = named.iter().any(|(_, part)| (0..part.len()).any(|index| part.group(index).is_some()));
    let groups = if own { None } else { groups_of_names(&named) };
    let own_leak = groups::own_leak(&named);
    Ok(Survey { source, options, notes, facts, identical, groups, own_leak, parts })
}

/// The parts that are there, by name.
fn named(parts: &Parts) -> Vec<(&str, &dyn Dataset)> {
    let all = [("train", &parts.train), ("validation", &parts.validation), ("test", &parts.test)];
    all.into_iter().filter_map(|(name, part)| Some((name, &**part.as_ref()?))).collect()
}

#[cfg(test)]
mod tests;
