//! Images that are drawn, or swapped, together.

use std::collections::HashMap;

use tallow_seed::Rng;

use super::Draw;
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
        for (index, group) in predictions.groups.iter().enumerate() {
            let place = match group.as_deref().filter(|_| by_group) {
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

    /// As many clusters as there are, with replacement.
    pub(crate) fn draw(&self, rng: &mut Rng, draw: &mut Draw) {
        draw.images.clear();
        if self.images.len() == self.len() {
            draw.images.extend(self.ends.iter().map(|_| self.images[rng.below(self.len() as u32) as usize]));
        } else {
            for _ in &self.ends {
                draw.images.extend_from_slice(self.images(rng.below(self.len() as u32) as usize));
            }
        }
        draw.count(self.images.len());
    }

    /// Of `n` images of one run and, from `n` on, the same images of another: each cluster from the first or from the
    /// second by the toss of a coin, and in `others` from the other.
    pub(crate) fn swap(&self, rng: &mut Rng, draw: &mut Draw, others: &mut Draw) {
        let n = self.images.len() as u32;
        draw.images.clear();
        others.images.clear();
        let (mut coins, mut left) = (0, 0);
        for cluster in self.iter() {
            if left == 0 {
                (coins, left) = (rng.bits(), 64);
            }
            let (ours, theirs) = if coins & 1 == 0 { (0, n) } else { (n, 0) };
            (coins, left) = (coins >> 1, left - 1);
            draw.images.extend(cluster.iter().map(|image| image + ours));
            others.images.extend(cluster.iter().map(|image| image + theirs));
        }
        draw.count(2 * n as usize);
        others.count(2 * n as usize);
    }
}

#[cfg(test)]
mod tests {
    use tallow_seed::Seed;

    use super::{Clusters, Draw};
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
        let mut draw = Draw::default();
        let mut seen = [0; 3];
        for index in 0..300 {
            clusters.draw(&mut Seed::new(1).fold("draw", index).rng(), &mut draw);
            assert_eq!((draw.times[0], draw.times[1]), (draw.times[2], draw.times[4]));
            assert_eq!(draw.times[0], draw.times[5]);
            assert_eq!(draw.times[0] + draw.times[1] + draw.times[3], 3);
            assert_eq!(
                draw.images.len() as u32,
                draw.times.iter().map(|&times| u32::from(times)).sum::<u32>()
            );
            [0, 1, 3].iter().zip(&mut seen).for_each(|(&image, seen)| *seen += u32::from(draw.times[image]));
        }
        assert!(seen.iter().all(|&times| (250..350).contains(&times)), "{seen:?}");
    }

    #[test]
    fn a_swap_has_every_image_once_by_whole_clusters() {
        let groups: Vec<String> = (0..100).map(|index| (index / 2).to_string()).collect();
        let clusters = clusters(&groups.iter().map(|group| Some(&**group)).collect::<Vec<_>>(), true);
        let (mut draw, mut others) = (Draw::default(), Draw::default());
        let mut ours = 0;
        for index in 0..100 {
            clusters.swap(&mut Seed::new(1).fold("swap", index).rng(), &mut draw, &mut others);
            for image in 0..100 {
                let of = |draw: &Draw| [draw.times[image], draw.times[100 + image]];
                let (here, there) = (of(&draw), of(&others));
                assert!(here[0] + here[1] == 1 && here[0] == there[1] && here[1] == there[0]);
                assert_eq!(here, [draw.times[image ^ 1], draw.times[100 + (image ^ 1)]]);
                ours += u32::from(here[0]);
            }
        }
        assert!((4700..5300).contains(&ours), "{ours}"); // of 5000 coins, each of two images
    }
}
