//! Groups dealt to parts of given shares, class by class.

use std::collections::HashMap;
use std::ops::Range;

use tallow_seed::Seed;

use crate::Dataset;

/// The part of each image; `shares` of the parts sum to 1. See [`super::divide`].
pub fn assign(dataset: &dyn Dataset, shares: &[f64], stratified: bool, seed: Seed) -> Vec<u32> {
    let n_classes = if stratified { dataset.classes().len() } else { 1 };
    let class = |index: usize| if stratified { dataset.label(index) as usize } else { 0 };
    let mut totals = vec![0.0; n_classes];
    (0..dataset.len()).for_each(|index| totals[class(index)] += 1.0);

    let (members, mut groups) = groups(dataset);
    seed.fold("split", 0).rng().shuffle(&mut groups);
    // Stable: groups of one size stay shuffled.
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let of = |group: Range<u32>| {
        members[group.start as usize..group.end as usize].iter().map(|&index| index as usize)
    };

    let mut counts = vec![vec![0.0; n_classes]; shares.len()];
    let mut sizes = vec![0.0; shares.len()];
    let mut parts = vec![0; dataset.len()];
    for group in groups {
        let mut gained = vec![0.0; n_classes];
        of(group.clone()).for_each(|index| gained[class(index)] += 1.0);
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
        of(group.clone()).for_each(|index| parts[index] = best as u32);
        sizes[best] += group.len() as f64;
        (0..n_classes).for_each(|c| counts[best][c] += gained[c]);
    }
    parts
}

/// Images in the order of their groups, and where each group is among them: by its first image, those without a group alone.
fn groups(dataset: &dyn Dataset) -> (Vec<u32>, Vec<Range<u32>>) {
    let mut known: HashMap<&str, u32> = HashMap::new();
    let mut sizes: Vec<u32> = Vec::new();
    let group_of: Vec<u32> = (0..dataset.len())
        .map(|index| {
            let new = sizes.len() as u32;
            let group = dataset.group(index).map_or(new, |name| *known.entry(name).or_insert(new));
            sizes.resize(sizes.len().max(group as usize + 1), 0);
            sizes[group as usize] += 1;
            group
        })
        .collect();
    let mut next = 0;
    let mut groups: Vec<Range<u32>> = Vec::with_capacity(sizes.len());
    for size in sizes {
        groups.push(next..next);
        next += size;
    }
    let mut members = vec![0; dataset.len()];
    for (index, group) in (0..).zip(group_of) {
        let range = &mut groups[group as usize];
        members[range.end as usize] = index;
        range.end += 1;
    }
    (members, groups)
}
