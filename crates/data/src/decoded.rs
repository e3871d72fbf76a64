//! Which image files were decoded before: a run that starts again decodes none of them whose size and date are the same.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::check::{Cache, place};
use crate::content::{content_by, of_image};
use crate::decode::broken::{Broken, failing};
use crate::decode::budget::Budget;
use crate::hash::hash;
use crate::{Dataset, Result, decode_within};

/// How often what was seen is kept on the way, so that a start that is ended loses little.
const EVERY: Duration = Duration::from_secs(10);

/// The files of a place that were decoded once, by path, size, time of change and limit of pixels, and what their images are made of.
#[derive(Default)]
pub struct Decoded {
    cache: Cache,
    place: u128,
    known: HashMap<u128, u128>,
    /// Whether the cache is another's to write.
    is_told: bool,
}

impl Decoded {
    /// What `cache` has of the place that some parts (name, dataset) are read from.
    pub fn of(parts: &[(&str, &dyn Dataset)], cache: Cache) -> Decoded {
        let place = place(parts);
        Decoded { known: cache.whole(place), place, cache, is_told: false }
    }

    /// Of a process that is told what others have seen, and leaves the cache to the first of them.
    pub fn told(self) -> Decoded {
        Decoded { is_told: true, ..self }
    }

    /// What is known: what a file is known by, and what its image is made of.
    pub fn known(&self) -> &HashMap<u128, u128> {
        &self.known
    }

    /// Takes over what another process has seen.
    pub fn learn(&mut self, seen: impl IntoIterator<Item = (u128, u128)>) {
        let before = self.known.len();
        self.known.extend(seen);
        if self.known.len() > before {
            self.keep(&HashMap::new());
        }
    }

    fn keep(&self, fresh: &HashMap<u128, u128>) {
        if !self.is_told {
            let _ = self.cache.keep_whole(self.place, self.known.iter().chain(fresh));
        }
    }

    /// As [`crate::broken`] of the images that are `mine`, without decoding what was decoded before. What is decoded now is kept; a cache
    /// that cannot be written is no reason to stop.
    pub fn broken(
        &mut self,
        dataset: &dyn Dataset,
        workers: usize,
        mine: &(dyn Fn(usize) -> bool + Sync),
        progress: &(dyn Fn(usize) + Sync),
    ) -> Vec<Broken> {
        let (budget, most) = (Budget::new(), dataset.max_pixels());
        let fresh = Mutex::new((HashMap::new(), Instant::now() + EVERY));
        let broken = failing(dataset, workers, progress, &|index| {
            if !mine(index) {
                return Ok(());
            }
            let key = key(dataset, index)?;
            if key.is_some_and(|key| self.known.contains_key(&key)) {
                return Ok(());
            }
            let image = dataset.image(index)?.load()?;
            let _held = budget.hold(&image);
            decode_within(&image, most)?;
            if let Some(key) = key {
                let content = of_image(&image)?;
                let (found, next) = &mut *fresh.lock().unwrap_or_else(PoisonError::into_inner);
                found.insert(key, content);
                let began = Instant::now();
                if began >= *next {
                    self.keep(found);
                    // Of a large set that takes a while, in which no thread goes on: at most a twentieth of the time.
                    *next = began + EVERY.max(20 * began.elapsed());
                }
            }
            Ok(())
        });
        let (fresh, _) = fresh.into_inner().unwrap_or_else(PoisonError::into_inner);
        if !fresh.is_empty() {
            self.known.extend(fresh);
            self.keep(&HashMap::new());
        }
        broken
    }

    /// As [`crate::content`], without opening what is known.
    ///
    /// # Errors
    /// As [`crate::content`].
    pub fn content(&self, dataset: &dyn Dataset, workers: usize) -> Result<String> {
        content_by(dataset, workers, &|index| self.content_of(dataset, index))
    }

    /// What one image is made of.
    pub(crate) fn content_of(&self, dataset: &dyn Dataset, index: usize) -> Result<u128> {
        match key(dataset, index)?.and_then(|key| self.known.get(&key)) {
            Some(content) => Ok(*content),
            None => of_image(&dataset.image(index)?),
        }
    }
}

/// What a file is known by; `None` for other images.
fn key(dataset: &dyn Dataset, index: usize) -> Result<Option<u128>> {
    let about = dataset.about(index)?;
    Ok(about.map(|about| hash(&dataset.max_pixels().to_le_bytes(), about.key())))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::written::{file, jpeg, picture};
    use crate::{Images, Row, Table, content};

    #[test]
    fn an_image_is_decoded_once_and_again_where_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = || Cache::new(folder.path().join("cache"));
        let paths: Vec<_> = (0..8).map(|index| folder.path().join(format!("{index}.jpg"))).collect();
        let whole = |side: u32| jpeg(&picture(side, 20), None);
        paths.iter().zip(20..).for_each(|(path, side)| file(path, whole(side)));
        file(&paths[3], &whole(23)[..200]);
        let row = |index: usize| Row { id: index.to_string(), label: 0, group: None };
        let table = || -> Arc<Table> {
            let (rows, files) = ((0..8).map(row).collect(), Images::Files(paths.clone().into()));
            Arc::new(Table::new("test", vec!["a".into()], None, rows, files).unwrap())
        };
        let start = || {
            let table = table();
            let mut decoded = Decoded::of(&[("", &*table)], cache());
            let before = decoded.known.len();
            let broken = decoded.broken(&*table, 3, &|_| true, &|_| {});
            assert_eq!(decoded.content(&*table, 2).unwrap(), content(&*table, 1).unwrap());
            (before, broken.iter().map(|image| image.index).collect::<Vec<_>>())
        };
        assert_eq!(start(), (0, vec![3]));
        assert_eq!(start(), (7, vec![3]));
        // Mended, and another one broken: of the same length, at another time.
        file(&paths[3], whole(23));
        let mut bytes = whole(25);
        let length = bytes.len();
        bytes[length - 60..].fill(0);
        std::thread::sleep(Duration::from_millis(20));
        file(&paths[5], bytes);
        assert_eq!(start(), (7, vec![5]));
        assert_eq!(start(), (8, vec![5]));
        // Two that share the images, of which the first keeps what both have seen.
        let (table, shared) = (table(), || Cache::new(folder.path().join("shared")));
        let [mut first, second] = [(); 2].map(|()| Decoded::of(&[("", &*table)], shared()));
        let mut second = second.told();
        assert_eq!(first.broken(&*table, 2, &|index| index % 2 == 0, &|_| {}).len(), 0);
        assert_eq!(second.broken(&*table, 2, &|index| index % 2 == 1, &|_| {}).len(), 1);
        assert_eq!((first.known().len(), second.known().len(), shared().whole(first.place).len()), (4, 3, 4));
        first.learn(second.known().iter().map(|(key, content)| (*key, *content)));
        assert_eq!((first.known().len(), shared().whole(first.place).len()), (7, 7));
        // Without a cache every one is decoded.
        let mut decoded = Decoded::of(&[("", &*table)], Cache::NONE);
        assert_eq!(decoded.broken(&*table, 1, &|_| true, &|_| {}).len(), 1);
    }
}
