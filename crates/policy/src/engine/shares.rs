//! How much of each input row is in each output row.

use rayon::prelude::*;
use std::sync::Arc;

/// (column, share).
type Entries = Vec<(u32, f64)>;

/// A row-stochastic matrix (rows out × rows in), stored as the non-zero entries of each row, by increasing column.
#[derive(Clone, Debug, PartialEq)]
pub struct Shares {
    inputs: usize,
    rows: Arc<Vec<Vec<(u32, f64)>>>,
    /// The first row that is not stochastic.
    wrong: Option<usize>,
}

impl Shares {
    /// Each output row is its input row.
    pub fn identity(rows: usize) -> Shares {
        let rows: Vec<_> = (0..rows as u32).map(|i| vec![(i, 1.0)]).collect();
        Shares { inputs: rows.len(), rows: Arc::new(rows), wrong: None }
    }

    /// The matrix with these entries; entries of one row and column add up. Panics on a column out of range.
    pub fn new(inputs: usize, rows: Vec<Vec<(u32, f64)>>) -> Shares {
        let mut room = RowBuilder::new(inputs);
        Shares::of(inputs, rows.into_iter().map(|row| room.row(row.into_iter())).collect())
    }

    /// The matrix of rows that were made for `inputs` rows.
    pub(crate) fn of(inputs: usize, rows: Vec<Row>) -> Shares {
        let wrong = rows.iter().position(|row| !row.stochastic);
        Shares { inputs, rows: Arc::new(rows.into_iter().map(|row| row.entries).collect()), wrong }
    }

    /// Of parts of the rows, one after another, that have nothing of each other.
    pub(crate) fn of_parts(parts: &[Shares]) -> Shares {
        let (mut inputs, mut rows, mut wrong) = (0, Vec::new(), None);
        for part in parts {
            wrong = wrong.or(part.wrong.map(|row| rows.len() + row));
            let moved = |row: &Entries| row.iter().map(|&(j, share)| (inputs as u32 + j, share)).collect();
            rows.extend(part.rows.iter().map(moved).collect::<Vec<Entries>>());
            inputs += part.inputs;
        }
        Shares { inputs, rows: Arc::new(rows), wrong }
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
        let mut room = RowBuilder::new(earlier.inputs);
        let rows = self.rows.iter().map(|row| {
            room.sums.fill(0.0);
            for &(j, a) in row {
                earlier.row(j as usize).iter().for_each(|&(k, b)| room.sums[k as usize] += a * b);
            }
            room.taken()
        });
        Shares::of(earlier.inputs, rows.collect())
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
        let add = |(rows, mixed): (&[Entries], &mut [f64])| {
            if let [a, b, c, d] = rows
                && one_each
                && rows.iter().all(|row| row.len() == present.len())
            {
                // Rows of all inputs: sums that do not wait for each other.
                let rows =
                    [&a[..present.len()], &b[..present.len()], &c[..present.len()], &d[..present.len()]];
                let mut parts = mixed.chunks_exact_mut(classes);
                let mut mixed: [&mut [f64]; 4] = std::array::from_fn(|_| parts.next().expect("of four rows"));
                for (j, &(class, mass)) in present.iter().enumerate() {
                    (0..4).for_each(|i| mixed[i][class] += rows[i][j].1 * mass);
                }
                return;
            }
            for (row, mixed) in rows.iter().zip(mixed.chunks_exact_mut(classes)) {
                for &(j, share) in row {
                    let source = &present[ends[j as usize]..ends[j as usize + 1]];
                    source.iter().for_each(|&(class, mass)| mixed[class] += share * mass);
                }
            }
        };
        let fours = (self.rows.par_chunks(4), mixed.par_chunks_mut(4 * classes));
        fours.into_par_iter().with_min_len(8).for_each(add);
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
        let row = self.wrong?;
        let sum: f64 = self.rows[row].iter().map(|(_, share)| share).sum();
        Some(format!("the shares of row {row} must be 0 or more and sum to 1, got a sum of {sum}"))
    }
}

/// The entries of a row by increasing column, one for each, none of them 0.
pub(crate) struct Row {
    entries: Vec<(u32, f64)>,
    stochastic: bool,
}

/// Where the entries of one row after another are put in order.
#[derive(Clone)]
pub(crate) struct RowBuilder {
    /// One for each column.
    sums: Vec<f64>,
}

impl RowBuilder {
    pub fn new(inputs: usize) -> RowBuilder {
        RowBuilder { sums: vec![0.0; inputs] }
    }

    /// Entries of one column add up. Panics on a column out of range.
    pub fn row(&mut self, entries: impl ExactSizeIterator<Item = (u32, f64)>) -> Row {
        let inputs = self.sums.len();
        if entries.len() > inputs / 8 {
            // A full row is sorted by writing it down.
            self.sums.fill(0.0);
            entries.for_each(|(j, share)| self.sums[j as usize] += share);
            return self.taken();
        }
        let mut row: Vec<_> = entries.collect();
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
        let shares: Vec<f64> = gathered.iter().map(|(_, share)| *share).collect();
        Row { entries: gathered, stochastic: stochastic(&shares) }
    }

    /// The row of these sums.
    fn taken(&self) -> Row {
        let numbered = self.sums.iter().enumerate().map(|(j, share)| (j as u32, *share));
        let present = self.sums.iter().map(|share| usize::from(*share != 0.0)).sum();
        let entries = if present == self.sums.len() {
            numbered.collect()
        } else {
            let mut entries = Vec::with_capacity(present);
            entries.extend(numbered.filter(|(_, share)| *share != 0.0));
            entries
        };
        Row { entries, stochastic: stochastic(&self.sums) }
    }
}

/// Whether these are 0 or more and sum to 1.
fn stochastic(shares: &[f64]) -> bool {
    // Eight sums, which do not wait for each other.
    let (mut sums, mut least) = ([0.0; 8], [0.0; 8]);
    let (eights, rest) = shares.as_chunks::<8>();
    let mut last = [0.0; 8];
    last[..rest.len()].copy_from_slice(rest);
    for eight in eights.iter().chain([&last]) {
        for i in 0..8 {
            sums[i] += eight[i];
            least[i] = if eight[i] < least[i] { eight[i] } else { least[i] };
        }
    }
    // R additions of rounded f64: far below 1e-9 for any batch. A share that is no number leaves no sum.
    (sums.iter().sum::<f64>() - 1.0).abs() < 1e-9 && least == [0.0; 8]
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
    fn full_rows_of_one_hot_targets_are_mixed() {
        // Six rows of three; the last but one is not full.
        let full = |a: f64| vec![(0, a), (1, 0.75 - a), (2, 0.25)];
        let mut rows: Vec<_> = [0.125, 0.25, 0.375, 0.5, 0.625, 0.5].into_iter().map(full).collect();
        rows[4] = vec![(1, 1.0)];
        let mixed = Shares::new(3, rows).mix(&[0.0, 1.0, 0.0, 1.0, 0.0, 1.0], 2); // classes 1, 1, 1
        assert_eq!(mixed, [0.0, 1.0].repeat(6));
        let rows: Vec<_> = (1..6).map(|i| full(f64::from(i) / 8.0)).collect();
        let mixed = Shares::new(3, rows).mix(&[1.0, 0.0, 0.0, 1.0, 1.0, 0.0], 2); // classes 0, 1, 0
        let expected = (1..6).flat_map(|i| [f64::from(i) / 8.0 + 0.25, 0.75 - f64::from(i) / 8.0]);
        assert_eq!(mixed, expected.collect::<Vec<_>>());
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
