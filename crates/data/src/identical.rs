//! Images that are the same to the byte: on two sides of a split they leak, under two labels one of them is wrong.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::first_few;
use crate::part::Part;
use crate::texts::alike;
use crate::{Dataset, Decoded, Encoded, Result, counted, fingerprint};

/// Sets of two and more images of the same bytes, in the order of their first image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identical(pub Vec<Vec<Place>>);

/// An image of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub part: String,
    pub id: String,
    pub class: String,
}

/// Finds them in parts (name, dataset): what has a length in common is compared by the first and the last bytes, and what is alike by these
/// by a 128-bit hash of all. Of files that are `known`, by path, length and time of change, the first and last bytes are those of then.
///
/// # Errors
/// A file or a row that cannot be read.
pub fn identical(parts: &[(&str, &dyn Dataset)], known: &Decoded, workers: usize) -> Result<Identical> {
    let all = every(parts);
    let lengths = in_threads(all.len(), workers, |at| {
        let (part, index) = all[at];
        Ok(match parts[part].1.length(index)? {
            Some(length) => length,
            None => stored(&parts[part].1.image(index)?).len() as u64,
        })
    })?;
    let some: Vec<usize> = alike(lengths.into_iter()).concat();
    let contents = in_threads(some.len(), workers, |at| {
        let (part, index) = all[some[at]];
        Ok(known.content_of(parts[part].1, index)? as u64)
    })?;
    let some: Vec<usize> = alike(contents.into_iter()).concat().into_iter().map(|at| some[at]).collect();
    let hashes = in_threads(some.len(), workers, |at| {
        let (part, index) = all[some[at]];
        Ok(fingerprint(stored(&parts[part].1.image(index)?.load()?)))
    })?;
    let mut sets: HashMap<&str, Vec<usize>> = HashMap::new();
    some.iter().zip(&hashes).for_each(|(at, hash)| sets.entry(hash).or_default().push(*at));
    let mut sets: Vec<Vec<usize>> = sets.into_values().filter(|set| set.len() > 1).collect();
    sets.iter_mut().for_each(|set| set.sort_unstable());
    sets.sort_unstable();
    let place = |at: usize| place_of(parts, all[at]);
    Ok(Identical(sets.into_iter().map(|set| set.into_iter().map(place).collect()).collect()))
}

/// (part, index) of every image.
pub(crate) fn every(parts: &[(&str, &dyn Dataset)]) -> Vec<(usize, usize)> {
    let of = |(part, (_, dataset)): (usize, &(&str, &dyn Dataset))| {
        (0..dataset.len()).map(move |index| (part, index)).collect::<Vec<_>>()
    };
    parts.iter().enumerate().flat_map(of).collect()
}

/// What an image is called.
pub(crate) fn place_of(parts: &[(&str, &dyn Dataset)], (part, index): (usize, usize)) -> Place {
    let (name, dataset) = parts[part];
    let class = dataset.classes()[dataset.label(index) as usize].clone();
    Place { part: name.to_owned(), id: dataset.id(index).to_owned(), class }
}

/// Bytes or pixels of an image in memory.
fn stored(image: &Encoded) -> &[u8] {
    match image {
        Encoded::Bytes(bytes) | Encoded::Deep { bytes, .. } => bytes,
        Encoded::Pixels(image) => &image.pixels,
        Encoded::File(path) => unreachable!("{} is in memory", path.display()),
    }
}

impl Identical {
    /// Those with images in two parts.
    pub fn across_parts(&self) -> Vec<&[Place]> {
        self.differing(|place| &place.part)
    }

    /// Those with two labels.
    pub fn across_classes(&self) -> Vec<&[Place]> {
        self.differing(|place| &place.class)
    }

    /// The images, as (part, id), without which nothing is learned that is judged by: of an image in several parts all but those of the
    /// last of them (test, else validation), of one under two labels all but those of the test part, which stays as it was given.
    pub fn surplus(&self) -> HashSet<(&str, &str)> {
        let mut surplus = HashSet::new();
        for set in &self.0 {
            let rank = |place: &Place| Part::parse(&place.part);
            let last = set.iter().map(rank).max().flatten();
            let labels = set.iter().map(|place| &place.class).collect::<BTreeSet<_>>().len();
            let stays =
                |place: &&Place| rank(place) == Some(Part::Test) || (labels == 1 && rank(place) == last);
            let gone = set.iter().filter(|place| !stays(place));
            surplus.extend(gone.map(|place| (place.part.as_str(), place.id.as_str())));
        }
        surplus
    }

    fn differing<'a>(&'a self, by: impl Fn(&'a Place) -> &'a str) -> Vec<&'a [Place]> {
        let differ = |set: &&'a Vec<Place>| set.iter().map(&by).collect::<BTreeSet<_>>().len() > 1;
        self.0.iter().filter(differ).map(Vec::as_slice).collect()
    }

    /// What is wrong with them, one message for each kind; none where all are of one part and class.
    pub fn problems(&self) -> Vec<String> {
        self.problems_of("the same to the byte")
    }

    /// The same of images that are alike in another way.
    pub fn problems_of(&self, alike: &str) -> Vec<String> {
        let told = |sets: Vec<&[Place]>, what: &str, by: fn(&Place) -> &str, remedy: &str| {
            let named: Vec<String> = sets
                .iter()
                .map(|set| {
                    set.iter()
                        .map(|place| format!("{} ({})", place.id, by(place)))
                        .collect::<Vec<_>>()
                        .join(" = ")
                })
                .collect();
            let (many, are) = (counted(sets.len(), "image"), if sets.len() == 1 { "is" } else { "are" });
            (!sets.is_empty())
                .then(|| format!("{many} {are} {what}, {alike}: {} – {remedy}", first_few(&named)))
        };
        let parts = told(self.across_parts(), "in two parts", |place| &place.part, "keep each in one part");
        let classes = told(
            self.across_classes(),
            "under two labels",
            |place| &place.class,
            "keep the right label of each",
        );
        parts.into_iter().chain(classes).collect()
    }
}

/// `f` of 0 to `count`, in that order, on some threads; the first error ends it.
pub(crate) fn in_threads<T: Send>(
    count: usize,
    workers: usize,
    f: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    // Of many so many at a time that what lies between two of them is all the same.
    let block = (count / (64 * workers.max(1))).clamp(1, 64);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let from = next.fetch_add(block, Ordering::Relaxed);
            if from >= count {
                return Ok(done);
            }
            let found = (from..count.min(from + block)).map(&f).collect::<Result<Vec<T>>>();
            done.push((from, found.inspect_err(|_| next.store(count, Ordering::Relaxed))?));
        }
    };
    let mut done: Vec<(usize, Vec<T>)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers.max(1)).map(|_| scope.spawn(work)).collect();
        let each = threads.into_iter().map(|thread| thread.join().expect("no panic is expected"));
        Ok(each.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    })?;
    done.sort_by_key(|(from, _)| *from);
    let mut all = Vec::with_capacity(count);
    done.into_iter().for_each(|(_, found)| all.extend(found));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::{file, jpeg_file};
    use crate::{Images, Row, Table};

    fn folder(names: &[(&str, u32)]) -> (tempfile::TempDir, Table) {
        let folder = tempfile::tempdir().unwrap();
        let rows = names.iter().map(|(name, label)| Row { id: (*name).into(), label: *label, group: None });
        let paths = names.iter().map(|(name, _)| folder.path().join(name)).collect();
        let table =
            Table::new("a test", vec!["a".into(), "b".into()], None, rows.collect(), Images::Files(paths));
        (folder, table.unwrap())
    }

    #[test]
    fn the_same_bytes_are_found_across_parts_and_labels() {
        let (files, train) = folder(&[("1.jpg", 0), ("2.jpg", 1), ("3.jpg", 0), ("4.jpg", 0)]);
        jpeg_file(files.path().join("1.jpg"));
        jpeg_file(files.path().join("2.jpg"));
        file(files.path().join("3.jpg"), "of a length of its own");
        file(files.path().join("4.jpg"), "abc");
        let (others, test) = folder(&[("5.jpg", 0), ("6.jpg", 0)]);
        file(others.path().join("5.jpg"), "abc");
        file(others.path().join("6.jpg"), "abd");
        let found = identical(&[("train", &train), ("test", &test)], &Decoded::default(), 2).unwrap();
        assert_eq!(found.0.len(), 2);
        assert_eq!(
            found.problems(),
            [
                "1 image is in two parts, the same to the byte: 4.jpg (train) = 5.jpg (test) – keep each in one part",
                "1 image is under two labels, the same to the byte: 1.jpg (a) = 2.jpg (b) – keep the right label of each",
            ]
        );
        assert!(identical(&[("test", &test)], &Decoded::default(), 3).unwrap().problems().is_empty());
        std::fs::remove_file(others.path().join("6.jpg")).unwrap();
        assert!(identical(&[("test", &test)], &Decoded::default(), 1).is_err());
    }

    #[test]
    fn the_test_part_keeps_its_images_and_others_give_theirs() {
        let place = |text: &str| {
            let words: Vec<&str> = text.split('/').collect();
            Place { part: words[0].into(), class: words[1].into(), id: text.into() }
        };
        let surplus = |places: &[&str]| {
            let found = Identical(vec![places.iter().map(|text| place(text)).collect()]);
            let mut ids: Vec<String> = found.surplus().iter().map(|(_, id)| (*id).to_owned()).collect();
            ids.sort();
            ids
        };
        assert!(surplus(&["train/a/1", "train/a/2"]).is_empty(), "copies in one part and class leak nothing");
        assert_eq!(surplus(&["train/a/1", "train/a/2", "validation/a/3"]), ["train/a/1", "train/a/2"]);
        assert_eq!(
            surplus(&["train/a/1", "validation/a/2", "test/a/3", "test/a/4"]),
            ["train/a/1", "validation/a/2"]
        );
        assert_eq!(surplus(&["train/a/1", "train/b/2"]), ["train/a/1", "train/b/2"]);
        assert_eq!(surplus(&["train/a/1", "validation/b/2"]), ["train/a/1", "validation/b/2"]);
        assert_eq!(surplus(&["validation/a/1", "test/a/2", "test/b/3"]), ["validation/a/1"]);
    }

    #[test]
    fn images_in_memory_are_compared_too() {
        let one = crate::written::table(&[(0, ""), (0, "")]);
        let two = crate::written::table(&[(0, "")]);
        let found = identical(&[("train", &one), ("validation", &two)], &Decoded::default(), 1).unwrap();
        assert_eq!(found.across_parts().len(), 1, "image 0 of both");
    }
}
