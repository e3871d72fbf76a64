//! What was found, image by image: sets of identical and of near ones, by part, class and group.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::cache::Alike;
use crate::error::first_few;
use crate::identical::place_of;
use crate::{Dataset, Identical, Place, counted};

/// Images that are there twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// Of the same pixels, upright, whatever the bytes.
    pub identical: Identical,
    /// Those of the above whose bytes differ.
    pub recoded: Identical,
    pub near: Vec<Near>,
}

/// Images that are near each other, directly or by way of others; identical ones are among them.
#[derive(Clone, Debug, PartialEq)]
pub struct Near {
    pub images: Vec<Place>,
    /// The most probable first.
    pub pairs: Vec<Pair>,
}

/// Two images that are probably one.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    pub first: Place,
    pub second: Place,
    /// Of their details, laid over each other.
    pub correlation: f64,
    pub probability: f64,
    /// Whether they are of one group, such as photographs of one lesion.
    pub same_group: bool,
}

impl Pair {
    pub fn is_under_two_labels(&self) -> bool {
        self.first.class != self.second.class
    }
}

impl Findings {
    /// `hashes` of stored bytes and of pixels, of each image of `all` (part, index).
    pub(super) fn of(
        parts: &[(&str, &dyn Dataset)],
        all: &[(usize, usize)],
        hashes: &[Option<[u128; 2]>],
        pairs: &[Alike],
    ) -> Findings {
        let place = |at: &usize| place_of(parts, all[*at]);
        let mut of_pixels: HashMap<u128, Vec<usize>> = HashMap::new();
        for (at, hashes) in hashes.iter().enumerate() {
            if let Some([_, pixels]) = hashes {
                of_pixels.entry(*pixels).or_default().push(at);
            }
        }
        let mut sets: Vec<&Vec<usize>> = of_pixels.values().filter(|set| set.len() > 1).collect();
        sets.sort();
        let differ = |set: &&&Vec<usize>| set.iter().map(|at| hashes[*at]).collect::<BTreeSet<_>>().len() > 1;
        let named = |set: &&Vec<usize>| set.iter().map(place).collect::<Vec<_>>();
        let identical = Identical(sets.iter().map(named).collect());
        let recoded = Identical(sets.iter().filter(differ).map(named).collect());

        let there =
            pairs.iter().filter(|pair| pair.pictures.iter().all(|pixels| of_pixels.contains_key(pixels)));
        let there: Vec<&Alike> = there.collect();
        let mut sets: BTreeMap<usize, (Vec<usize>, Vec<Pair>)> = BTreeMap::new();
        for (first, pictures) in joined(&there, &of_pixels) {
            let mut images: Vec<usize> =
                pictures.iter().flat_map(|pixels| of_pixels[pixels].clone()).collect();
            images.sort_unstable();
            sets.insert(first, (images, Vec::new()));
        }
        for pair in there {
            let [first, second] = pair.pictures.map(|pixels| &of_pixels[&pixels]);
            // Of identical images, those in different parts, if there are any.
            let choices = first.iter().flat_map(|a| second.iter().map(move |b| (*a, *b)));
            let (a, b) =
                choices.min_by_key(|(a, b)| (all[*a].0 == all[*b].0, *a, *b)).expect("images of each");
            let (a, b) = (a.min(b), a.max(b));
            let group = |at: usize| parts[all[at].0].1.group(all[at].1);
            let told = Pair {
                first: place(&a),
                second: place(&b),
                correlation: pair.correlation.into(),
                probability: pair.probability.into(),
                same_group: group(a).is_some() && group(a) == group(b),
            };
            let set = sets.values_mut().find(|(images, _)| images.binary_search(&a).is_ok());
            set.expect("every pair is in a set").1.push(told);
        }
        let near = sets.into_values().map(|(images, mut pairs)| {
            pairs.sort_by(|a, b| b.correlation.total_cmp(&a.correlation));
            Near { images: images.iter().map(place).collect(), pairs }
        });
        Findings { identical, recoded, near: near.collect() }
    }

    /// Sets of images, identical or near, that stand in two parts.
    pub fn across_parts(&self) -> Vec<&[Place]> {
        let mut sets = self.identical.across_parts();
        // A near set holds the identical ones of its images.
        let near: Vec<&[Place]> = self.near_across_parts().collect();
        sets.retain(|set| !near.iter().any(|images| images.contains(&set[0])));
        sets.extend(near);
        sets
    }

    /// Sets of near images that stand in two parts.
    pub fn near_across_parts(&self) -> impl Iterator<Item = &[Place]> {
        self.near.iter().map(|near| &near.images[..]).filter(|images| in_two_parts(images))
    }

    /// Sets of near images of which two are under different labels.
    pub fn near_across_classes(&self) -> impl Iterator<Item = &Near> {
        self.near.iter().filter(|near| near.pairs.iter().any(Pair::is_under_two_labels))
    }

    /// What is not certain, one message each for parts and labels; none where nothing is near across them. Near images of one group are no
    /// news: a group is on one side.
    pub fn warnings(&self) -> Vec<String> {
        let told = |differ: fn(&Place, &Place) -> bool, by: fn(&Place) -> &str, what: &str, remedy: &str| {
            let mut pairs: Vec<&Pair> = self
                .near
                .iter()
                .flat_map(|near| &near.pairs)
                .filter(|pair| differ(&pair.first, &pair.second))
                .collect();
            pairs.sort_by(|a, b| b.correlation.total_cmp(&a.correlation));
            let named: Vec<String> = pairs
                .iter()
                .map(|Pair { first, second, probability, .. }| {
                    let (one, other) = (by(first), by(second));
                    format!("{} ({one}) ≈ {} ({other}) {:.0} %", first.id, second.id, 100.0 * probability)
                })
                .collect();
            let many = counted(pairs.len(), "pair");
            (!pairs.is_empty()).then(|| {
                format!("{many} of nearly identical images {what}: {} – {remedy}", first_few(&named))
            })
        };
        let parts = told(
            |a, b| a.part != b.part,
            |place| &place.part,
            "in two parts",
            "look at them, and leave out of training what is learned from and judged by",
        );
        let classes = told(
            |a, b| a.class != b.class,
            |place| &place.class,
            "under two labels",
            "look at them, and keep the right label of each",
        );
        parts.into_iter().chain(classes).collect()
    }
}

fn in_two_parts(images: &[Place]) -> bool {
    images.iter().any(|place| place.part != images[0].part)
}

/// Sets of pictures that pairs join, each by its first image.
fn joined(pairs: &[&Alike], of_pixels: &HashMap<u128, Vec<usize>>) -> BTreeMap<usize, BTreeSet<u128>> {
    let mut sets: BTreeMap<usize, BTreeSet<u128>> = BTreeMap::new();
    let mut set_of: HashMap<u128, usize> = HashMap::new();
    for pair in pairs {
        let own = |pixels: u128| of_pixels[&pixels][0];
        let [one, other] = pair.pictures.map(|pixels| {
            let set = *set_of.entry(pixels).or_insert_with(|| own(pixels));
            sets.entry(set).or_default().insert(pixels);
            set
        });
        if one != other {
            let (kept, gone) = (one.min(other), one.max(other));
            let moved = sets.remove(&gone).expect("a set");
            moved.iter().for_each(|pixels| _ = set_of.insert(*pixels, kept));
            sets.get_mut(&kept).expect("a set").extend(moved);
        }
    }
    sets
}
