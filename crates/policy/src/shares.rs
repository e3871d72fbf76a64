//! How much of each input row is in each output row.

use std::sync::Arc;

/// A row-stochastic matrix (rows out × rows in), stored as the non-zero entries of each row, by increasing column.
#[derive(Clone, Debug, PartialEq)]
pub struct Shares {
    inputs: usize,
    rows: Arc<Vec<Vec<(u32, f64)>>>,
}

impl Shares {
    /// Each output row is its input row.
    pub fn identity(rows: usize) -> Shares {
        Shares { inputs: rows, rows: Arc::new((0..rows as u32).map(|i| vec![(i, 1.0)]).collect()) }
    }

    /// The matrix with these entries; entries of one row and column add up. Panics on a column out of range.
    pub fn new(inputs: usize, rows: Vec<Vec<(u32, f64)>>) -> Shares {
        let mut sums = vec![0.0; inputs];
        let rows = rows.into_iter().map(|row| gather(&mut sums, row)).collect();
        Shares { inputs, rows: Arc::new(rows) }
    }

    /// Row i is `own[i]` of itself and the rest of its partner.
    pub fn pairs(partners: &[u32], own: impl Fn(usize) -> f64) -> Shares {
        let row = |(i, &partner): (usize, &u32)| vec![(i as u32, own(i)), (partner, 1.0 - own(i))];
        Shares::new(partners.len(), partners.iter().enumerate().map(row).collect())
    }

    /// Number of output rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn is_identity(&self) -> bool {
        let own = |(i, row): (usize, &Vec<(u32, f64)>)| **row == [(i as u32, 1.0)];
        self.len() == self.inputs && self.rows.iter().enumerate().all(own)
    }

    /// Number of input rows.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The non-zero entries (input row, share) of an output row.
    pub fn row(&self, output: usize) -> &[(u32, f64)] {
        &self.rows[output]
    }

    /// Those of every output row.
    pub fn rows(&self) -> &[Vec<(u32, f64)>] {
        &self.rows
    }

    /// Row-major (len, inputs).
    pub fn dense(&self) -> Vec<f64> {
        let mut dense = vec![0.0; self.len() * self.inputs];
        for (i, row) in self.rows.iter().enumerate() {
            row.iter().for_each(|&(j, share)| dense[i * self.inputs + j as usize] = share);
        }
        dense
    }

    /// `self · earlier`: the provenance of a chain that applied `earlier` first.
    pub fn after(&self, earlier: &Shares) -> Shares {
        assert_eq!(self.inputs, earlier.len(), "shares: the chain does not fit");
        if earlier.is_identity() {
            return self.clone();
        }
        let mut sums = vec![0.0; earlier.inputs];
        let rows = self.rows.iter().map(|row| {
            sums.fill(0.0);
            for &(j, a) in row {
                earlier.row(j as usize).iter().for_each(|&(k, b)| sums[k as usize] += a * b);
            }
            sums.iter()
                .enumerate()
                .filter(|(_, share)| **share != 0.0)
                .map(|(k, &share)| (k as u32, share))
                .collect()
        });
        Shares { inputs: earlier.inputs, rows: Arc::new(rows.collect()) }
    }

    /// `self · targets`: (inputs, classes) → (len, classes), row-major.
    pub fn mix(&self, targets: &[f64], classes: usize) -> Vec<f64> {
        assert_eq!(targets.len(), self.inputs * classes, "shares: the targets do not fit");
        // One-hot rows are the rule: only what is not 0 is added.
        let (mut present, mut ends) = (Vec::new(), Vec::with_capacity(self.inputs + 1));
        ends.push(0);
        for row in targets.chunks_exact(classes) {
            present.extend(row.iter().copied().enumerate().filter(|(_, mass)| *mass != 0.0));
            ends.push(present.len());
        }
        let mut mixed = vec![0.0; self.len() * classes];
        let one_each = ends.iter().enumerate().all(|(i, end)| *end == i);
        for (row, mixed) in self.rows.iter().zip(mixed.chunks_exact_mut(classes)) {
            if one_each {
                for &(j, share) in row {
                    let (class, mass) = present[j as usize];
                    mixed[class] += share * mass;
                }
                continue;
            }
            for &(j, share) in row {
                let source = &present[ends[j as usize]..ends[j as usize + 1]];
                source.iter().for_each(|&(class, mass)| mixed[class] += share * mass);
            }
        }
        mixed
    }

    /// The source with the largest share of each output row; ties go to the lower index.
    pub fn dominant(&self) -> Vec<u32> {
        let largest = |row: &Vec<(u32, f64)>| {
            row.iter()
                .fold((0, f64::MIN), |best, &(j, share)| if share > best.1 { (j, share) } else { best })
                .0
        };
        self.rows.iter().map(largest).collect()
    }

    /// What is wrong with it as a row-stochastic matrix of `inputs` rows, if anything.
    pub(crate) fn problem(&self, inputs: usize) -> Option<String> {
        if self.inputs != inputs {
            return Some(format!("its shares are of {} rows, the batch has {inputs}", self.inputs));
        }
        if self.is_empty() {
            return Some("its shares have no row".to_owned());
        }
        self.rows.iter().enumerate().find_map(|(i, row)| {
            // Four sums, which do not wait for each other.
            let mut sums = [0.0; 4];
            for four in row.chunks(4) {
                sums.iter_mut().zip(four).for_each(|(sum, (_, share))| *sum += share);
            }
            let sum: f64 = sums.iter().sum();
            // R additions of rounded f64: far below 1e-9 for any batch.
            let right = (sum - 1.0).abs() < 1e-9 && row.iter().all(|&(_, share)| share >= 0.0);
            (!right)
                .then(|| format!("the shares of row {i} must be 0 or more and sum to 1, got a sum of {sum}"))
        })
    }
}

/// Sorts the entries of one row by column and adds up those of one column; `sums` is room for a whole row.
fn gather(sums: &mut [f64], mut row: Vec<(u32, f64)>) -> Vec<(u32, f64)> {
    let inputs = sums.len();
    if row.len() > inputs / 8 {
        // A full row is sorted by writing it down.
        sums.fill(0.0);
        row.iter().for_each(|&(j, share)| sums[j as usize] += share);
        // Every column is written; the next one takes its place where it is 0.
        row.resize(inputs, (0, 0.0));
        let mut count = 0;
        for (j, &share) in sums.iter().enumerate() {
            row[count] = (j as u32, share);
            count += usize::from(share != 0.0);
        }
        row.truncate(count);
        return row;
    }
    row.sort_by_key(|&(j, _)| j);
    let mut gathered: Vec<(u32, f64)> = Vec::with_capacity(row.len());
    for (j, share) in row {
        assert!((j as usize) < inputs, "shares: row {j} of {inputs}");
        match gathered.last_mut() {
            Some(last) if last.0 == j => last.1 += share,
            _ => gathered.push((j, share)),
        }
    }
    gathered.retain(|&(_, share)| share != 0.0);
    gathered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_multiplies() {
        let first = Shares::pairs(&[1, 0], |_| 0.75); // [[.75, .25], [.25, .75]]
        let then = Shares::new(
            2,
            vec![vec![(0, 0.5), (1, 0.5)], vec![(1, 0.25), (1, 0.75)], vec![(0, 1.0), (1, 0.0)]],
        );
        let product = then.after(&first);
        assert_eq!(product.dense(), [0.5, 0.5, 0.25, 0.75, 0.75, 0.25]);
        assert_eq!((product.len(), product.inputs()), (3, 2));
        assert_eq!(product.dominant(), [0, 1, 0]); // the tie goes to row 0
        assert_eq!(Shares::identity(3).after(&product), product);
    }

    #[test]
    fn short_and_full_rows_are_gathered_alike() {
        let row = vec![(5, 0.25), (2, 0.5), (5, 0.125), (7, 0.0), (0, 0.125)];
        // 5 entries are many of 8, few of 80.
        for inputs in [8, 80] {
            assert_eq!(Shares::new(inputs, vec![row.clone()]).row(0), [(0, 0.125), (2, 0.5), (5, 0.375)]);
        }
    }

    #[test]
    fn targets_are_mixed() {
        let shares = Shares::new(2, vec![vec![(1, 0.25), (0, 0.75)]]);
        assert_eq!(shares.row(0), [(0, 0.75), (1, 0.25)]);
        let targets = [1.0, 0.0, 0.0, 0.5, 0.0, 0.5];
        assert_eq!(shares.mix(&targets, 3), [0.875, 0.0, 0.125]); // .75 · [1 0 0] + .25 · [.5 0 .5]
    }

    #[test]
    fn what_is_not_stochastic_is_named() {
        assert_eq!(Shares::identity(2).problem(2), None);
        assert!(Shares::identity(2).problem(3).unwrap().contains("of 2 rows, the batch has 3"));
        assert!(Shares::new(2, vec![]).problem(2).unwrap().contains("no row"));
        for row in [vec![(0, 0.9)], vec![(0, 1.5), (1, -0.5)], vec![(0, f64::NAN)]] {
            assert!(Shares::new(2, vec![row]).problem(2).unwrap().contains("row 0"));
        }
    }
}
