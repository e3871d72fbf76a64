//! Groups (patients, lesions) that the names of images suggest.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use crate::Dataset;

/// A pattern for `split.group.path`, and what it would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupGuess {
    /// A regular expression whose first bracket is the group.
    pub pattern: String,
    /// How many groups it makes.
    pub groups: usize,
    /// Images that it fits.
    pub images: usize,
    /// An image, and the group it would get.
    pub example: (String, String),
    /// What of them is in several parts, as the parts are now.
    pub leak: GroupLeak,
}

/// Groups with images in several parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupLeak {
    pub groups: usize,
    /// Of them in the test part.
    pub in_test: usize,
    /// The first by its name.
    pub example: Option<String>,
}

/// The parts in which each group has images.
#[derive(Default)]
struct Places<'a>(BTreeMap<&'a str, BTreeSet<&'a str>>);

impl<'a> Places<'a> {
    fn add(&mut self, group: &'a str, part: &'a str) {
        self.0.entry(group).or_default().insert(part);
    }

    fn leak(&self) -> GroupLeak {
        let several: Vec<_> = self.0.iter().filter(|(_, parts)| parts.len() > 1).collect();
        GroupLeak {
            groups: several.len(),
            in_test: several.iter().filter(|(_, parts)| parts.contains("test")).count(),
            example: several.first().map(|(group, _)| (**group).to_owned()),
        }
    }
}

/// Of the groups that the dataset has itself.
pub(super) fn own_leak(parts: &[(&str, &dyn Dataset)]) -> GroupLeak {
    let mut places = Places::default();
    for (name, part) in parts {
        (0..part.len()).filter_map(|index| part.group(index)).for_each(|group| places.add(group, name));
    }
    places.leak()
}

/// Words that stand before the number of a person or a lesion.
const PATTERNS: [&str; 3] = [
    r"(?i)((?:patient|person|subject|participant|case|lesion|study|mrn)[-_ ]?(?:id)?[-_ ]?\d+)",
    r"(?i)(?:^|[/_\-])((?:pat|pt|sub|subj|p|s)[-_]?\d{2,})(?:[_\-./]|$)",
    // A number, then the number of the picture: `1234_2.png`.
    r"(?:^|/)([A-Za-z]*\d{2,})[-_]\d{1,3}(?:\.|$)",
];

/// The groups that the names of the images of some parts (name, dataset) suggest: by the first pattern that fits nearly all images
/// and makes groups of more than one.
pub fn groups_of_names(parts: &[(&str, &dyn Dataset)]) -> Option<GroupGuess> {
    let all: usize = parts.iter().map(|(_, part)| part.len()).sum();
    PATTERNS.iter().find_map(|pattern| {
        let regex = Regex::new(pattern).expect("ours");
        let (mut found, mut images, mut others) = (Places::default(), 0, 0);
        let mut example = None;
        for (name, part) in parts {
            for index in 0..part.len() {
                let id = part.id(index);
                let Some(group) = regex.captures(id).and_then(|found| found.get(1)) else {
                    others += 1;
                    if others * 10 > all {
                        return None;
                    }
                    continue;
                };
                images += 1;
                example.get_or_insert_with(|| (id.to_owned(), group.as_str().to_owned()));
                found.add(group.as_str(), name);
            }
        }
        let groups = found.0.len();
        let fits = groups > 1 && groups < images;
        let pattern = (*pattern).to_owned();
        let guess = GroupGuess { pattern, groups, images, example: example?, leak: found.leak() };
        fits.then_some(guess)
    })
}
