//! Images that are there twice, and images that are none: what `tallow data check` looks for.
//!
//! Each image is decoded once and kept as a [`look::Look`]. Equal hashes are identical images; pairs with alike [`signature`]s are
//! laid over each other ([`align`]) and are near where their details agree. Nothing here reads a label but to say it.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::decode::budget::Budget;
use crate::identical::{every, in_threads, place_of};
use crate::{Broken, Dataset, Place, Result};

mod align;
mod cache;
mod candidates;
mod found;
mod look;
mod near;
mod odd;
mod signature;

pub use cache::Cache;
pub(crate) use cache::place;
pub use found::{Findings, Near, Pair};
pub use near::probability;

use cache::{Compared, Looks};
use look::Look;

/// All that a check saw.
pub struct Checked {
    /// Identical and near images.
    pub findings: Findings,
    /// Images that cannot be decoded, of each part.
    pub broken: Vec<(String, Vec<Broken>)>,
    /// Images that are no images of the kind, and why.
    pub odd: Vec<(Place, String)>,
    /// Images looked at, those of them that were decoded now, and pairs that were laid over each other; `None` where an earlier check
    /// of these very images had compared them.
    pub images: usize,
    pub decoded: usize,
    pub candidates: Option<usize>,
}

/// Hears how many images are through which step.
pub type Progress<'a> = &'a (dyn Fn(Step, usize) + Sync);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Look,
    Compare,
}

/// Looks at every image of some parts (name, dataset) and compares each with each.
///
/// Looks and what was found are kept in `cache`; with `fresh` it is written, not read. Memory: about 5 kB an image.
///
/// # Errors
/// The cache that cannot be written. Images that cannot be read are named.
pub fn check(
    parts: &[(&str, &dyn Dataset)],
    cache: &Cache,
    fresh: bool,
    workers: usize,
    progress: Progress,
) -> Result<Checked> {
    let place = place(parts);
    let mut known = if fresh { Looks::new() } else { cache.looks(place) };
    let by_content: HashMap<u128, Arc<Look>> =
        known.values().map(|look| (look.content, look.clone())).collect();
    let (all, budget) = (every(parts), Budget::new());
    let seen = in_threads(all.len(), workers, |at| {
        let seen = seen(parts[all[at].0].1, all[at].1, &known, &by_content, &budget);
        progress(Step::Look, 1);
        Ok(seen)
    })?;
    let mut broken: Vec<(String, Vec<Broken>)> = Vec::new();
    let (mut decoded, mut used) = (0, Looks::new());
    let mut looks: Vec<Option<Arc<Look>>> = Vec::with_capacity(all.len());
    for (&(part, index), seen) in all.iter().zip(seen) {
        let (name, dataset) = parts[part];
        decoded += usize::from(seen.decoded);
        match seen.look {
            Ok(look) => {
                used.insert(seen.key, look.clone());
                looks.push(Some(look));
            }
            Err(reason) => {
                let image = Broken { index, id: dataset.id(index).to_owned(), reason };
                match broken.iter_mut().find(|(part, _)| part == name) {
                    Some((_, images)) => images.push(image),
                    None => broken.push((name.to_owned(), vec![image])),
                }
                looks.push(None);
            }
        }
    }
    let there: Vec<Arc<Look>> = looks.iter().flatten().cloned().collect();
    let images: HashMap<u128, [u128; 2]> =
        used.iter().map(|(key, look)| (*key, [look.content, look.pixels])).collect();
    let earlier = if fresh { None } else { cache.compared(place) };
    // What was found of more images is known of these too, but which of their pairs were laid over each other is not.
    let covers = |old: &Compared| images.iter().all(|(key, hashes)| old.images.get(key) == Some(hashes));
    let is_covered = earlier.as_ref().is_some_and(covers);
    let (compared, candidates) = match earlier.filter(|old| is_covered && old.images.len() == images.len()) {
        Some(earlier) => (earlier, None),
        None => {
            let (pairs, candidates) =
                near::compare(&there, workers, &|images| progress(Step::Compare, images))?;
            (Compared { images, pairs }, Some(candidates))
        }
    };
    if candidates.is_some() && !is_covered {
        cache.keep_compared(place, &compared)?;
    }
    if decoded > 0 || used.keys().any(|key| !known.contains_key(key)) {
        // Looks of images that are not in these parts stay, unless they are most of it.
        if known.len() > 3 * used.len() {
            known.clear();
        }
        known.extend(used);
        cache.keep_looks(place, &known)?;
    }
    let hashes: Vec<Option<[u128; 2]>> =
        looks.iter().map(|look| look.as_ref().map(|look| [look.content, look.pixels])).collect();
    let looks: Vec<Option<&Look>> = looks.iter().map(Option::as_deref).collect();
    let odd = odd::odd(&looks).into_iter().map(|(at, why)| (place_of(parts, all[at]), why)).collect();
    let findings = Findings::of(parts, &all, &hashes, &compared.pairs);
    Ok(Checked { findings, broken, odd, images: all.len(), decoded, candidates })
}

/// What an earlier check of these images found, perhaps of more of them; `None` where one of them was not compared, or was
/// changed since. Reads no picture that is a file.
///
/// # Errors
/// A file or a row that cannot be read.
pub fn known(parts: &[(&str, &dyn Dataset)], cache: &Cache, workers: usize) -> Result<Option<Findings>> {
    let Some(compared) = cache.compared(place(parts)) else { return Ok(None) };
    let all = every(parts);
    let hashes = in_threads(all.len(), workers, |at| {
        let (part, index) = all[at];
        let dataset = parts[part].1;
        let key = match dataset.about(index)? {
            Some(about) => about.key(),
            None => cache::key(&dataset.image(index)?)?,
        };
        Ok(compared.images.get(&key).copied())
    })?;
    let is_known = hashes.iter().all(Option::is_some);
    Ok(is_known.then(|| Findings::of(parts, &all, &hashes, &compared.pairs)))
}

struct Seen {
    key: u128,
    /// Or why it cannot be read.
    look: std::result::Result<Arc<Look>, String>,
    decoded: bool,
}

/// A look from the cache, by the file or else by its bytes; else at the image.
fn seen(
    dataset: &dyn Dataset,
    index: usize,
    known: &Looks,
    by_content: &HashMap<u128, Arc<Look>>,
    budget: &Budget,
) -> Seen {
    let looked = || -> Result<Seen> {
        let most = dataset.max_pixels();
        let image = dataset.image(index)?;
        let key = cache::key(&image)?;
        if let Some(look) = known.get(&key) {
            return Ok(Seen { key, look: Ok(look.clone()), decoded: false });
        }
        let image = image.load()?;
        let content = Look::content(&image);
        if let Some(look) = by_content.get(&content) {
            return Ok(Seen { key, look: Ok(look.clone()), decoded: false });
        }
        let _held = budget.hold(&image);
        Ok(Seen { key, look: Ok(Arc::new(Look::of(&image, content, most)?)), decoded: true })
    };
    let failed = |reason: String| Seen { key: 0, look: Err(reason), decoded: true };
    match catch_unwind(AssertUnwindSafe(looked)) {
        Ok(seen) => seen.unwrap_or_else(|error| failed(error.to_string())),
        Err(_) => failed("the decoder gave up on it (a panic)".to_owned()),
    }
}

#[cfg(test)]
#[path = "measured/tests.rs"]
mod measured;
#[cfg(test)]
mod tests;
