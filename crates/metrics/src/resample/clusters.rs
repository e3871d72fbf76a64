//! Images that are drawn, or swapped, together.

use std::collections::HashMap;

use tallow_seed::{Rng, Seed};

use super::{Batch, LANES};
use crate::Predictions;

/// The images of each group; every image of none is a cluster of its own.
pub(crate) struct Clusters {
    /// The images, cluster by cluster.
    images: Vec<u32>,
    /// Where each cluster ends in them.
    ends: Vec<u32>,
}

impl Clusters {
    /// In order of first appearance.
    pub(crate) fn of(predictions: &Predictions, by_group: bool) -> Clusters {
        let mut clusters: Vec<Vec<u32>> = Vec::new();
        let mut of_group: HashMap<&str, usize> = HashMap::new();
        for index in 0..predictions.len() {
            let place = match predictions.group(index).filter(|_| by_group) {
                Some(group) => *of_group.entry(group).or_insert(clusters.len()),
                None => clusters.len(),
            };
            if place == clusters.len() {
                clusters.push(Vec::new());
            }
            clusters[place].push(index as u32);
        }
        let ends = clusters.iter().scan(0, |end, cluster| {
            *end += cluster.len() as u32;
            Some(*end)
        });
        Clusters { ends: ends.collect(), images: clusters.concat() }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Each cluster's images.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.len()).map(|index| self.images(index))
    }

    fn images(&self, index: usize) -> &[u32] {
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.images[begin as usize..self.ends[index] as usize]
    }

    /// The row of each image in a batch of draws: its cluster.
    pub(crate) fn rows(&self) -> Vec<u32> {
        let mut rows = vec![0; self.images.len()];
        for (row, images) in (0..).zip(self.iter()) {
            images.iter().for_each(|&image| rows[image as usize] = row);
        }
        rows
    }

    /// The row of each image of one model, then of each of another, in a batch of swaps.
    pub(crate) fn rows_of_two(&self) -> Vec<u32> {
        let rows = self.rows();
        let of = |model| rows.iter().map(move |row| 2 * row + model);
        of(0).chain(of(1)).collect()
    }

    /// As many clusters as there are, with replacement.
    pub(crate) fn draw(&self, rng: &mut Rng, drawn: &mut Vec<u32>) {
        drawn.clear();
        drawn.extend((0..self.len()).map(|_| rng.below(self.len() as u32)));
    }

    /// Counts drawn clusters as a draw of a batch.
    pub(crate) fn count(&self, drawn: &[u32], lane: usize, batch: &mut Batch) {
        for &cluster in drawn {
            let times = &mut batch.times[cluster as usize][lane];
            *times = times.saturating_add(1);
        }
        let images = |&cluster: &u32| self.images(cluster as usize).len() as u32;
        batch.images[lane] =
            if self.are_single() { drawn.len() as u32 } else { drawn.iter().map(images).sum() };
    }

    /// The images of drawn clusters, in their order; `images` is room for them.
    pub(crate) fn images_of<'a>(&self, drawn: &'a [u32], images: &'a mut Vec<u32>) -> &'a [u32] {
        // In the order of their first images they are these.
        if self.are_single() {
            return drawn;
        }
        images.clear();
        drawn.iter().for_each(|&cluster| images.extend_from_slice(self.images(cluster as usize)));
        images
    }

    fn are_single(&self) -> bool {
        self.images.len() == self.len()
    }

    /// Batches of swaps, one for each seed: of each cluster the first model's images are in `ours` and the second's in `theirs`, or by
    /// the toss of a coin the other way round. Lanes without a seed keep all.
    pub(crate) fn swap(&self, seeds: &[Seed], ours: &mut Batch, theirs: &mut Batch) {
        ours.clear(2 * self.len());
        theirs.clear(2 * self.len());
        for batch in [&mut *ours, &mut *theirs] {
            batch.images.fill(self.images.len() as u32);
        }
        let mut rngs: Vec<Rng> = seeds.iter().map(|seed| seed.rng()).collect();
        let rows = ours.times.chunks_mut(2 * 64).zip(theirs.times.chunks_mut(2 * 64));
        for (ours, theirs) in rows {
            let mut coins = [0; LANES];
            coins.iter_mut().zip(&mut rngs).for_each(|(coins, rng)| *coins = rng.bits());
            for (ours, theirs) in ours.chunks_exact_mut(2).zip(theirs.chunks_exact_mut(2)) {
                let mut swapped = [0; LANES];
                for (swapped, coins) in swapped.iter_mut().zip(&mut coins) {
                    *swapped = (*coins & 1) as u8;
                    *coins >>= 1;
                }
                let kept = swapped.map(|swapped| 1 - swapped);
                ours.copy_from_slice(&[kept, swapped]);
                theirs.copy_from_slice(&[swapped, kept]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tallow_seed::Seed;

    use super::{Batch, Clusters, LANES};
    use crate::Predictions;

    fn clusters(groups: &[Option<&str>], by_group: bool) -> Clusters {
        let mut predictions = Predictions::new(&["a".to_owned()]);
        for (index, group) in groups.iter().enumerate() {
            predictions.push(&index.to_string(), *group, 0, &[1.0]).unwrap();
        }
        Clusters::of(&predictions, by_group)
    }

    #[test]
    fn images_without_group_stand_alone() {
        let groups = [Some("x"), Some("y"), None, None, Some("z"), Some("x")];
        let of = |by_group| clusters(&groups, by_group).iter().map(<[u32]>::to_vec).collect::<Vec<_>>();
        assert_eq!(of(true), [vec![0, 5], vec![1], vec![2], vec![3], vec![4]]);
        assert_eq!(of(false), [[0], [1], [2], [3], [4], [5]]);
    }

    #[test]
    fn a_draw_has_whole_clusters() {
        let clusters = clusters(&[Some("x"), Some("y"), Some("x"), None, Some("y"), Some("x")], true);
        let (mut batch, mut drawn, mut images) = (Batch::default(), Vec::new(), Vec::new());
        let mut seen = [0; 3];
        for index in 0..300 {
            batch.clear(3);
            clusters.draw(&mut Seed::new(1).fold("draw", index).rng(), &mut drawn);
            clusters.count(&drawn, 5, &mut batch);
            let of_clusters = batch.times.iter().map(|lanes| u32::from(lanes[5])).collect::<Vec<_>>();
            let images = clusters.images_of(&drawn, &mut images);
            assert_eq!(images.len() as u32, batch.images[5]);
            for (row, image) in clusters.rows().iter().zip(0..) {
                let times = images.iter().filter(|&&drawn| drawn == image).count();
                assert_eq!(times as u32, of_clusters[*row as usize]);
            }
            assert_eq!(of_clusters.iter().sum::<u32>(), 3);
            seen.iter_mut().zip(of_clusters).for_each(|(seen, times)| *seen += times);
        }
        assert!(seen.iter().all(|&times| (250..350).contains(&times)), "{seen:?}");
    }

    #[test]
    fn a_swap_has_every_image_of_one_model_by_whole_clusters() {
        let groups: Vec<String> = (0..200).map(|index| (index / 2).to_string()).collect();
        let clusters = clusters(&groups.iter().map(|group| Some(&**group)).collect::<Vec<_>>(), true);
        let (mut ours, mut theirs) = (Batch::default(), Batch::default());
        let rows = clusters.rows_of_two();
        let seeds: Vec<Seed> = (0..LANES as u64).map(|index| Seed::new(1).fold("swap", index)).collect();
        clusters.swap(&seeds, &mut ours, &mut theirs);
        let mut kept = 0;
        for (lane, seed) in seeds.iter().enumerate() {
            let mut rng = seed.rng();
            let coins = [rng.bits(), rng.bits()];
            for image in 0..200 {
                let of =
                    |batch: &Batch| [0, 200].map(|model| batch.times[rows[model + image] as usize][lane]);
                let swapped = (coins[image / 128] >> (image / 2 % 64) & 1) as u8;
                assert_eq!((of(&ours), of(&theirs)), ([1 - swapped, swapped], [swapped, 1 - swapped]));
                kept += u32::from(of(&ours)[0]);
            }
            assert_eq!((ours.images[lane], theirs.images[lane]), (200, 200));
        }
        assert!((1450..1750).contains(&kept), "{kept}"); // of 1600 coins, each of two images
    }
}
