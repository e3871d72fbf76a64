//! One head of one group, forward and backward, in this thread's own memory.

use super::groups::{Groups, MASK};
use crate::cpu::element::Element;
use crate::cpu::parallel::{Matrix, Shared, product, scratch};
use crate::cpu::rows;
use crate::cpu::simd::vectorized;

/// How the last dimension is cut.
#[derive(Clone, Copy)]
pub(super) struct Heads {
    pub heads: usize,
    /// Numbers of one head's query, key or value.
    pub d: usize,
}

impl Heads {
    /// heads·d.
    pub fn width(&self) -> usize {
        self.heads * self.d
    }
}

/// The operands.
pub(super) struct Core<'a, T> {
    pub qkv: &'a [T],
    pub bias: Option<&'a [T]>,
    pub heads: Heads,
    pub groups: &'a Groups,
}

impl<T: Element> Core<'_, T> {
    /// Where the group's image (or, where its tokens are in order, the group) begins in rows of `width` numbers; and which of its
    /// rows the group has.
    fn rows(&self, group: usize, width: usize) -> (usize, Option<&[u32]>) {
        let (first, order) = self.groups.of(group);
        (first * width, order)
    }

    /// Column `column` on of the group's rows of `from` (rows of `width` numbers): where they are if they are in order, else
    /// copied to `to`.
    fn gather(&self, group: usize, from: &[T], (width, column): (usize, usize), to: &mut [T]) -> Matrix<T> {
        let d = self.heads.d;
        let (first, order) = self.rows(group, width);
        let Some(order) = order else {
            assert!(first + (self.groups.size() - 1) * width + column + d <= from.len());
            return Matrix::rows(from[first + column..].as_ptr(), width);
        };
        for (to, token) in to.chunks_exact_mut(d).zip(order) {
            to.copy_from_slice(&from[first + *token as usize * width + column..][..d]);
        }
        Matrix::rows(to.as_ptr(), d)
    }

    /// Writes rows of d numbers to column `column` of the group's rows of `to`.
    ///
    /// # Safety
    /// These numbers of `to` are this task's.
    unsafe fn scatter(&self, group: usize, from: &[T], (width, column): (usize, usize), to: Shared<T>) {
        let d = self.heads.d;
        let (first, order) = self.rows(group, width);
        for (i, from) in from.chunks_exact(d).take(self.groups.size()).enumerate() {
            let token = order.map_or(i, |order| order[i] as usize);
            // SAFETY: by contract.
            unsafe { to.slice(first + token * width + column, d) }.copy_from_slice(from);
        }
    }

    /// Queries, keys and values; `room` has 3·size·d numbers for those that have to be gathered.
    fn operands(&self, group: usize, head: usize, room: &mut [T]) -> [Matrix<T>; 3] {
        let (d, width) = (self.heads.d, self.heads.width());
        let mut rooms = room.chunks_exact_mut(self.groups.size() * d);
        std::array::from_fn(|i| {
            let room = rooms.next().expect("three of them");
            self.gather(group, self.qkv, (3 * width, i * width + head * d), room)
        })
    }

    /// scores ← scores / √d + bias + mask.
    #[inline(always)]
    fn biased(&self, group: usize, head: usize, scores: &mut [T]) {
        let (n, scale) = (self.groups.size(), self.scale());
        let (bias, regions) = (self.bias, self.groups.regions(group));
        let mask = T::from_f64(MASK);
        for (i, row) in scores.chunks_exact_mut(n).enumerate() {
            match bias {
                Some(bias) => {
                    let bias = &bias[(head * n + i) * n..][..n];
                    row.iter_mut().zip(bias).for_each(|(s, b)| *s = *s * scale + *b);
                }
                None => row.iter_mut().for_each(|s| *s *= scale),
            }
            if let Some(regions) = regions {
                let own = regions[i];
                for (s, region) in row.iter_mut().zip(regions) {
                    *s += if *region == own { T::zero() } else { mask };
                }
            }
        }
    }

    fn scale(&self) -> T {
        T::from_f64((self.heads.d as f64).powf(-0.5))
    }

    /// scores = q·kᵀ.
    fn scores(&self, q: Matrix<T>, k: Matrix<T>, scores: &mut [T]) {
        let n = self.groups.size();
        assert!(scores.len() >= n * n);
        // SAFETY: both matrices have n rows of d numbers, apart from `scores`.
        unsafe { multiply((n, n, self.heads.d), scores, q, k.t()) };
    }

    /// # Safety
    /// The group's numbers of this head in `y` and `logs` are this task's.
    pub unsafe fn forward(&self, group: usize, head: usize, y: Shared<T>, logs: Shared<T>) {
        let (n, d, width) = (self.groups.size(), self.heads.d, self.heads.width());
        scratch(n * n + 4 * n * d, |room: &mut [T]| {
            let (scores, room) = room.split_at_mut(n * n);
            let (operands, out) = room.split_at_mut(3 * n * d);
            let [q, k, v] = self.operands(group, head, operands);
            self.scores(q, k, scores);
            // SAFETY: by contract.
            let logs = unsafe { logs.slice((group * self.heads.heads + head) * n, n) };
            vectorized(
                #[inline(always)]
                || {
                    self.biased(group, head, scores);
                    for (row, log) in scores.chunks_exact_mut(n).zip(logs) {
                        let max = rows::max(row);
                        let sum = rows::exp(row, max);
                        *log = max + sum.ln();
                        let share = T::one() / sum;
                        row.iter_mut().for_each(|s| *s *= share);
                    }
                },
            );
            // SAFETY: n × n shares, n rows of d values; `out` is apart. The result is this task's by contract.
            unsafe {
                multiply((n, d, n), out, Matrix::rows(scores.as_ptr(), n), v);
                self.scatter(group, out, (width, head * d), y);
            }
        });
    }

    /// # Safety
    /// The group's numbers of this head in `out` are this task's.
    pub unsafe fn backward(
        &self,
        group: usize,
        head: usize,
        (y, dy): (&[T], &[T]),
        logs: &[T],
        out: Shared<T>,
        dbias: Option<&mut [T]>,
    ) {
        let (n, d, width) = (self.groups.size(), self.heads.d, self.heads.width());
        let logs = &logs[(group * self.heads.heads + head) * n..][..n];
        scratch(2 * n * n + 6 * n * d, |room: &mut [T]| {
            let (shares, room) = room.split_at_mut(n * n);
            let (ds, room) = room.split_at_mut(n * n);
            let (operands, room) = room.split_at_mut(3 * n * d);
            let [q, k, v] = self.operands(group, head, operands);
            let (results, room) = room.split_at_mut(n * d);
            let (grads, to) = room.split_at_mut(n * d);
            let result = self.gather(group, y, (width, head * d), results);
            let grad = self.gather(group, dy, (width, head * d), grads);
            self.scores(q, k, shares);
            // SAFETY: n rows of d numbers each; `ds` is apart.
            unsafe { multiply((n, n, d), ds, grad, v.t()) };
            let scale = self.scale();
            vectorized(
                #[inline(always)]
                || {
                    self.biased(group, head, shares);
                    let mut dbias = dbias;
                    for (i, (p, ds)) in shares.chunks_exact_mut(n).zip(ds.chunks_exact_mut(n)).enumerate() {
                        let log = logs[i];
                        p.iter_mut().for_each(|p| *p = (*p - log).exp());
                        // SAFETY: rows of d numbers that nothing writes.
                        let (y, dy) = unsafe {
                            (
                                std::slice::from_raw_parts(result.at.add(i * result.row), d),
                                std::slice::from_raw_parts(grad.at.add(i * grad.row), d),
                            )
                        };
                        let mean = rows::dot(y, dy, T::zero());
                        ds.iter_mut().zip(&*p).for_each(|(ds, p)| *ds = *p * (*ds - mean));
                        if let Some(dbias) = &mut dbias {
                            dbias[i * n..][..n].iter_mut().zip(&*ds).for_each(|(db, ds)| *db += *ds);
                        }
                        ds.iter_mut().for_each(|ds| *ds *= scale);
                    }
                },
            );
            let ds = Matrix::rows(ds.as_ptr(), n);
            // SAFETY: the shapes are those of the buffers, `to` is apart; what is written is this task's by contract.
            unsafe {
                multiply((n, d, n), to, ds, k);
                self.scatter(group, to, (3 * width, head * d), out);
                multiply((n, d, n), to, ds.t(), q);
                self.scatter(group, to, (3 * width, width + head * d), out);
                multiply((n, d, n), to, Matrix::rows(shares.as_ptr(), n).t(), grad);
                self.scatter(group, to, (3 * width, 2 * width + head * d), out);
            }
        });
    }
}

/// dst (m × n, rows of n) = lhs (m × k) · rhs (k × n).
///
/// # Safety
/// `lhs` and `rhs` lie in live memory apart from `dst`.
unsafe fn multiply<T: Element>(
    (m, n, k): (usize, usize, usize),
    dst: &mut [T],
    lhs: Matrix<T>,
    rhs: Matrix<T>,
) {
    assert!(dst.len() >= m * n);
    // SAFETY: by contract, and `dst` is long enough.
    unsafe { product((m, n, k), dst.as_mut_ptr(), n, false, lhs, rhs) }
}
