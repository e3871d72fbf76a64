//! The sum at the end of a residual block, with a factor for each channel of what the block adds: layer scale.

use crate::element::{Element, by_dtype, same_dtype, tensor, view};
use crate::node::{Backward, node};
use crate::parallel::{Shared, fold_parts, pieces, unfilled};
use crate::record::{Op, step};
use crate::simd::vectorized;
use crate::switch::composed;
use candle_core::{Result, Tensor, bail};
use std::marker::PhantomData;

/// y\[r, …, c\] = x\[r, …, c\] + factors\[r\] · scale\[c\] · branch\[r, …, c\]; every factor is 1 where there are none.
///
/// `x` and `branch` (R, …, C), `scale` (C). Differentiable in all three; factors are constants. Where a factor is 0 its row of
/// `branch` has no influence.
///
/// Source: Touvron et al. 2021, arXiv:2103.17239, section 2.
pub fn layer_scale(x: &Tensor, branch: &Tensor, scale: &Tensor, factors: Option<&[f64]>) -> Result<Tensor> {
    let (rows, c) = (x.dims().first().copied().unwrap_or(0), x.dims().last().copied().unwrap_or(0));
    if x.dims() != branch.dims()
        || x.elem_count() == 0
        || scale.dims() != [c]
        || factors.is_some_and(|f| f.len() != rows)
    {
        bail!(
            "layer_scale: expected twice (R, …, C), not empty, a scale (C) and R factors, got {:?}, {:?}, {:?} and {:?}",
            x.shape(),
            branch.shape(),
            scale.shape(),
            factors.map(<[f64]>::len)
        );
    }
    let dtype = same_dtype("layer_scale", x, &[branch, scale])?;
    let run = || {
        if composed(x) {
            return crate::add_scaled(x, &branch.broadcast_mul(scale)?, factors);
        }
        by_dtype!(dtype, run(x, branch, scale, factors))
    };
    if factors.is_none() { step(Op::LayerScale, &[x, branch, scale], run) } else { run() }
}

fn run<T: Element>(x: &Tensor, branch: &Tensor, scale: &Tensor, factors: Option<&[f64]>) -> Result<Tensor> {
    let (xc, bc, sc) = (x.contiguous()?, branch.contiguous()?, scale.contiguous()?);
    let c = *x.dims().last().expect("a rank of 1 and more");
    let per_row = x.elem_count() / x.dims()[0];
    let factors = factors.map(|f| f.iter().map(|f| T::from_f64(*f)).collect::<Vec<T>>());
    let mut y = unfilled::<T>(x.elem_count());
    {
        let (xs, bs, ss) = (view::<T>(&xc)?, view::<T>(&bc)?, view::<T>(&sc)?);
        let (xs, bs, ss): (&[T], &[T], &[T]) = (&xs, &bs, &ss);
        let out = Shared::new(&mut y);
        lines(xs.len() / c, c, |start, end| {
            // SAFETY: lines of one task.
            let y = unsafe { out.slice(start * c, (end - start) * c) };
            vectorized(
                #[inline(always)]
                || {
                    for (line, y) in (start..end).zip(y.chunks_exact_mut(c)) {
                        let factor = factors.as_ref().map_or(T::one(), |f| f[line * c / per_row]);
                        let (x, b) = (&xs[line * c..][..c], &bs[line * c..][..c]);
                        if factor == T::zero() {
                            y.copy_from_slice(x);
                        } else {
                            for (((y, x), b), s) in y.iter_mut().zip(x).zip(b).zip(ss) {
                                *y = *x + factor * *s * *b;
                            }
                        }
                    }
                },
            );
        });
    }
    let backward =
        Gradients { branch: bc.detach(), scale: sc.detach(), factors, c, per_row, element: PhantomData };
    node(&[x, branch, scale], y, x.shape(), backward)
}

/// Lines of c numbers, about 2¹⁵ numbers to a task.
fn lines(n: usize, c: usize, f: impl Fn(usize, usize) + Send + Sync) {
    pieces(n, (1 << 15) / c, f);
}

struct Gradients<T> {
    branch: Tensor,
    scale: Tensor,
    factors: Option<Vec<T>>,
    c: usize,
    per_row: usize,
    element: PhantomData<T>,
}

impl<T: Element> Backward for Gradients<T> {
    fn name(&self) -> &'static str {
        "layer_scale"
    }

    fn gradients(&self, _: &Tensor, grad: Tensor, wanted: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let c = self.c;
        let n = grad.elem_count() / c;
        let factor = |line: usize| self.factors.as_ref().map_or(T::one(), |f| f[line * c / self.per_row]);
        let (dbranch, dscale) = {
            let (dy, scale, branch) = (view::<T>(&grad)?, view::<T>(&self.scale)?, view::<T>(&self.branch)?);
            let (dy, scale, branch): (&[T], &[T], &[T]) = (&dy, &scale, &branch);
            let dbranch = wanted[1].then(|| {
                let mut db = unfilled::<T>(dy.len());
                let out = Shared::new(&mut db);
                lines(n, c, |start, end| {
                    // SAFETY: lines of one task.
                    let db = unsafe { out.slice(start * c, (end - start) * c) };
                    vectorized(
                        #[inline(always)]
                        || {
                            for (line, db) in (start..end).zip(db.chunks_exact_mut(c)) {
                                let (factor, dy) = (factor(line), &dy[line * c..][..c]);
                                for ((db, dy), s) in db.iter_mut().zip(dy).zip(scale) {
                                    *db = factor * *s * *dy;
                                }
                            }
                        },
                    );
                });
                tensor(db, grad.shape())
            });
            let dscale = wanted[2].then(|| {
                let size = crate::layer_norm::part(n, c);
                let parts = n.div_ceil(size);
                let mut sums = vec![T::zero(); parts * c];
                let out = Shared::new(&mut sums);
                pieces(n, size, |start, end| {
                    // SAFETY: a part of one task.
                    let sums = unsafe { out.slice(start / size * c, c) };
                    vectorized(
                        #[inline(always)]
                        || {
                            for line in start..end {
                                let factor = factor(line);
                                if factor == T::zero() {
                                    continue;
                                }
                                let (dy, b) = (&dy[line * c..][..c], &branch[line * c..][..c]);
                                for ((s, dy), b) in sums.iter_mut().zip(dy).zip(b) {
                                    *s += factor * *dy * *b;
                                }
                            }
                        },
                    );
                });
                tensor(fold_parts(sums, parts, c), c)
            });
            (dbranch, dscale)
        };
        Ok(vec![wanted[0].then_some(grad), dbranch, dscale])
    }
}
