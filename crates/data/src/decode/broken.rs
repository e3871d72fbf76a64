//! Which images cannot be read: asked before a run, not in the middle of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::budget::Budget;
use super::decode_within;
use super::whole::check_whole;
use crate::{Dataset, Result};

/// An image that cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub index: usize,
    pub id: String,
    pub reason: String,
}

/// "2 of 90 train images cannot be read:", then a line for each, of at most `most` images; `part` may be empty,
/// and `all` is all the images there are.
pub fn complaint(broken: &[Broken], images: usize, part: &str, most: usize) -> String {
    let part = if part == "all" { "" } else { part };
    let space = if part.is_empty() { "" } else { " " };
    let mut text = format!("{} of {images} {part}{space}images cannot be read:", broken.len());
    for Broken { id, reason, .. } in broken.iter().take(most) {
        // The system's word about a file names it already.
        let id = if reason.starts_with(id) { String::new() } else { format!("{id}: ") };
        text += &format!("\n  {id}{reason}");
    }
    if broken.len() > most {
        text += &format!("\n  … and {} more", broken.len() - most);
    }
    text
}

/// Decodes every image on `workers` threads and returns those that fail, in order. `progress` hears the number done.
pub fn broken(dataset: &dyn Dataset, workers: usize, progress: &(dyn Fn(usize) + Sync)) -> Vec<Broken> {
    let (budget, most) = (Budget::new(), dataset.max_pixels());
    failing(dataset, workers, progress, &|index| {
        let image = dataset.image(index)?.load()?;
        let _held = budget.hold(&image);
        decode_within(&image, most).map(drop)
    })
}

/// Those that [`check_whole`] refuses, by their first and last bytes: a small part of the time of [`broken`], which finds more.
pub fn truncated(dataset: &dyn Dataset, workers: usize) -> Vec<Broken> {
    failing(dataset, workers, &|_| {}, &|index| check_whole(&dataset.image(index)?))
}

pub(crate) fn failing(
    dataset: &dyn Dataset,
    workers: usize,
    progress: &(dyn Fn(usize) + Sync),
    check: &(dyn Fn(usize) -> Result<()> + Sync),
) -> Vec<Broken> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let look = || {
        let mut found = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= dataset.len() {
                return found;
            }
            let checked = catch_unwind(AssertUnwindSafe(|| check(index)));
            let reason = match checked {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("the decoder gave up on it (a panic)".to_string()),
            };
            if let Some(reason) = reason {
                found.push(Broken { index, id: dataset.id(index).to_string(), reason });
            }
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        }
    };
    let mut found: Vec<Broken> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers.max(1)).map(|_| scope.spawn(look)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("panics of decoders are caught")).collect()
    });
    found.sort_by_key(|image| image.index);
    found
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::written::{file, jpeg, jpeg_file, picture};
    use crate::{Images, Row, Subset, Table};

    #[test]
    fn names_every_broken_image_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = |index: usize| folder.path().join(format!("{index}.jpg"));
        (0..20).for_each(|index| jpeg_file(path(index)));
        let whole = jpeg(&picture(40, 40), None);
        file(path(13), &whole[..whole.len() - 40]);
        file(path(4), "");
        let row = |index: usize| Row { id: format!("image {index}"), label: 0, group: None };
        let rows = (0..20).map(row).collect();
        let files = Images::Files((0..20).map(path).collect());
        let table = Arc::new(Table::new("test", vec!["a".into()], None, rows, files).unwrap());
        let calls = AtomicUsize::new(0);
        let found = broken(&*table, 3, &|_| {
            calls.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(calls.into_inner(), 20);
        assert_eq!(found.iter().map(|image| image.index).collect::<Vec<_>>(), [4, 13]);
        assert_eq!(found[0].reason, "expected an image, got an empty file");
        assert_eq!(found[1].id, "image 13");
        assert!(found[1].reason.starts_with("truncated JPEG: "));
        assert_eq!(
            complaint(&found, 20, "train", 1),
            "2 of 20 train images cannot be read:\n  image 4: expected an image, got an empty file\n  … and 1 more"
        );
        let by_their_ends = truncated(&*table, 3);
        assert_eq!(by_their_ends.iter().map(|image| image.index).collect::<Vec<_>>(), [4, 13]);
        let named = Broken { index: 0, id: "x.png".into(), reason: "x.png: denied".into() };
        for part in ["all", ""] {
            let said = complaint(std::slice::from_ref(&named), 1, part, 9);
            assert_eq!(said, "1 of 1 images cannot be read:\n  x.png: denied");
        }
        let rest = Subset::without(table, &found);
        assert_eq!(rest.len(), 18);
        assert_eq!(rest.id(4), "image 5");
        assert_eq!(broken(&rest, 1, &|_| {}), []);
    }
}
