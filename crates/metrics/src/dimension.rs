//! How many dimensions a set of points has around each of them.

use crate::points::{Points, products};
use crate::spectrum::count_above;
use crate::{Error, Result};
use rayon::prelude::*;

/// α of Fukunaga and Olsen: an eigenvalue counts where it is above this share of the largest.
const SHARE: f64 = 0.05;
/// From so many coordinates on, distances and covariances are read from the matrix of all dot products.
const WIDE: usize = 64;

/// Local intrinsic dimension by PCA: #{ i : λ_i > 0.05 · λ_1 } of the covariance of a point's k nearest other points,
/// Euclidean; at most min(k − 1, D). For each k of `neighbours` the dimensions of all points, in their order; points that
/// are all the same have 0. Of more than 64 coordinates, memory for N² numbers is needed.
///
/// Source: Fukunaga and Olsen, IEEE Trans. Computers C-20 (1971); pointwise scikit-dimension's `lPCA` (0.5, `ver="FO"`).
///
/// # Errors
/// [`Error::Argument`] unless 2 ≤ k < N.
pub fn local_dimension(points: &Points, neighbours: &[usize]) -> Result<Vec<Vec<usize>>> {
    let n = points.len();
    if let Some(k) = neighbours.iter().find(|k| !(2..n).contains(*k)) {
        let problem =
            format!("expected at least 2 neighbours and more points than those, got {k} of {n} points");
        return Err(Error::Argument(problem));
    }
    let Some(&most) = neighbours.iter().max() else { return Ok(Vec::new()) };
    let space = Space::of(points);
    let of_point = |at: usize| -> Vec<usize> {
        let near = space.nearest(at, most);
        neighbours.iter().map(|&k| space.dimension(&near[..k])).collect()
    };
    let found: Vec<Vec<usize>> = (0..n).into_par_iter().map(of_point).collect();
    Ok((0..neighbours.len()).map(|which| found.iter().map(|of| of[which]).collect()).collect())
}

struct Space<'a> {
    points: &'a Points,
    /// Dot products (N, N) of wide points.
    products: Option<Vec<f64>>,
}

impl Space<'_> {
    fn of(points: &Points) -> Space<'_> {
        Space { points, products: (points.dims() > WIDE).then(|| products(points, points)) }
    }

    /// The `count` points nearest to one, by increasing distance, itself left out; ties go to the lower index.
    fn nearest(&self, at: usize, count: usize) -> Vec<u32> {
        let n = self.points.len();
        let squared = |other: usize| match &self.products {
            Some(g) => g[at * n + at] + g[other * n + other] - 2.0 * g[at * n + other],
            None => {
                let pairs = self.points.row(at).iter().zip(self.points.row(other));
                pairs.map(|(a, b)| (a - b) * (a - b)).sum()
            }
        };
        let mut others: Vec<(f64, u32)> =
            (0..n).filter(|other| *other != at).map(|other| (squared(other), other as u32)).collect();
        let order = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        others.select_nth_unstable_by(count - 1, order);
        others.truncate(count);
        others.sort_by(order);
        others.into_iter().map(|(_, other)| other).collect()
    }

    /// Of these points: from their covariance or their Gram matrix, whichever is smaller; both have the same eigenvalues.
    fn dimension(&self, chosen: &[u32]) -> usize {
        let (k, dims) = (chosen.len(), self.points.dims());
        let size = k.min(dims);
        let mut matrix = match &self.products {
            Some(products) if k <= dims => self.centred_gram(products, chosen),
            _ => {
                let rows = self.centred(chosen);
                // Of coordinates, (D, k) · (k, D); or of points, (k, D) · (D, k).
                let (count, across, along) = if k <= dims { (dims, dims, 1) } else { (k, 1, dims) };
                let entry = |a: usize, b: usize| -> f64 {
                    (0..count).map(|c| rows[a * across + c * along] * rows[b * across + c * along]).sum()
                };
                (0..size * size).map(|at| entry(at / size, at % size)).collect()
            }
        };
        count_above(&mut matrix, size, SHARE)
    }

    /// (x_a − x̄)·(x_b − x̄) out of the dot products x_a·x_b.
    fn centred_gram(&self, products: &[f64], chosen: &[u32]) -> Vec<f64> {
        let (n, k) = (self.points.len(), chosen.len());
        let entry = |at: usize| products[chosen[at / k] as usize * n + chosen[at % k] as usize];
        let mut gram: Vec<f64> = (0..k * k).map(entry).collect();
        let means: Vec<f64> = gram.chunks_exact(k).map(|row| row.iter().sum::<f64>() / k as f64).collect();
        let mean = means.iter().sum::<f64>() / k as f64;
        gram.iter_mut().enumerate().for_each(|(at, value)| *value += mean - means[at / k] - means[at % k]);
        gram
    }

    /// Rows x − x̄.
    fn centred(&self, chosen: &[u32]) -> Vec<f64> {
        let dims = self.points.dims();
        let mut mean = vec![0.0; dims];
        for &at in chosen {
            mean.iter_mut().zip(self.points.row(at as usize)).for_each(|(sum, value)| *sum += value);
        }
        mean.iter_mut().for_each(|sum| *sum /= chosen.len() as f64);
        let rows = chosen.iter().flat_map(|&at| self.points.row(at as usize).iter().zip(&mean));
        rows.map(|(value, mean)| value - mean).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallow_seed::Seed;

    /// `n` points of a `flat`-dimensional cube, in `dims` coordinates.
    fn cube(n: usize, flat: usize, dims: usize) -> Points {
        let mut rng = Seed::new(1).fold("cube", 0).rng();
        let basis: Vec<f64> = (0..flat * dims).map(|_| rng.normal()).collect();
        let mut values = Vec::new();
        for _ in 0..n {
            let place: Vec<f64> = (0..flat).map(|_| rng.uniform()).collect();
            values.extend((0..dims).map(|d| (0..flat).map(|f| place[f] * basis[f * dims + d]).sum::<f64>()));
        }
        Points::new(n, values).unwrap()
    }

    #[test]
    fn a_line_has_one_dimension_and_a_square_two() {
        // Few coordinates, and so many that dot products are used; more neighbours than coordinates, and fewer.
        for dims in [3, 12, 90] {
            for (flat, expected) in [(1, 1), (2, 2)] {
                let found = local_dimension(&cube(120, flat, dims), &[40, 100]).unwrap();
                assert_eq!((found.len(), found[0].len()), (2, 120));
                let least = found.iter().flatten().filter(|d| **d == expected).count();
                assert!(
                    least >= 235 && found.iter().flatten().all(|d| *d <= expected),
                    "{dims} {flat}: {least}"
                );
            }
        }
    }

    #[test]
    fn by_hand() {
        // The two nearest to each lie on a line: one eigenvalue.
        let points = Points::new(4, vec![0.0, 0.0, 1.0, 0.0, 0.0, 1.5, 9.0, 9.0]).unwrap();
        assert_eq!(local_dimension(&points, &[2]).unwrap(), [[1, 1, 1, 1]]);
        // From point 3: (0, 0), (1, 0), (0, 1.5): both eigenvalues count. All alike: none.
        assert_eq!(local_dimension(&points, &[3]).unwrap()[0][3], 2);
        assert_eq!(local_dimension(&Points::new(4, vec![2.0; 8]).unwrap(), &[3]).unwrap(), [[0; 4]]);
    }

    #[test]
    fn neighbours_out_of_range_are_refused() {
        let points = cube(5, 1, 2);
        for k in [0, 1, 5, 6] {
            let error = local_dimension(&points, &[k]).unwrap_err().to_string();
            assert!(error.contains(&format!("got {k} of 5 points")), "{error}");
        }
    }
}
