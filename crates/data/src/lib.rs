//! Datasets, decoding, splits, samplers and the loader. Bytes only: nothing here knows a tensor.
//!
//! ```
//! use tallow_data::{Options, decode, find};
//! use tallow_seed::Seed;
//!
//! // As under `data` of a recipe; `SOURCES` lists what there is.
//! let options = Options::new(serde_yaml::from_str("{ images: 28, size: 16 }")?, Seed::new(1));
//! let parts = find("synthetic").expect("a source").read(&options)?;
//! let train = parts.train.expect("has a training part");
//! let image = decode(&train.image(0)?)?;
//! println!("{}: {} of {} lesions", train.id(0), train.classes()[train.label(0) as usize], train.len());
//! assert_eq!(image.pixels.len(), 16 * 16 * 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attribute;
mod check;
mod content;
mod decode;
mod decoded;
mod error;
mod exclusion;
mod file;
mod grouping;
mod hash;
mod identical;
mod image;
mod loader;
mod manifest;
mod options;
mod part;
mod readers;
mod sampler;
mod sources;
mod split;
mod subset;
mod suggestion;
mod survey;
pub mod synthetic;
mod table;
mod texts;
#[cfg(test)]
mod written;

pub use attribute::Attribute;
pub use check::{Cache, Checked, Findings, Near, Pair, Step, check, known, probability};
pub use content::content;
pub use decode::broken::{Broken, broken, complaint, truncated};
pub use decode::limit::MAX_PIXELS;
pub use decode::rate::{images_per_second, jpegs_per_second};
pub use decode::whole::check_whole;
pub use decode::window::{Window, Windowed, check_depth};
pub use decode::{decode, decode_within, size};
pub use decoded::Decoded;
pub use error::{Error, Result, first_few};
pub use exclusion::{Exclusion, write_exclusion};
pub use file::check_file;
pub use grouping::Grouping;
pub use identical::{Identical, Place, identical};
pub use image::{Encoded, Image};
pub use loader::{AHEAD, HostBatch, Loader, Pixels, Prepare};
pub use manifest::{fingerprint, manifest};
pub use options::Options;
pub use readers::files::{EXTENSIONS, images_below};
pub use sampler::Sampler;
pub use sources::{Parts, SOURCES, SourceSpec, find};
pub use split::{
    COPIES, Divided, ELSEWHERE as SPLIT_ELSEWHERE, Rule, Split, check_disjoint, divide, groups_across,
};
pub use subset::Subset;
pub use suggestion::{Elsewhere, counted, elsewhere, listed, nearest, suggestion};
pub use survey::{Facts, GroupGuess, GroupLeak, Sides, Survey, groups_of_names, survey};
pub use table::{About, Files, Images, Row, Rows, Stored, Storing, Table};

/// Labelled images, read one at a time. Everything but [`Dataset::image`] is known without decoding.
pub trait Dataset: Send + Sync {
    /// Class names, in label order.
    fn classes(&self) -> &[String];
    /// Number of images.
    fn len(&self) -> usize;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The label of an image, an index into [`Dataset::classes`].
    fn label(&self, index: usize) -> u32;
    /// Lesion or patient: never on two sides of a split, where known.
    fn group(&self, index: usize) -> Option<&str>;
    /// What a group is, as a recipe names it: `lesion_id`, `patient_id`. `None` where the source knows no groups.
    fn group_name(&self) -> Option<&str> {
        None
    }
    /// Where the labels were read from, for messages. `None` where that is no one place.
    fn place(&self) -> Option<&str> {
        None
    }
    /// Where the groups were read from, for messages.
    fn group_place(&self) -> Option<&str> {
        self.place()
    }
    /// A name for people and for `predictions.csv`, unique in the dataset.
    fn id(&self, index: usize) -> &str;
    /// The image as stored; the loader decodes it.
    ///
    /// # Errors
    /// Where a file or a row cannot be read.
    fn image(&self, index: usize) -> Result<Encoded>;
    /// What is known of an image's file unopened; `None` for an image that is in memory, or is made when it is asked for.
    ///
    /// # Errors
    /// Where the file is not there.
    fn about(&self, index: usize) -> Result<Option<About>> {
        let _ = index;
        Ok(None)
    }
    /// Bytes of an image as stored, where they are known without reading it.
    ///
    /// # Errors
    /// As [`Dataset::about`].
    fn length(&self, index: usize) -> Result<Option<u64>> {
        Ok(self.about(index)?.map(|about| about.length))
    }
    /// Pixels that an image may have: one of more is refused by its header ([`decode_within`]).
    fn max_pixels(&self) -> u64 {
        MAX_PIXELS
    }
}
