//! Groups dealt to parts of given shares, class by class.

use std::collections::HashMap;

use tallow_seed::Seed;

use crate::Dataset;

/// The part of each image; `shares` of the parts sum to 1. See [`super::divide`].
pub fn assign(dataset: &dyn Dataset, shares: &[f64], stratified: bool, seed: Seed) -> Vec<u32> {
    let n_classes = if stratified { dataset.classes().len() } else { 1 };
    let class = |index: usize| if stratified { dataset.label(index) as usize } else { 0 };
    let mut totals = vec![0.0; n_classes];
    (0..dataset.len()).for_each(|index| totals[class(index)] += 1.0);

    let first = firsts(dataset);
    let mut members: Vec<usize> = (0..dataset.len()).collect();
    members.sort_by_key(|&index| first[index]);
    let mut groups: Vec<&[usize]> = members.chunk_by(|&a, &b| first[a] == first[b]).collect();
    seed.fold("split", 0).rng().shuffle(&mut groups);
    // Stable: groups of one size stay shuffled.
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));

    let mut counts = vec![vec![0.0; n_classes]; shares.len()];
    let mut sizes = vec![0.0; shares.len()];
    let mut parts = vec![0; dataset.len()];
    for group in groups {
        let mut gained = vec![0.0; n_classes];
        group.iter().for_each(|&index| gained[class(index)] += 1.0);
        let rise = |part: usize| {
            let classes = (0..n_classes).filter(|&c| gained[c] > 0.0);
            let rises = classes.map(|c| {
                let target = shares[part] * totals[c];
                let (before, after) = (counts[part][c] - target, counts[part][c] + gained[c] - target);
                (after * after - before * before) / target
            });
            rises.sum::<f64>()
        };
        // Equal rises (classes smaller than the number of parts): to the part that has least of its share.
        let cost = |part: usize| (rise(part), sizes[part] / shares[part]);
        let best = (0..shares.len())
            .min_by(|&a, &b| cost(a).partial_cmp(&cost(b)).expect("costs are numbers"))
            .expect("a part");
        group.iter().for_each(|&index| parts[index] = best as u32);
        sizes[best] += group.len() as f64;
        (0..n_classes).for_each(|c| counts[best][c] += gained[c]);
    }
    parts
}

/// The first image of the group of each; an image without a group is alone.
fn firsts(dataset: &dyn Dataset) -> Vec<usize> {
    let mut known: HashMap<&str, usize> = HashMap::new();
    let first = |index: usize| dataset.group(index).map_or(index, |name| *known.entry(name).or_insert(index));
    (0..dataset.len()).map(first).collect()
}
