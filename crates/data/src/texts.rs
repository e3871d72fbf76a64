//! Many short texts in one piece of memory, and which of many things are the same.

use crate::hash::hash;

/// Texts in their order. One takes its bytes and eight more.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    text: String,
    ends: Vec<usize>,
}

impl Texts {
    pub fn push(&mut self, text: &str) {
        self.text += text;
        self.ends.push(self.text.len());
    }

    pub fn get(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[index]]
    }
}

/// What is there twice of `count` texts, as (index, index of the first), in order.
pub fn repeated<'a>(count: usize, text: impl Fn(usize) -> &'a str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for alike in alike((0..count).map(|index| text_hash(text(index)))) {
        // Two texts of one hash are hardly to be had, and no error.
        for (at, &index) in alike.iter().enumerate() {
            let first = alike[..at].iter().find(|&&earlier| text(earlier) == text(index));
            found.extend(first.map(|&first| (index, first)));
        }
    }
    found.sort_unstable();
    found
}

pub fn text_hash(text: &str) -> u64 {
    hash(text.as_bytes(), 0) as u64
}

/// Sets of two and more indices of one hash, each in order, in the order of their first.
pub fn alike(hashes: impl Iterator<Item = u64>) -> Vec<Vec<usize>> {
    let mut all: Vec<(u64, u32)> = hashes.zip(0..).collect();
    all.sort_unstable();
    let runs = all.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1);
    let mut sets: Vec<Vec<usize>> =
        runs.map(|run| run.iter().map(|(_, index)| *index as usize).collect()).collect();
    sets.sort_unstable();
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_and_those_that_are_there_twice_are_found() {
        let given = ["a", "", "b", "a", "", "é", "a"];
        let mut texts = Texts::default();
        given.iter().for_each(|text| texts.push(text));
        assert_eq!((0..given.len()).map(|index| texts.get(index)).collect::<Vec<_>>(), given);
        assert_eq!(repeated(given.len(), |index| texts.get(index)), [(3, 0), (4, 1), (6, 0)]);
        assert_eq!(alike([3, 1, 3, 1, 2].into_iter()), [[0, 2], [1, 3]]);
    }
}
