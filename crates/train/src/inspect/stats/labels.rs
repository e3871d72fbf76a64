//! What mixing does to labels: sums over rows of soft targets.

/// The bins of [`Labels::own_histogram`], of equal width over 0 to 1.
pub const BINS: usize = 20;

/// Sums over rows with soft targets t and a class of their own.
#[derive(Clone, Debug)]
pub struct Labels {
    classes: usize,
    entropy: f64,
    own: f64,
    /// (C, C): own class, then the class that has the share.
    shares: Vec<f64>,
    counts: Vec<u64>,
    bins: [u64; BINS],
}

impl Labels {
    pub fn new(classes: usize) -> Labels {
        let shares = vec![0.0; classes * classes];
        Labels { classes, entropy: 0.0, own: 0.0, shares, counts: vec![0; classes], bins: [0; BINS] }
    }

    /// Rows of `targets` (R, C), and the class of each row's own image.
    pub fn add(&mut self, own: &[u32], targets: &[f64]) {
        assert_eq!(targets.len(), own.len() * self.classes, "labels: a row of targets for each class");
        for (&class, row) in own.iter().zip(targets.chunks_exact(self.classes)) {
            let class = class as usize;
            self.entropy -= row.iter().filter(|t| **t > 0.0).map(|t| t * t.ln()).sum::<f64>();
            self.own += row[class];
            self.counts[class] += 1;
            let shares = &mut self.shares[class * self.classes..(class + 1) * self.classes];
            shares.iter_mut().zip(row).for_each(|(sum, share)| *sum += share);
            self.bins[((row[class] * BINS as f64) as usize).min(BINS - 1)] += 1;
        }
    }

    pub fn rows(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Mean over rows of −Σ_c t_c · ln t_c, nats; 0 to ln C.
    pub fn entropy(&self) -> f64 {
        self.entropy / self.rows() as f64
    }

    /// Mean over rows of the share of the own image's class.
    pub fn own_mass(&self) -> f64 {
        self.own / self.rows() as f64
    }

    /// (C, C): the mean targets of the rows of a class. NaN for a class without rows.
    pub fn confusion(&self) -> Vec<Vec<f64>> {
        let rows = self.shares.chunks_exact(self.classes).zip(&self.counts);
        rows.map(|(row, &count)| row.iter().map(|sum| sum / count as f64).collect()).collect()
    }

    /// Shares of the rows whose own class has a mass within each of [`BINS`]; the last is closed.
    pub fn own_histogram(&self) -> Vec<f64> {
        self.bins.iter().map(|&count| count as f64 / self.rows() as f64).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_by_hand() {
        let mut labels = Labels::new(4);
        // One-hot: entropy 0. Two halves: ln 2. Four quarters: ln 4.
        labels.add(&[0, 1], &[1.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0]);
        labels.add(&[1], &[0.25; 4]);
        assert!((labels.entropy() - (0.0 + 2f64.ln() + 4f64.ln()) / 3.0).abs() < 1e-15);
        assert!((labels.entropy() - 2f64.ln()).abs() < 1e-15); // (1 + 2) ln 2 / 3
        assert!((labels.own_mass() - 1.75 / 3.0).abs() < 1e-15); // 1 + .5 + .25
        let confusion = labels.confusion();
        assert_eq!(confusion[0], [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(confusion[1], [0.375, 0.375, 0.125, 0.125]); // means of (.5, .25), (.5, .25), (0, .25), (0, .25)
        assert!(confusion[2].iter().all(|share| share.is_nan()));
        let histogram = labels.own_histogram();
        // 1 is in the last bin, .5 in [.5, .55), .25 in [.25, .3).
        assert!([19, 10, 5].iter().all(|&bin| histogram[bin] == 1.0 / 3.0), "{histogram:?}");
    }
}
