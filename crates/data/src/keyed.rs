//! Values by hashes, in little more memory than they take.

/// (key, value) in the order of the keys.
#[derive(Debug, Default)]
pub struct Keyed {
    all: Vec<(u128, u128)>,
    /// Where the keys begin that have some first bits, by these: about one key for each.
    starts: Vec<u32>,
    /// How many bits a key has after these.
    rest: u32,
}

impl Keyed {
    /// Of two of one key the later.
    pub fn extend(&mut self, more: Vec<(u128, u128)>) {
        self.all.extend(more);
        // Stable, so that the later of one key comes first here.
        self.all.reverse();
        self.all.sort_by_key(|(key, _)| *key);
        self.all.dedup_by_key(|(key, _)| *key);
        let bits = self.all.len().next_power_of_two().ilog2().max(1);
        self.rest = u128::BITS - bits;
        let mut at = 0;
        self.starts = (0..=1_u64 << bits)
            .map(|first| {
                let rest = self.all[at..].iter();
                at += rest.take_while(|(key, _)| (key >> self.rest) < u128::from(first)).count();
                at as u32
            })
            .collect();
    }

    pub fn get(&self, key: u128) -> Option<u128> {
        if self.all.is_empty() {
            return None;
        }
        let first = (key >> self.rest) as usize;
        let &[from, to] = self.starts.get(first..first + 2)?.first_chunk()?;
        let near = &self.all[from as usize..to as usize];
        near.iter().find(|(other, _)| *other == key).map(|(_, value)| *value)
    }

    pub fn iter(&self) -> impl Iterator<Item = &(u128, u128)> {
        self.all.iter()
    }
}

impl From<Vec<(u128, u128)>> for Keyed {
    fn from(all: Vec<(u128, u128)>) -> Keyed {
        let mut keyed = Keyed::default();
        keyed.extend(all);
        keyed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::hash;

    #[test]
    fn every_key_is_found_and_no_other() {
        for count in [0_u128, 1, 2, 3, 1000] {
            let even: Vec<(u128, u128)> =
                (0..count).map(|value| (hash(&value.to_le_bytes(), 0), value)).collect();
            let lumped: Vec<(u128, u128)> = (0..count).map(|value| (value * value, value)).collect();
            for all in [even, lumped] {
                let keyed = Keyed::from(all.clone());
                for (key, value) in all {
                    assert_eq!(keyed.get(key), Some(value));
                }
                for other in [u128::MAX, 3 << 100, 7] {
                    assert_eq!(keyed.get(other), None, "{count}");
                }
            }
        }
    }

    #[test]
    fn of_one_key_the_later_value_stays() {
        let mut keyed = Keyed::from(vec![(5, 1), (5, 2), (3, 3)]);
        assert_eq!(keyed.iter().collect::<Vec<_>>(), [&(3, 3), &(5, 2)]);
        keyed.extend(vec![(3, 4)]);
        assert_eq!(keyed.get(3), Some(4));
    }
}
