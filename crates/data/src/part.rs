//! The parts of a dataset: train, validation, test.

/// Which part of a dataset a word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Train,
    Validation,
    Test,
}

/// Words that say nothing of a part, as in `training_set` and `test images`.
const BESIDE: [&str; 9] = ["dataset", "set", "data", "images", "image", "imgs", "img", "pictures", "split"];

impl Part {
    pub const ALL: [Part; 3] = [Part::Train, Part::Validation, Part::Test];

    /// By any of its usual names, in any case, alone or beside a word such as `set`: `train`, `Training_set`, `valset`, `test-images`.
    pub fn parse(word: &str) -> Option<Part> {
        let word = word.to_lowercase();
        let words = word.split(['_', '-', ' ', '.']).filter(|word| !word.is_empty());
        let mut telling = words.filter(|word| !BESIDE.contains(word));
        let (Some(word), None) = (telling.next(), telling.next()) else { return None };
        let glued = BESIDE.iter().find_map(|end| word.strip_suffix(end));
        Part::called(word).or_else(|| Part::called(glued?))
    }

    fn called(word: &str) -> Option<Part> {
        match word {
            "train" | "training" => Some(Part::Train),
            "val" | "valid" | "validation" | "dev" => Some(Part::Validation),
            "test" | "testing" => Some(Part::Test),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Validation => "validation",
            Part::Test => "test",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_are_parts_and_others_are_not() {
        for (part, names) in [
            (Part::Train, ["train", "Train", "TRAINING_SET", "train_images", "trainset", "train data"]),
            (Part::Validation, ["val", "valid", "dev", "validation_set", "Val-Images", "valset"]),
            (Part::Test, ["test", "Testing", "test_set", "testdata", "data_test", "Test Images"]),
        ] {
            names.iter().for_each(|name| assert_eq!(Part::parse(name), Some(part), "{name}"));
        }
        for name in [
            "",
            "set",
            "dataset",
            "data",
            "trains",
            "freight train",
            "train_val",
            "contest",
            "test_a",
            "train2",
        ] {
            assert_eq!(Part::parse(name), None, "{name}");
        }
    }
}
