//! Every key of a random number of this crate. Nothing else here may fold a seed: what is shown of a step has the draws of the
//! training then, as both ask the same function.
//!
//! | function | key | of |
//! |---|---|---|
//! | [`source`] | 1 | images that a source draws, whatever the recipe's seed |
//! | [`split`] | 1, split | the division of a dataset, whatever the recipe's seed |
//! | [`initial_weights`] | seed, init | initial values of the parameters |
//! | [`epoch`] | seed, epoch e | the sampler's order |
//! | [`image`] | seed, epoch e, image i, augmented or clean | image policies on image i of the dataset in a view |
//! | [`step`] | seed, epoch e, step b | mixes on batch b of the epoch; the engine adds branch and policy |
//! | [`network`] | seed, epoch e, step b, network k, row r | dropout and stochastic depth in branch k, in the micro-batch from row r |
//! | [`plain_step`] | seed, step t | steps without a recipe: benches (seed 1), the demonstration (42), tests |
//! | [`bench`] | 1, pixels or values | random content of a bench's batch |
//! | [`demonstration`] | 42, points | the points of the demonstration |
//! | [`bootstrap`] | 0 | resamples of intervals |
//! | [`evaluation`] | 0 | nothing: an evaluation draws nothing |
//! | [`test_view`] | seed, test view v | image policies on view v of every image, by test-time augmentation |

use tallow_policy::View;
use tallow_seed::Seed;

/// Of the benches.
pub const BENCH: u64 = 1;
/// Of the demonstration.
pub const DEMONSTRATION: u64 = 42;

pub fn source() -> Seed {
    Seed::new(1)
}

pub fn split() -> Seed {
    Seed::new(1).fold("split", 0)
}

pub fn initial_weights(seed: u64) -> Seed {
    Seed::new(seed).fold("init", 0)
}

/// Of an epoch, from 0.
pub fn epoch(seed: u64, epoch: u64) -> Seed {
    Seed::new(seed).fold("epoch", epoch)
}

/// Of an image by its place in the dataset, in an epoch of this seed.
pub fn image(epoch: Seed, index: usize, view: View) -> Seed {
    let image = epoch.fold("image", index as u64);
    match view {
        View::Augmented => image.fold("augmented", 0),
        View::Clean => image.fold("clean", 0),
    }
}

/// Of a batch of an epoch, both from 0.
pub fn step(seed: u64, of_epoch: u64, batch: u64) -> Seed {
    epoch(seed, of_epoch).fold("step", batch)
}

/// Of the network in a branch of a step of this seed, for the micro-batch that begins at a row.
pub fn network(step: Seed, branch: usize, row: usize) -> Seed {
    step.fold("network", branch as u64).fold("row", row as u64)
}

pub fn plain_step(seed: u64, step: u64) -> Seed {
    Seed::new(seed).fold("step", step)
}

/// `pixels`, or `values` of a batch without images.
pub fn bench(content: &str) -> Seed {
    Seed::new(BENCH).fold(content, 0)
}

pub fn demonstration() -> Seed {
    Seed::new(DEMONSTRATION).fold("points", 0)
}

pub fn bootstrap() -> Seed {
    Seed::new(0)
}

pub fn evaluation() -> Seed {
    Seed::new(0)
}

/// Of a view of test-time augmentation, from 1: view 0 is the image as it is.
pub fn test_view(seed: u64, view: usize) -> Seed {
    Seed::new(seed).fold("test view", view as u64)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    /// Sources below a folder.
    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
    }

    #[test]
    fn no_other_file_folds_a_seed() {
        let files = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        assert!(files.len() > 50, "{}", files.len());
        for path in files.iter().filter(|path| !path.ends_with("run/keys.rs")) {
            let text = std::fs::read_to_string(path).unwrap();
            let text: String =
                text.split("#[cfg(test)]\nmod tests {").next().unwrap().split_whitespace().collect();
            assert!(!text.contains(".fold(\""), "{}: a key that run/keys.rs does not have", path.display());
            // But for tests, and a program that is written out.
            let is_apart =
                path.to_string_lossy().contains("inspect/curve") || path.ends_with("export/load.rs");
            assert!(is_apart || !text.contains("Seed::new("), "{}: a seed of its own", path.display());
        }
    }
}
