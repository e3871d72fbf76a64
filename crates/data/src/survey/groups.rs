//! Groups (patients, lesions) that the names of images suggest.

use std::collections::{HashMap, HashSet};

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
    /// Groups with images in two parts, as the parts are now.
    pub on_two_sides: usize,
}

/// Words that stand before the number of a person or a lesion.
const PATTERNS: [&str; 3] = [
    r"(?i)((?:patient|person|subject|participant|case|lesion|study|mrn)[-_ ]?(?:id)?[-_ ]?\d+)",
    r"(?i)(?:^|[/_\-])((?:pat|pt|sub|subj|p|s)[-_]?\d{2,})(?:[_\-./]|$)",
    // A number, then the number of the picture: `1234_2.png`.
    r"(?:^|/)([A-Za-z]*\d{2,})[-_]\d{1,3}(?:\.|$)",
];

/// The first pattern that fits nearly all images and makes groups of more than one.
pub(super) fn guess(parts: &[(&str, &dyn Dataset)]) -> Option<GroupGuess> {
    PATTERNS.iter().find_map(|pattern| {
        let regex = Regex::new(pattern).expect("ours");
        let (mut found, mut images, mut all) = (HashMap::<String, HashSet<&str>>::new(), 0, 0);
        let mut example = None;
        for (name, part) in parts {
            for index in 0..part.len() {
                all += 1;
                let id = part.id(index);
                let Some(group) = regex.captures(id).and_then(|found| found.get(1)) else { continue };
                images += 1;
                example.get_or_insert_with(|| (id.to_owned(), group.as_str().to_owned()));
                found.entry(group.as_str().to_owned()).or_default().insert(name);
            }
        }
        let fits = images * 10 >= all * 9 && found.len() > 1 && found.len() < images;
        let on_two_sides = found.values().filter(|parts| parts.len() > 1).count();
        let guess = GroupGuess {
            pattern: (*pattern).to_owned(),
            groups: found.len(),
            images,
            example: example?,
            on_two_sides,
        };
        fits.then_some(guess)
    })
}
