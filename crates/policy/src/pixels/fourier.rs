//! The discrete Fourier transform of an image of any size.

use std::f64::consts::TAU;

/// Real and imaginary part.
pub type Complex = (f64, f64);

/// X_uv = Σ_yx x_yx · exp(−2πi(uy / H + vx / W)) in place, (height, width) row-major; the inverse has +2πi and is divided
/// by H·W. Sides with small prime factors are fast: O(n · Σ factors) for a line of n.
pub fn transform(values: &mut [Complex], (height, width): (usize, usize), inverse: bool) {
    let rows = Line::new(width, inverse);
    let mut out = vec![(0.0, 0.0); width.max(height)];
    for row in values.chunks_exact_mut(width) {
        rows.run(row, 1, &mut out[..width], 1);
        row.copy_from_slice(&out[..width]);
    }
    let columns = Line::new(height, inverse);
    let scale = if inverse { 1.0 / (height * width) as f64 } else { 1.0 };
    for x in 0..width {
        columns.run(&values[x..], width, &mut out[..height], 1);
        for (y, value) in out[..height].iter().enumerate() {
            values[y * width + x] = (value.0 * scale, value.1 * scale);
        }
    }
}

/// The transform of a line: its n-th roots of unity.
struct Line {
    roots: Vec<Complex>,
}

impl Line {
    fn new(n: usize, inverse: bool) -> Line {
        let turn = if inverse { TAU } else { -TAU } / n as f64;
        Line { roots: (0..n).map(|k| ((turn * k as f64).cos(), (turn * k as f64).sin())).collect() }
    }

    /// Cooley–Tukey: of every `stride`-th input, `out.len()` of them; `step` is n over that number.
    fn run(&self, input: &[Complex], stride: usize, out: &mut [Complex], step: usize) {
        let n = out.len();
        if let [only] = out {
            *only = input[0];
            return;
        }
        if let [even, odd] = out {
            let (a, b) = (input[0], input[stride]);
            (*even, *odd) = ((a.0 + b.0, a.1 + b.1), (a.0 - b.0, a.1 - b.1));
            return;
        }
        let factor = (2..).find(|p| n.is_multiple_of(*p)).expect("n divides itself");
        let part = n / factor;
        for (q, out) in out.chunks_exact_mut(part).enumerate() {
            self.run(&input[q * stride..], stride * factor, out, step * factor);
        }
        if factor == 2 {
            let (even, odd) = out.split_at_mut(part);
            for ((a, b), root) in even.iter_mut().zip(odd).zip(self.roots.iter().step_by(step)) {
                let turned = (b.0 * root.0 - b.1 * root.1, b.0 * root.1 + b.1 * root.0);
                (*a, *b) = ((a.0 + turned.0, a.1 + turned.1), (a.0 - turned.0, a.1 - turned.1));
            }
            return;
        }
        let mut terms = vec![(0.0, 0.0); factor];
        for k in 0..part {
            terms.iter_mut().enumerate().for_each(|(q, term)| *term = out[q * part + k]);
            for at in (k..n).step_by(part) {
                let (mut sum, mut turn) = ((0.0, 0.0), 0);
                for term in &terms {
                    let root = self.roots[turn];
                    sum = (
                        sum.0 + term.0 * root.0 - term.1 * root.1,
                        sum.1 + term.0 * root.1 + term.1 * root.0,
                    );
                    turn += at * step;
                    turn -= if turn >= self.roots.len() { self.roots.len() } else { 0 };
                }
                out[at] = sum;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallow_seed::Seed;

    /// By the definition, in O(n²).
    fn slow(values: &[Complex], (height, width): (usize, usize)) -> Vec<Complex> {
        let term = |u: usize, v: usize, at: usize| {
            let turn = (u * (at / width)) as f64 / height as f64 + (v * (at % width)) as f64 / width as f64;
            let (sin, cos) = (-TAU * turn).sin_cos();
            let (a, b) = values[at];
            (a * cos - b * sin, a * sin + b * cos)
        };
        let sum =
            |u, v| (0..values.len()).map(|at| term(u, v, at)).fold((0.0, 0.0), |s, t| (s.0 + t.0, s.1 + t.1));
        (0..height).flat_map(|u| (0..width).map(move |v| (u, v))).map(|(u, v)| sum(u, v)).collect()
    }

    #[test]
    fn as_defined_and_back() {
        let mut visited = 0;
        for size in [(1, 1), (1, 7), (2, 2), (4, 6), (5, 7), (8, 8), (12, 9), (16, 15)] {
            let mut rng = Seed::new(4).fold("fourier", visited).rng();
            let values: Vec<Complex> = (0..size.0 * size.1).map(|_| (rng.normal(), rng.normal())).collect();
            let mut changed = values.clone();
            transform(&mut changed, size, false);
            let apart = |a: &[Complex], b: &[Complex]| {
                a.iter().zip(b).map(|(a, b)| (a.0 - b.0).hypot(a.1 - b.1)).fold(0.0, f64::max)
            };
            assert!(apart(&changed, &slow(&values, size)) < 1e-11, "{size:?}");
            transform(&mut changed, size, true);
            assert!(apart(&changed, &values) < 1e-13, "{size:?}");
            visited += 1;
        }
        assert_eq!(visited, 8);
    }
}
