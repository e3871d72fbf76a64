//! Groups and images that are in two parts, and so would be learned from and judged by.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::error::first_few;
use crate::identical::{every, place_of};
use crate::part::Part;
use crate::texts::{alike, text_hash};
use crate::{Dataset, Error, Place, Result};

/// Parts (name, dataset) share no group and no image id.
///
/// # Errors
/// [`Error::Leak`] names where the parts were read from, the first group or image that is in two, its images there, and how
/// many there are.
pub fn check_disjoint(parts: &[(&str, &dyn Dataset)]) -> Result<()> {
    let mut groups = Places::default();
    let mut images = Places::default();
    let mut kind = "group";
    for (_, dataset) in parts {
        kind = kind_of(*dataset).unwrap_or(kind);
    }
    // Of a million images those alone whose name or group is in another part too.
    for (id, (part, index)) in across(parts, |dataset, index| Some(dataset.id(index))) {
        images.add(id, parts[part].0, parts[part].1.id(index));
    }
    for (group, (part, index)) in across(parts, |dataset, index| dataset.group(index)) {
        groups.add(group, parts[part].0, parts[part].1.id(index));
    }
    let find = |part: &str| parts.iter().find(|(name, _)| *name == part).map(|(_, part)| part);
    groups.check(kind, |part| find(part)?.group_place(), None)?;
    images.check("image", |part| find(part)?.place(), None)
}

/// A text of images, and (part, index) of each, where it is, by its hash, one of images in another part as well; in their order.
fn across<'a>(
    parts: &[(&'a str, &'a dyn Dataset)],
    text: impl Fn(&'a dyn Dataset, usize) -> Option<&'a str>,
) -> Vec<(&'a str, (usize, usize))> {
    let told = |&(part, index): &(usize, usize)| text(parts[part].1, index);
    let mut all = every(parts);
    all.retain(|at| told(at).is_some());
    let hashes = all.iter().map(|at| told(at).map_or(0, text_hash));
    // The images of a set are in their order: where any two are of two parts, the first and the last are.
    let is_across = |set: &Vec<usize>| all[set[0]].0 != all[set[set.len() - 1]].0;
    let mut found: Vec<usize> = alike(hashes).into_iter().filter(is_across).flatten().collect();
    found.sort_unstable();
    found.into_iter().filter_map(|at| Some((told(&all[at])?, all[at]))).collect()
}

/// Groups that are in two parts, and their images there, in order.
pub fn groups_across(parts: &[(&str, &dyn Dataset)]) -> Vec<(String, Vec<Place>)> {
    let mut groups: BTreeMap<&str, Vec<Place>> = BTreeMap::new();
    for (group, at) in across(parts, |dataset, index| dataset.group(index)) {
        groups.entry(group).or_default().push(place_of(parts, at));
    }
    groups.retain(|_, places| places.iter().any(|place| place.part != places[0].part));
    groups.into_iter().map(|(group, places)| (group.to_owned(), places)).collect()
}

/// The sides of a split file share no group.
pub(super) fn check_sides(dataset: &dyn Dataset, sides: &[Part], file: &Path) -> Result<()> {
    let mut places = Places::default();
    for (index, side) in sides.iter().enumerate() {
        if let Some(group) = dataset.group(index) {
            places.add(group, side.name(), dataset.id(index));
        }
    }
    let file = file.display().to_string();
    places.check(kind_of(dataset).unwrap_or("group"), |_| Some(&file), dataset.group_place())
}

/// `lesion_id` → lesion.
fn kind_of(dataset: &dyn Dataset) -> Option<&str> {
    dataset.group_name().map(|name| name.trim_end_matches("_id"))
}

/// For each group, the parts it is in and its images there.
#[derive(Default)]
struct Places<'a>(BTreeMap<&'a str, BTreeMap<&'a str, Vec<&'a str>>>);

impl<'a> Places<'a> {
    fn add(&mut self, group: &'a str, part: &'a str, image: &'a str) {
        self.0.entry(group).or_default().entry(part).or_default().push(image);
    }

    /// `place` is the file or folder that decides what is in a part; `source` says whose a group is, where another file does.
    fn check<'b>(
        &self,
        kind: &str,
        place: impl Fn(&str) -> Option<&'b str>,
        source: Option<&str>,
    ) -> Result<()> {
        let leaks: Vec<_> = self.0.iter().filter(|(_, parts)| parts.len() > 1).collect();
        let Some((group, parts)) = leaks.first() else { return Ok(()) };
        let sides: Vec<String> =
            parts.iter().map(|(part, images)| format!("{part} ({})", first_few(images))).collect();
        let names: BTreeSet<&str> = parts.keys().copied().collect();
        let read: BTreeSet<&str> = parts.keys().filter_map(|part| place(part)).collect();
        let read: Vec<&str> = read.into_iter().collect();
        let read = if read.is_empty() { String::new() } else { format!("{}: ", read.join(" and ")) };
        let source = source.map_or(String::new(), |source| format!(" (by {source})"));
        let remedy = format!("put all images of a {kind} on one side");
        Err(Error::Leak(format!(
            "{read}{kind} `{group}` is on {} sides of the split: {}; {} in all{source} – {remedy}",
            names.len(),
            sides.join(" and "),
            count(leaks.len(), kind),
        )))
    }
}

fn count(count: usize, kind: &str) -> String {
    if count == 1 { format!("1 {kind}") } else { format!("{count} {kind}s") }
}
