//! Counts, sizes, formats and depths.

use std::collections::{BTreeMap, HashSet};

use crate::decode::limit::check_pixels;
use crate::identical::in_threads;
use crate::{Broken, Dataset, Encoded, Result, decode, truncated};

/// Headers read at most.
pub const SAMPLE: usize = 2000;

/// What the images of all parts are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub classes: Vec<String>,
    /// (part, images of each class).
    pub counts: Vec<(String, Vec<usize>)>,
    /// Of this many images the header was read.
    pub sampled: usize,
    pub widths: Sides,
    pub heights: Sides,
    /// Images of each kind, such as `JPEG, RGB, 8 bits`, in the sample.
    pub kinds: BTreeMap<String, usize>,
    /// (id, reason) of files that end early or are no images, of all that there are, and of headers in the sample that cannot be read.
    pub unreadable: Vec<(String, String)>,
}

/// Least, median and greatest of a side, pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sides {
    pub least: u32,
    pub median: u32,
    pub greatest: u32,
}

impl Facts {
    /// Images of a class in a part.
    pub fn of(&self, part: &str, class: usize) -> usize {
        self.counts.iter().find(|(name, _)| name == part).map_or(0, |(_, counts)| counts[class])
    }

    /// Of [`Facts::unreadable`] how many are images that end early.
    pub fn ending_early(&self) -> usize {
        self.unreadable.iter().filter(|(_, reason)| reason.starts_with("truncated")).count()
    }

    /// Images of a part.
    pub fn images(&self, part: &str) -> usize {
        self.counts.iter().filter(|(name, _)| name == part).flat_map(|(_, counts)| counts).sum()
    }
}

pub(super) fn facts(parts: &[(&str, &dyn Dataset)], workers: usize) -> Result<Facts> {
    let mut facts = Facts::default();
    for (name, part) in parts {
        facts.classes = part.classes().to_vec();
        let mut counts = vec![0; facts.classes.len()];
        (0..part.len()).for_each(|index| counts[part.label(index) as usize] += 1);
        facts.counts.push(((*name).to_owned(), counts));
        facts
            .unreadable
            .extend(truncated(*part, workers).into_iter().map(|Broken { id, reason, .. }| (id, reason)));
    }
    let all: Vec<(&dyn Dataset, usize)> =
        parts.iter().flat_map(|(_, part)| (0..part.len()).map(|index| (*part, index))).collect();
    let step = all.len().div_ceil(SAMPLE).max(1);
    let sample: Vec<_> = all.into_iter().step_by(step).collect();
    facts.sampled = sample.len();
    let headers = in_threads(sample.len(), workers, |at| {
        let (part, index) = sample[at];
        Ok(part.image(index).and_then(|image| header(&image, part.max_pixels())))
    })?;
    let mut sizes = [Vec::new(), Vec::new()];
    let known: HashSet<String> = facts.unreadable.iter().map(|(id, _)| id.clone()).collect();
    for ((part, index), header) in sample.into_iter().zip(headers) {
        match header {
            Ok((width, height, kind)) => {
                sizes[0].push(width);
                sizes[1].push(height);
                *facts.kinds.entry(kind).or_default() += 1;
            }
            Err(error) => {
                let id = part.id(index);
                if !known.contains(id) {
                    facts.unreadable.push((id.to_owned(), error.to_string()));
                }
            }
        }
    }
    [facts.widths, facts.heights] = sizes.map(sides);
    Ok(facts)
}

fn header(image: &Encoded, most: u64) -> Result<(u32, u32, String)> {
    if let Encoded::Pixels(image) = image {
        return Ok((image.width, image.height, "pixels, 8 bits".to_owned()));
    }
    let image = image.clone().load()?;
    let (width, height) = crate::size(&image)?;
    check_pixels(width, height, most)?;
    Ok((width, height, decode::kind(&image)?))
}

fn sides(mut lengths: Vec<u32>) -> Sides {
    lengths.sort_unstable();
    let at = |index: usize| lengths.get(index).copied().unwrap_or(0);
    Sides { least: at(0), median: at(lengths.len() / 2), greatest: at(lengths.len().saturating_sub(1)) }
}
