//! A recipe that is run several times, with other seeds and folds. Neither is part of a run: each has a `seed` and a
//! `data.split.fold` of its own.

use crate::recipe::{Document, Node};
use serde_yaml::{Mapping, Value};
use std::cell::RefCell;
use std::str::FromStr;
use tallow_data::counted;
use tallow_policy::Mistake;

/// More are a slip of the hand.
const MOST_SEEDS: u64 = 10_000;
const MOST_FOLDS: u64 = 10_000;

/// The seeds of several runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Seeds {
    /// So many, from the recipe's on.
    Count(u64),
    /// Two or more.
    These(Vec<u64>),
}

/// How often a recipe is run: `seeds` and `folds`, where it writes them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Repeats {
    pub seeds: Option<Seeds>,
    /// Parts of the training images, each of which validates once.
    pub folds: Option<u32>,
}

impl Seeds {
    fn of(seeds: Vec<u64>) -> Result<Seeds, String> {
        match (1..seeds.len()).find(|&at| seeds[..at].contains(&seeds[at])) {
            Some(twice) => Err(format!("the seed {} is there twice; leave one out", seeds[twice])),
            None => Ok(Seeds::These(seeds)),
        }
    }

    fn count(count: u64) -> Result<Seeds, String> {
        match count {
            1..=MOST_SEEDS => Ok(Seeds::Count(count)),
            _ => Err(format!("expected a number of seeds from 1 to {MOST_SEEDS}, got {count}")),
        }
    }

    /// The seeds; `None` where there are not so many from `first` on.
    pub fn from(&self, first: u64) -> Option<Vec<u64>> {
        match self {
            Seeds::Count(count) => (0..*count).map(|more| first.checked_add(more)).collect(),
            Seeds::These(seeds) => Some(seeds.clone()),
        }
    }
}

impl FromStr for Seeds {
    type Err = String;

    /// `3`, or `3,7,11`.
    fn from_str(text: &str) -> Result<Seeds, String> {
        let number = |text: &str| {
            let problem =
                |_| format!("expected a number of seeds such as 3, or seeds such as 3,7,11, got `{text}`");
            text.trim().parse::<u64>().map_err(problem)
        };
        match text.split(',').map(number).collect::<Result<Vec<u64>, String>>()?[..] {
            [count] => Seeds::count(count),
            ref seeds => Seeds::of(seeds.to_vec()),
        }
    }
}

impl std::fmt::Display for Seeds {
    /// As it is read.
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Seeds::Count(count) => write!(f, "{count}"),
            Seeds::These(seeds) => {
                f.write_str(&seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(","))
            }
        }
    }
}

impl Repeats {
    /// Takes them out of a recipe, in which that of the first run is left: its seed, its fold.
    pub fn take(document: &mut Document, mistakes: &RefCell<Vec<Mistake>>) -> Repeats {
        let repeats = read(&Node::root(&document.value, mistakes));
        let Value::Mapping(root) = &mut document.value else { return repeats };
        for key in ["seeds", "folds"] {
            root.shift_remove(key);
        }
        if let Some(Seeds::These(seeds)) = &repeats.seeds {
            root.insert("seed".into(), seeds[0].into());
        }
        if let (Some(folds), Some(Value::Mapping(data))) = (repeats.folds, root.get_mut("data")) {
            let split = data.entry("split".into()).or_insert(Value::Null);
            if split.is_null() {
                *split = Value::Mapping(Mapping::new());
            }
            if let Value::Mapping(split) = split {
                split.insert("fold".into(), 0.into());
                split.insert("folds".into(), folds.into());
            }
        }
        repeats
    }

    /// Whether the recipe is a single run.
    pub fn is_one(&self) -> bool {
        *self == Repeats::default()
    }

    /// What is said where only the first run of the recipe is looked at.
    pub fn note(&self) -> Option<String> {
        let seeds = self.seeds.as_ref().map(|seeds| match seeds {
            Seeds::Count(count) => *count,
            Seeds::These(seeds) => seeds.len() as u64,
        });
        let parts: Vec<String> = [seeds.map(|n| counted(n, "seed")), self.folds.map(|n| counted(n, "fold"))]
            .into_iter()
            .flatten()
            .collect();
        let first = format!("the recipe has {}: this is of its first run", parts.join(" and "));
        (!self.is_one()).then_some(first)
    }
}

fn read(root: &Node) -> Repeats {
    let seeds = root.get("seeds").and_then(|node| {
        let found = if node.value().is_sequence() {
            let seeds = node.list()?.iter().map(|node| node.whole(0, u64::MAX)).collect::<Option<Vec<u64>>>()?;
            if seeds.len() < 2 {
                return node.expected("two seeds or more (one is written `seed: 1`), or a number of seeds");
            }
            if let Some(seed) = root.get("seed") {
                seed.mistake("`seeds` names the seeds; leave `seed` out, or write how many there are from it on: `seeds: 3`");
            }
            Seeds::of(seeds)
        } else {
            let Some(count) = node.value().as_u64() else {
                return node.expected("a number of seeds such as 3, or a list of seeds such as [3, 7, 11]");
            };
            Seeds::count(count)
        };
        node.take(found)
    });
    let folds = root.get("folds").and_then(|node| node.whole(2, MOST_FOLDS));
    if folds.is_some()
        && let Some(split) = root.get("data").and_then(|data| data.get("split"))
    {
        for key in ["file", "folds", "fold"] {
            if let Some(node) = split.get(key) {
                node.mistake("`folds` at the root of the recipe divides the data; leave one of them out");
            }
        }
    }
    Repeats { seeds, folds: folds.map(|folds| folds as u32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_number_or_a_list() {
        assert_eq!("3".parse(), Ok(Seeds::Count(3)));
        assert_eq!("3,7,11".parse(), Ok(Seeds::These(vec![3, 7, 11])));
        assert_eq!(
            (Seeds::Count(3).to_string(), Seeds::These(vec![3, 7]).to_string()),
            ("3".into(), "3,7".into())
        );
        let error = |text: &str| text.parse::<Seeds>().unwrap_err();
        assert!(error("0").contains("from 1 to 10000, got 0") && error("3,7,3").contains("3 is there twice"));
        assert!(error("3,x").contains("got `x`") && error("3,").contains("got ``"));
        assert_eq!(Seeds::Count(3).from(5), Some(vec![5, 6, 7]));
        assert_eq!(Seeds::Count(2).from(u64::MAX), None);
    }

    fn taken(text: &str) -> (Repeats, Value, Vec<Mistake>) {
        let mut document = Document::parse("mine.yaml", text).unwrap();
        let mistakes = RefCell::new(Vec::new());
        let repeats = Repeats::take(&mut document, &mistakes);
        (repeats, document.value, mistakes.into_inner())
    }

    #[test]
    fn what_is_left_is_the_first_run() {
        let (repeats, left, mistakes) =
            taken("seeds: [3, 7]\nfolds: 5\ndata: { name: x, split: { validation: 0.2 } }");
        let seeds = Some(Seeds::These(vec![3, 7]));
        assert_eq!((repeats, mistakes.len()), (Repeats { seeds, folds: Some(5) }, 0));
        let first = "data: { name: x, split: { validation: 0.2, fold: 0, folds: 5 } }\nseed: 3";
        assert_eq!(left, serde_yaml::from_str::<Value>(first).unwrap());
        let (repeats, left, _) = taken("seed: 4\nseeds: 3\nfolds: null");
        assert_eq!(repeats, Repeats { seeds: Some(Seeds::Count(3)), folds: None });
        assert_eq!(left, serde_yaml::from_str::<Value>("seed: 4").unwrap());
        assert_eq!(repeats.note().unwrap(), "the recipe has 3 seeds: this is of its first run");
        let (none, _, _) = taken("seed: 4");
        assert!(none.is_one() && none.note().is_none());
    }
}
