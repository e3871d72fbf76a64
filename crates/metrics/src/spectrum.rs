//! How many eigenvalues of a symmetric matrix are large: Householder's tridiagonal form, then Sturm's count.

/// The number of eigenvalues λ > `share` · λ_max of a symmetric positive semi-definite matrix (n × n, row-major); 0 where
/// λ_max is not above 0. No eigenvalue is computed but the largest. `matrix` is used up. Errors of λ are about n · 2⁻⁵² · λ_max.
pub fn count_above(matrix: &mut [f64], n: usize, share: f64) -> usize {
    assert_eq!(matrix.len(), n * n, "spectrum: {n} by {n}");
    let tridiagonal = Tridiagonal::of(matrix, n);
    let largest = tridiagonal.largest();
    if largest > 0.0 { n - tridiagonal.below(share * largest) } else { 0 }
}

struct Tridiagonal {
    diagonal: Vec<f64>,
    /// Squares of the numbers beside it.
    beside: Vec<f64>,
}

impl Tridiagonal {
    /// H A H with H = I − β v vᵀ, column by column: what is below the subdiagonal becomes 0, the eigenvalues stay.
    fn of(a: &mut [f64], n: usize) -> Tridiagonal {
        let (mut diagonal, mut beside) = (Vec::with_capacity(n), Vec::with_capacity(n));
        let (mut v, mut p) = (vec![0.0; n], vec![0.0; n]);
        for k in 0..n {
            diagonal.push(a[k * n + k]);
            let first = k + 1;
            if first == n {
                break;
            }
            // By symmetry the row is the column.
            let x = &a[k * n + first..(k + 1) * n];
            let squares: f64 = x.iter().map(|x| x * x).sum();
            let below: f64 = x[1..].iter().map(|x| x * x).sum();
            beside.push(squares);
            if below == 0.0 {
                continue;
            }
            let (v, p) = (&mut v[first..], &mut p[first..]);
            v.copy_from_slice(x);
            v[0] += squares.sqrt().copysign(x[0]);
            let beta = 2.0 / (v[0] * v[0] + below);
            for (row, p) in p.iter_mut().enumerate() {
                *p = beta * dot(&a[(first + row) * n + first..(first + row + 1) * n], v);
            }
            let half = 0.5 * beta * dot(p, v);
            p.iter_mut().zip(&*v).for_each(|(p, v)| *p -= half * v);
            for row in 0..n - first {
                let (vr, pr) = (v[row], p[row]);
                let line = &mut a[(first + row) * n + first..(first + row + 1) * n];
                line.iter_mut().zip(v.iter().zip(&*p)).for_each(|(a, (v, p))| *a -= vr * p + pr * v);
            }
        }
        Tridiagonal { diagonal, beside }
    }

    /// The number of eigenvalues under `x`: of negative pivots in the LDLᵀ of T − x.
    fn below(&self, x: f64) -> usize {
        let mut count = 0;
        let mut pivot = 1.0;
        for (at, d) in self.diagonal.iter().enumerate() {
            let square = if at == 0 { 0.0 } else { self.beside[at - 1] };
            pivot = d - x - square / pivot;
            if pivot == 0.0 {
                pivot = f64::MIN_POSITIVE;
            }
            count += usize::from(pivot < 0.0);
        }
        count
    }

    /// The largest eigenvalue, by bisection between 0 and Gershgorin's bound, to the last bits.
    fn largest(&self) -> f64 {
        let n = self.diagonal.len();
        let beside = |at: usize| self.beside.get(at).map_or(0.0, |square| square.sqrt());
        let before = |at: usize| if at == 0 { 0.0 } else { beside(at - 1) };
        let bounds = self.diagonal.iter().enumerate().map(|(at, d)| d + before(at) + beside(at));
        let (mut low, mut high) = (0.0, bounds.fold(0.0, f64::max));
        loop {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                return high;
            }
            if self.below(middle) == n { high = middle } else { low = middle }
        }
    }
}

/// Σ a·b in four lanes, always the same.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 4];
    let (a, b) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for lane in 0..4 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallow_seed::Seed;

    /// Q diag(λ) Qᵀ with Q = Π (I − 2 u uᵀ) for random unit u.
    fn with_eigenvalues(values: &[f64]) -> Vec<f64> {
        let n = values.len();
        let mut rng = Seed::new(3).fold("reflections", n as u64).rng();
        let mut a = vec![0.0; n * n];
        (0..n).for_each(|i| a[i * n + i] = values[i]);
        for _ in 0..n {
            let u: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
            let length: f64 = u.iter().map(|u| u * u).sum();
            let reflect = |a: &[f64], i: usize, j: usize| {
                let along: f64 = (0..n).map(|k| u[k] * a[k * n + j]).sum();
                a[i * n + j] - 2.0 * u[i] * along / length
            };
            let left: Vec<f64> = (0..n * n).map(|at| reflect(&a, at / n, at % n)).collect();
            let turned: Vec<f64> = (0..n * n).map(|at| left[at % n * n + at / n]).collect();
            a = (0..n * n).map(|at| reflect(&turned, at / n, at % n)).collect();
        }
        a
    }

    #[test]
    fn known_eigenvalues_are_counted() {
        // Over .05 · 10 = .5: 10, 4, 1, .5001; .4999 and less are not.
        let values = [10.0, 0.0, 0.4999, 4.0, 1e-9, 0.5001, 0.1, 1.0, 0.0];
        assert_eq!(count_above(&mut with_eigenvalues(&values), values.len(), 0.05), 4);
        for n in [2, 3, 17, 64] {
            let values: Vec<f64> = (1..=n).map(|i| i as f64).collect();
            let expected = (1..=n).filter(|i| *i as f64 > 0.3001 * n as f64).count();
            assert_eq!(count_above(&mut with_eigenvalues(&values), n, 0.3001), expected, "{n}");
        }
    }

    #[test]
    fn small_ones_by_hand() {
        assert_eq!(count_above(&mut [3.0], 1, 0.05), 1);
        assert_eq!(count_above(&mut [0.0; 9], 3, 0.05), 0);
        // λ = 3 and 1: 1 is over .3 · 3 and under .4 · 3.
        assert_eq!(count_above(&mut [2.0, 1.0, 1.0, 2.0], 2, 0.3), 2);
        assert_eq!(count_above(&mut [2.0, 1.0, 1.0, 2.0], 2, 0.4), 1);
        // Already diagonal.
        assert_eq!(count_above(&mut [1.0, 0.0, 0.0, 0.0, 0.04, 0.0, 0.0, 0.0, 0.06], 3, 0.05), 2);
    }
}
