//! Who is mixed with whom: a field of the engine, since peers differ silently.

use crate::schema::quantity::choice;
use tallow_seed::Rng;

/// How the engine draws the partner of each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pairing {
    pub order: Order,
    /// Whether rows of one group (a lesion, a patient) may be mixed with each other, as own row and partner or as two partners.
    /// Of rows that are mixed already, the group is that of the largest share.
    pub within_group: bool,
}

choice! {
    /// The rule of [`Pairing`].
    pub enum Order {
        /// A uniform permutation: a row may be its own partner (the papers' rule).
        Permutation = "permutation",
        /// A uniform permutation without fixed points.
        Derangement = "derangement",
        /// Row i with row R − 1 − i (timm's rule).
        Flip = "flip",
        /// Row i with row i − 1 (torchvision's rule).
        Roll = "roll",
    }
}

impl Default for Pairing {
    fn default() -> Pairing {
        Pairing { order: Order::Permutation, within_group: true }
    }
}

impl Pairing {
    /// The partner of each row. Where rows of one group must not meet, a random order is mended by exchanges; a row for
    /// which there is no partner is left to itself.
    pub fn partners(&self, groups: &[Option<u32>], rng: &mut Rng) -> Vec<u32> {
        let rows = groups.len() as u32;
        let mut partners = match self.order {
            Order::Permutation => rng.permutation(rows),
            Order::Derangement => rng.derangement(rows),
            Order::Flip => (0..rows).rev().collect(),
            Order::Roll => (0..rows).map(|row| (row + rows - 1) % rows).collect(),
        };
        if !self.within_group {
            let random = matches!(self.order, Order::Permutation | Order::Derangement);
            for row in 0..rows as usize {
                if self.may_meet(groups, row, partners[row] as usize) {
                    continue;
                }
                let others = if random { rng.permutation(rows) } else { Vec::new() };
                let exchange = others.into_iter().map(|other| other as usize).find(|&other| {
                    self.fits(groups, row, partners[other]) && self.fits(groups, other, partners[row])
                });
                match exchange {
                    Some(other) => partners.swap(row, other),
                    None => partners[row] = row as u32,
                }
            }
        }
        partners
    }

    fn fits(&self, groups: &[Option<u32>], row: usize, partner: u32) -> bool {
        let itself = row == partner as usize && self.order == Order::Derangement;
        !itself && self.may_meet(groups, row, partner as usize)
    }

    fn may_meet(&self, groups: &[Option<u32>], a: usize, b: usize) -> bool {
        may_meet(groups, self.within_group, a, b)
    }
}

/// Whether two rows may be mixed: always, but for different rows of one group where that is excluded.
pub(crate) fn may_meet(groups: &[Option<u32>], within_group: bool, a: usize, b: usize) -> bool {
    within_group || a == b || groups[a].is_none() || groups[a] != groups[b]
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallow_seed::Seed;

    fn rng(index: u64) -> Rng {
        Seed::new(5).fold("pairing test", index).rng()
    }

    fn is_permutation(partners: &[u32]) -> bool {
        let mut sorted = partners.to_vec();
        sorted.sort();
        sorted.iter().enumerate().all(|(i, &p)| i as u32 == p)
    }

    #[test]
    fn fixed_orders() {
        let of = |order| Pairing { order, within_group: true }.partners(&[None; 5], &mut rng(0));
        assert_eq!(of(Order::Flip), [4, 3, 2, 1, 0]);
        assert_eq!(of(Order::Roll), [4, 0, 1, 2, 3]);
        assert!(is_permutation(&of(Order::Permutation)));
        assert!(of(Order::Derangement).iter().enumerate().all(|(i, &p)| i as u32 != p));
    }

    #[test]
    fn groups_are_kept_apart() {
        // Three rows of group 0, two of group 1, three without a group.
        let groups = [Some(0), Some(0), Some(1), None, Some(0), Some(1), None, None];
        for &(_, order) in Order::ALL {
            let pairing = Pairing { order, within_group: false };
            for i in 0..200 {
                let partners = pairing.partners(&groups, &mut rng(i));
                for (row, &partner) in partners.iter().enumerate() {
                    let partner = partner as usize;
                    assert!(row == partner || groups[row].is_none() || groups[row] != groups[partner]);
                    assert!(order != Order::Derangement || row != partner);
                }
                assert!(
                    !matches!(order, Order::Permutation | Order::Derangement) || is_permutation(&partners)
                );
            }
        }
    }

    #[test]
    fn a_row_without_a_partner_is_left_alone() {
        let pairing = Pairing { order: Order::Derangement, within_group: false };
        assert_eq!(pairing.partners(&[Some(3); 4], &mut rng(0)), [0, 1, 2, 3]);
        assert_eq!(pairing.partners(&[Some(3)], &mut rng(0)), [0]);
        assert!(pairing.partners(&[], &mut rng(0)).is_empty());
    }
}
