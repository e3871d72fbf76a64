//! `data: { name: synthetic }`: options of the recipe to parts.

use std::sync::Arc;

use tallow_seed::Seed;

use super::{Part, Synthetic};
use crate::{Dataset, Error, Options, Parts, Result, SourceSpec};

pub const SPEC: SourceSpec = SourceSpec {
    name: "synthetic",
    summary: "drawn dermoscopy-like lesions in the seven classes of ISIC 2018, with its long tail; needs no files",
    keys: &[
        ("images", "2400", "images for training; validation and test have a fifth of that each, 28 at least"),
        ("size", "32", "width and height in pixels"),
        (
            "seed",
            "1",
            "which data are drawn: another number gives fresh ones; the recipe's seed changes nothing",
        ),
    ],
    open,
};

/// The least images that have all classes, and the least of a part to evaluate on (2 for each class).
const LEAST: usize = 14;
const LEAST_EVALUATED: usize = 28;

fn open(options: &Options) -> Result<Parts> {
    let number = |key: &str, default: u64, from: u64, to: u64| {
        let value = options.integer(key)?.unwrap_or(default);
        if (from..=to).contains(&value) {
            return Ok(value);
        }
        Err(Error::option(key, format!("expected a whole number from {from} to {to}, got {value}")))
    };
    let images = number("images", 2400, LEAST as u64, 100_000_000)? as usize;
    let size = number("size", 32, 8, 4096)? as u32;
    let seed = Seed::new(options.integer("seed")?.unwrap_or(1));
    let part = |part, images| -> Option<Arc<dyn Dataset>> {
        Some(Arc::new(Synthetic::part(part, images, size, seed)))
    };
    let evaluated = (images / 5).max(LEAST_EVALUATED);
    Ok(Parts {
        train: part(Part::Train, images),
        validation: part(Part::Validation, evaluated),
        test: part(Part::Test, evaluated),
        ..Parts::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Parts> {
        SPEC.read(&Options::new(serde_yaml::from_str(yaml).unwrap(), Seed::new(9)))
    }

    #[test]
    fn has_three_parts_and_defaults() {
        let parts = read("{}").unwrap();
        let lengths = [parts.train, parts.validation, parts.test].map(|part| part.unwrap().len());
        assert_eq!(lengths, [2400, 480, 480]);
        let small = read("{ images: 20, size: 8, seed: 2 }").unwrap();
        assert_eq!((small.train.unwrap().len(), small.test.unwrap().len()), (20, 28));
    }

    #[test]
    fn refuses_what_cannot_be_drawn() {
        let message = |yaml| read(yaml).err().unwrap().to_string();
        assert_eq!(
            message("{ images: 3 }"),
            "data.images: expected a whole number from 14 to 100000000, got 3"
        );
        assert_eq!(message("{ size: 5000 }"), "data.size: expected a whole number from 8 to 4096, got 5000");
        assert!(message("{ sizes: 5 }").contains("did you mean `size`"), "{}", message("{ sizes: 5 }"));
    }
}
