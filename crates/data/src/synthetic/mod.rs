//! `synthetic`, the embedded dataset: drawn dermoscopy-like lesions in the seven classes of ISIC 2018, with its long tail.
//!
//! A class shows in outline, texture and structures (network, streaks, globules, vessels, cysts, lakes …); skin, palette,
//! contrast, light, place, scale and what lies on the skin are drawn alike for all classes, so that neither mean colours nor
//! places tell them apart. A drawing to learn on, not a model of disease: nothing here says anything about real skin.

mod lesion;
mod noise;
mod pattern;
mod render;
mod source;
mod structure;
mod view;

use std::sync::OnceLock;

use tallow_seed::{Rng, Seed};

use crate::{Dataset, Encoded, Image, Result};
use lesion::{CLASSES, Lesion};
pub use source::SPEC;
use view::View;

/// Class names, in the order of ISIC 2018 Task 3.
pub const CLASS_NAMES: [&str; 7] = ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"];

/// Images of each class in ISIC 2018 Task 3, training (10 015): the long tail that is kept.
pub const CLASS_COUNTS: [usize; 7] = [1113, 6705, 514, 327, 1099, 115, 142];

/// Images of a class below which the tail is not followed, where the set is large enough for that.
const FEWEST: usize = 10;

/// Drawn images are kept if all of them together fit in this many bytes.
const CACHE: usize = 256 << 20;

/// A part of the data: no lesion is in two of them, and each depends on its own name and the seed alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Train,
    Validation,
    Test,
}

/// The images of one part.
pub struct Synthetic {
    classes: Vec<String>,
    size: u32,
    entries: Vec<Entry>,
    /// Empty if the images would not fit.
    cache: Vec<OnceLock<Image>>,
}

struct Entry {
    id: String,
    /// Length of the lesion's name at the start of `id`.
    group: usize,
    label: u32,
    lesion: Seed,
    view: Seed,
}

impl Part {
    pub fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Validation => "validation",
            Part::Test => "test",
        }
    }
}

impl Synthetic {
    /// `images` pictures of `size` × `size` of the training part.
    pub fn new(images: usize, size: u32, seed: Seed) -> Synthetic {
        Synthetic::part(Part::Train, images, size, seed)
    }

    /// `images` pictures of `size` × `size` of a part.
    pub fn part(part: Part, images: usize, size: u32, seed: Seed) -> Synthetic {
        let seed = seed.fold("synthetic", 0).fold(part.name(), 0);
        let counts = counts(images);
        let mut rng = seed.fold("lesions", 0).rng();
        let mut lesions: Vec<(usize, usize)> = Vec::new(); // class and number of views
        for (class, &count) in counts.iter().enumerate() {
            let mut left = count;
            while left > 0 {
                let views = views(&mut rng).min(left);
                lesions.push((class, views));
                left -= views;
            }
        }
        rng.shuffle(&mut lesions);
        let mut entries = Vec::with_capacity(images);
        for (number, &(class, views)) in lesions.iter().enumerate() {
            let group = format!("{}_{number:05}", part.name());
            let lesion = seed.fold("lesion", number as u64);
            entries.extend((0..views).map(|view| Entry {
                id: format!("{group}_{view}"),
                group: group.len(),
                label: class as u32,
                lesion,
                view: lesion.fold("view", view as u64),
            }));
        }
        let bytes = images.saturating_mul(3 * size as usize * size as usize);
        let kept = if bytes <= CACHE { images } else { 0 };
        let cache = (0..kept).map(|_| OnceLock::new()).collect();
        Synthetic { classes: CLASS_NAMES.map(str::to_owned).to_vec(), size, entries, cache }
    }

    /// Draws an image anew.
    fn render(&self, index: usize) -> Image {
        let entry = &self.entries[index];
        let lesion = Lesion::draw(CLASSES[entry.label as usize], entry.lesion);
        render::render(&lesion, &View::draw(entry.view), self.size)
    }
}

impl Dataset for Synthetic {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn label(&self, index: usize) -> u32 {
        self.entries[index].label
    }

    fn group(&self, index: usize) -> Option<&str> {
        let entry = &self.entries[index];
        Some(&entry.id[..entry.group])
    }

    fn group_name(&self) -> Option<&str> {
        Some("lesion_id")
    }

    fn id(&self, index: usize) -> &str {
        &self.entries[index].id
    }

    fn image(&self, index: usize) -> Result<Encoded> {
        Ok(Encoded::Pixels(match self.cache.get(index) {
            Some(cached) => cached.get_or_init(|| self.render(index)).clone(),
            None => self.render(index),
        }))
    }
}

/// Images per class: in proportion to [`CLASS_COUNTS`], but at least `min(10, images / 14)` of each; the sum is `images`.
fn counts(images: usize) -> [usize; 7] {
    let total: usize = CLASS_COUNTS.iter().sum();
    let fewest = FEWEST.min(images / 14);
    let mut counts = CLASS_COUNTS.map(|count| (images * count / total).max(fewest));
    // what rounding left over or the floor took goes to or comes from the largest class, NV
    let others = counts.iter().sum::<usize>() - counts[1];
    counts[1] = images - others.min(images);
    counts
}

/// Images of a lesion: 1 to 4, mean 1.34, as in HAM10000 (10 015 images of 7470 lesions).
fn views(rng: &mut Rng) -> usize {
    1 + rng.weighted(&[0.74, 0.19, 0.06, 0.01])
}

#[cfg(test)]
mod tests;
