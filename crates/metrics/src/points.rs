//! Points in space, their dot products and distances.

use crate::{Error, Result};
use rayon::prelude::*;

/// N points of D coordinates, finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    rows: usize,
    dims: usize,
    values: Vec<f64>,
}

impl Points {
    /// `values` (rows, D), row-major.
    ///
    /// # Errors
    /// [`Error::Argument`] where the numbers make no whole points or one is not finite.
    pub fn new(rows: usize, values: Vec<f64>) -> Result<Points> {
        if rows == 0 || values.is_empty() || !values.len().is_multiple_of(rows) {
            let problem =
                format!("points: expected as many numbers for each, got {} for {rows}", values.len());
            return Err(Error::Argument(problem));
        }
        let dims = values.len() / rows;
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let problem =
                format!("points: expected finite numbers, got {} in point {}", values[at], at / dims);
            return Err(Error::Argument(problem));
        }
        Ok(Points { rows, dims, values })
    }

    /// N.
    pub fn len(&self) -> usize {
        self.rows
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// D.
    pub fn dims(&self) -> usize {
        self.dims
    }

    pub fn row(&self, at: usize) -> &[f64] {
        &self.values[at * self.dims..(at + 1) * self.dims]
    }

    /// The mean point.
    pub fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.dims];
        for row in self.values.chunks_exact(self.dims) {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        mean.iter_mut().for_each(|sum| *sum /= self.rows as f64);
        mean
    }

    /// Moved by −`origin`: dot products near 0 lose no digits.
    pub fn from(mut self, origin: &[f64]) -> Points {
        assert_eq!(origin.len(), self.dims, "points: the origin has other coordinates");
        for row in self.values.chunks_exact_mut(self.dims) {
            row.iter_mut().zip(origin).for_each(|(value, origin)| *value -= origin);
        }
        self
    }

    /// min_j ‖x_i − y_j‖ for each point x_i; where `others` are the points themselves, over j ≠ i.
    pub fn nearest_distance(&self, others: &Points) -> Vec<f64> {
        let itself = std::ptr::eq(self, others);
        let square =
            |points: &Points, at: usize| points.row(at).iter().map(|value| value * value).sum::<f64>();
        let ours: Vec<f64> = (0..self.rows).map(|at| square(self, at)).collect();
        let theirs: Vec<f64> = (0..others.rows).map(|at| square(others, at)).collect();
        let products = products(self, others);
        let nearest = |(at, row): (usize, &[f64])| {
            let others = row.iter().enumerate().filter(|(other, _)| !itself || *other != at);
            let squared = others.map(|(other, product)| ours[at] + theirs[other] - 2.0 * product);
            squared.fold(f64::INFINITY, f64::min).max(0.0).sqrt()
        };
        products.chunks_exact(others.rows).enumerate().map(nearest).collect()
    }
}

/// Dot products (rows of a, rows of b).
pub(crate) fn products(a: &Points, b: &Points) -> Vec<f64> {
    const BLOCK: usize = 64;
    assert_eq!(a.dims, b.dims, "points of the same number of coordinates");
    let (dims, columns) = (a.dims, b.rows);
    let mut out = vec![0.0; a.rows * columns];
    out.par_chunks_mut(BLOCK * columns).zip(a.values.par_chunks(BLOCK * dims)).for_each(|(out, rows)| {
        // SAFETY: out is (m, columns), rows (m, dims) and b (columns, dims), row-major, each a live slice of that length;
        // out is borrowed alone.
        unsafe {
            gemm::gemm(
                rows.len() / dims,
                columns,
                dims,
                out.as_mut_ptr(),
                1,
                columns as isize,
                false,
                rows.as_ptr(),
                1,
                dims as isize,
                b.values.as_ptr(),
                dims as isize,
                1,
                1.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_by_hand() {
        let a = Points::new(2, vec![0.0, 0.0, 3.0, 4.0]).unwrap();
        let b = Points::new(3, vec![0.0, 1.0, 3.0, 2.0, 6.0, 8.0]).unwrap();
        // (0, 0) – (0, 1): 1. (3, 4) – (3, 2): 2.
        assert_eq!(a.nearest_distance(&b), [1.0, 2.0]);
        assert_eq!(a.nearest_distance(&a), [5.0, 5.0]); // not to itself
        assert_eq!(a.nearest_distance(&a.clone()), [0.0, 0.0]);
        assert_eq!(products(&a, &b), [0.0, 0.0, 0.0, 4.0, 17.0, 50.0]);
        assert_eq!(a.mean(), [1.5, 2.0]);
        assert_eq!(a.clone().from(&[1.5, 2.0]).row(0), [-1.5, -2.0]);
    }

    #[test]
    fn products_over_several_blocks() {
        let values: Vec<f64> = (0..150 * 5).map(|i| ((i * 37) % 11) as f64 - 5.0).collect();
        let points = Points::new(150, values).unwrap();
        let found = products(&points, &points);
        for (i, j) in [(0, 149), (64, 63), (127, 128), (149, 149)] {
            let expected: f64 = points.row(i).iter().zip(points.row(j)).map(|(a, b)| a * b).sum();
            assert_eq!(found[i * 150 + j], expected, "{i} {j}"); // whole numbers: exact
        }
    }

    #[test]
    fn what_is_no_point_set_is_refused() {
        for (rows, values, word) in [
            (0, vec![], "0"),
            (2, vec![1.0; 3], "3 for 2"),
            (2, vec![0.0, 0.0, f64::NAN, 0.0], "NaN in point 1"),
        ] {
            let error = Points::new(rows, values).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
