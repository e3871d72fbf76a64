//! A network that calls images no better than somebody who does not look at them: labels that were shuffled look like this.

use std::fmt;
use tallow_metrics::{Confusion, Predictions};

/// Mean recall of a network that tells no class from another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guessing {
    recall: f64,
    /// By guessing.
    chance: f64,
    images: usize,
}

/// A share of 5 % of guessing networks is above so many standard deviations.
const ABOVE: f64 = 1.645;
/// A class of which guesses would hit fewer images says nothing.
const HITS: f64 = 3.0;
/// With a standard deviation above this there are too few images to say anything.
const COARSE: f64 = 0.06;

impl Guessing {
    /// Somebody who calls a share q_c of the images c, without a look, has the mean recall Σ_c q_c / K over any K classes, with
    /// variance Σ_c q_c (1 − q_c) / n_c / K². Looked at are those of which guesses would hit some. `None` for what is above that by more
    /// than chance, and where there are too few images, or such classes, to know.
    pub fn of(validation: &Predictions) -> Option<Guessing> {
        let confusion = Confusion::of(validation);
        let images = validation.len() as f64;
        let (mut recall, mut chance, mut variance, mut known) = (0.0, 0.0, 0.0, 0.0);
        for class in (0..confusion.classes()).filter(|&class| confusion.support(class) > 0) {
            let (support, called) =
                (confusion.support(class) as f64, confusion.predicted(class) as f64 / images);
            if called * support < HITS {
                continue;
            }
            recall += confusion.count(class, class) as f64 / support;
            chance += called;
            variance += called * (1.0 - called) / support;
            known += 1.0;
        }
        let deviation = variance.sqrt() / known;
        let guessing = Guessing { recall: recall / known, chance: chance / known, images: validation.len() };
        let is_one =
            known > 1.0 && deviation < COARSE && guessing.recall <= guessing.chance + ABOVE * deviation;
        is_one.then_some(guessing)
    }
}

impl fmt::Display for Guessing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "after the last epoch the {} validation images are called no better than by guessing: mean recall {:.3} of the \
             classes that are called, and {:.3} without a look; see whether labels belong to their images (tallow preview RECIPE), train longer",
            self.images, self.recall, self.chance
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallow_seed::Seed;

    /// Predictions of `count` images of `classes` classes, of which a share is called what it is, and the others anything.
    fn called(count: usize, classes: usize, share: f64, seed: u64) -> Predictions {
        let names: Vec<String> = (0..classes).map(|class| format!("c{class}")).collect();
        let mut all = Predictions::new(&names);
        let mut rng = Seed::new(seed).rng();
        for index in 0..count {
            // The first class is half of all.
            let label = if rng.uniform() < 0.5 { 0 } else { rng.below(classes as u32) as usize };
            let said = if rng.uniform() < share { label } else { rng.below(classes as u32) as usize };
            let row: Vec<f64> = (0..classes).map(|class| if class == said { 1.0 } else { 0.0 }).collect();
            all.push(&index.to_string(), None, label as u32, &row).unwrap();
        }
        all
    }

    /// How many of 200 are told.
    fn told(count: usize, classes: usize, share: f64) -> usize {
        (0..200).filter(|&seed| Guessing::of(&called(count, classes, share, seed)).is_some()).count()
    }

    #[test]
    fn guesses_are_told_and_knowledge_is_not() {
        for classes in [2, 7] {
            let guesses = told(400, classes, 0.0);
            assert!((180..=198).contains(&guesses), "{guesses} of 200, {classes} classes; 95 % should be");
            assert_eq!(told(400, classes, 0.3), 0, "{classes} classes");
        }
        // Too few to know.
        assert_eq!(told(40, 2, 0.0), 0);
        let said = (0..9).find_map(|seed| Guessing::of(&called(400, 2, 0.0, seed))).unwrap().to_string();
        assert!(
            said.contains("the 400 validation images") && said.contains(", and 0.500 without a look"),
            "{said}"
        );
    }

    /// A network that knows something, and calls a rare class seldom; one that calls a class of which there is none.
    #[test]
    fn classes_that_are_hardly_called_are_no_test() {
        let predictions = |calls: &[(u32, usize, usize)]| {
            let mut all = Predictions::new(&["a", "b", "c"].map(str::to_owned));
            for &(label, said, count) in calls {
                for _ in 0..count {
                    let row: Vec<f64> = (0..3).map(|class| f64::from(u8::from(class == said))).collect();
                    all.push(&all.len().to_string(), None, label, &row).unwrap();
                }
            }
            all
        };
        assert_eq!(Guessing::of(&predictions(&[(0, 0, 978), (0, 1, 2), (1, 0, 20)])), None);
        // Of a and b 40 % each, where 35 % are chance's.
        let to_c = [(0, 0, 80), (0, 1, 60), (0, 2, 60), (1, 1, 80), (1, 0, 60), (1, 2, 60)];
        assert_eq!(Guessing::of(&predictions(&to_c)), None);
        let none = [(0, 0, 70), (0, 1, 70), (0, 2, 60), (1, 1, 70), (1, 0, 70), (1, 2, 60)];
        assert_eq!(Guessing::of(&predictions(&none)).unwrap().chance, 0.35);
    }

    #[test]
    fn one_class_is_no_test() {
        let mut all = Predictions::new(&["a".to_owned(), "b".to_owned()]);
        (0..500).for_each(|index| all.push(&index.to_string(), None, 0, &[0.9, 0.1]).unwrap());
        assert_eq!(Guessing::of(&all), None);
    }
}
