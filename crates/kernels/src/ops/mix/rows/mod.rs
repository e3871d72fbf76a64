//! Rows as weighted sums of rows.

mod dense;
pub mod gpu;

use crate::cpu::element::{Element, tensor, view};
use crate::cpu::parallel::{Shared, pieces, unfilled};
use crate::cpu::simd::vectorized;
use crate::dispatch::{Op, apply, host};
use crate::gpu::Here;
use crate::graph::{Backward, OperandGradients, Output};
use candle_core::{Result, Tensor, bail};

/// out_i = Σ over (j, share) in entries_i of share · values_j.
///
/// `values` (R, …) → (entries.len(), …); a row without entries is 0, an index may come twice. Differentiable in values.
///
/// # Errors
/// Fails on a row index that is not below R, on a share that is not finite, and without rows.
pub fn mix_rows(entries: &[Vec<(u32, f64)>], values: &Tensor) -> Result<Tensor> {
    let rows = values.dims().first().copied().unwrap_or(0);
    if rows == 0 || entries.is_empty() || values.elem_count() == 0 {
        bail!(
            "mix_rows: expected at least one row in and out, got {:?} and {} rows of shares",
            values.shape(),
            entries.len()
        );
    }
    apply("mix_rows", MixRows { entries, tracked: values.track_op() }, &[values])
}

fn check(entries: &[Vec<(u32, f64)>], rows: usize) -> Result<()> {
    for (i, row) in entries.iter().enumerate() {
        if let Some((j, share)) = row.iter().find(|(j, share)| *j as usize >= rows || !share.is_finite()) {
            bail!("mix_rows: row {i} takes {share} of row {j} – expected finite shares of rows below {rows}");
        }
    }
    Ok(())
}

/// Row-major (entries.len(), rows).
fn matrix<T: Element>(entries: &[Vec<(u32, f64)>], rows: usize) -> Vec<T> {
    let mut shares = vec![T::zero(); entries.len() * rows];
    for (row, shares) in entries.iter().zip(shares.chunks_exact_mut(rows)) {
        row.iter().for_each(|(j, share)| shares[*j as usize] += T::from_f64(*share));
    }
    shares
}

struct MixRows<'a> {
    entries: &'a [Vec<(u32, f64)>],
    /// Whether a gradient will need the entries.
    tracked: bool,
}

impl Op for MixRows<'_> {
    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let (entries, mut shape) = (self.entries, x[0].dims().to_vec());
        let y = mixed::<T>(entries, &view::<T>(&x[0])?, shape[0])?;
        let transposed = if self.tracked { transpose(entries, shape[0]) } else { Vec::new() };
        shape[0] = entries.len();
        Output::cpu(y, shape, MixRowsBackward { transposed })
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let (entries, mut shape) = (self.entries, x[0].dims().to_vec());
        let y = gpu::forward(&here, entries, &here.buffer(x[0])?, shape[0])?;
        let transposed = if self.tracked { transpose(entries, shape[0]) } else { Vec::new() };
        shape[0] = entries.len();
        Ok(Some(Output::new(here.storage(y)?, shape, MixRowsBackward { transposed })))
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        let (entries, mut shape) = (self.entries, x[0].dims().to_vec());
        check(entries, shape[0])?;
        let shares = host(matrix::<f64>(entries, shape[0]), (entries.len(), shape[0]), x[0])?;
        let flat = x[0].reshape((shape[0], ()))?;
        shape[0] = entries.len();
        shares.matmul(&flat)?.reshape(shape)
    }
}

fn transpose(entries: &[Vec<(u32, f64)>], rows: usize) -> Vec<Vec<(u32, f64)>> {
    let mut transposed = vec![Vec::new(); rows];
    for (i, row) in entries.iter().enumerate() {
        row.iter().for_each(|(j, share)| transposed[*j as usize].push((i as u32, *share)));
    }
    transposed
}

struct MixRowsBackward {
    transposed: Vec<Vec<(u32, f64)>>,
}

impl Backward for MixRowsBackward {
    fn cpu<T: Element>(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let mut shape = grad.dims().to_vec();
        let dx = mixed::<T>(&self.transposed, &view::<T>(&grad)?, shape[0])?;
        shape[0] = self.transposed.len();
        Ok(vec![Some(tensor(dx, shape))])
    }

    fn gpu(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let (here, mut shape) = (Here::of_gradient(&grad)?, grad.dims().to_vec());
        let dx = gpu::forward(&here, &self.transposed, &here.buffer(&grad)?, shape[0])?;
        shape[0] = self.transposed.len();
        Ok(vec![Some(here.tensor(dx, shape)?)])
    }
}

/// Columns of one task: 16 KiB of f32 of a row, so that a written piece stays in the first cache while it is added to.
const COLUMNS: usize = 4096;

fn mixed<T: Element>(entries: &[Vec<(u32, f64)>], x: &[T], rows: usize) -> Result<Vec<T>> {
    let width = x.len() / rows;
    let mut y = unfilled::<T>(entries.len() * width);
    let count: usize = entries.iter().map(Vec::len).sum();
    if count > 6 * entries.len() {
        dense::dense(entries, x, &mut y, (rows, width))?;
        return Ok(y);
    }
    check(entries, rows)?;
    let out = Shared::new(&mut y);
    let blocks = width.div_ceil(COLUMNS);
    pieces(entries.len() * blocks, (COLUMNS * 8 / width.min(COLUMNS)).max(8), |p0, p1| {
        for piece in p0..p1 {
            let (i, start) = (piece / blocks, piece % blocks * COLUMNS);
            let n = COLUMNS.min(width - start);
            // SAFETY: one piece of one row.
            let y = unsafe { out.slice(i * width + start, n) };
            let line = |(j, share): (u32, f64)| (&x[j as usize * width + start..][..n], T::from_f64(share));
            vectorized(
                #[inline(always)]
                || match *entries[i] {
                    [] => y.fill(T::zero()),
                    [a] => {
                        let (a, s) = line(a);
                        y.iter_mut().zip(a).for_each(|(y, a)| *y = s * *a);
                    }
                    [a, b, ref rest @ ..] => {
                        let ((a, s), (b, t)) = (line(a), line(b));
                        y.iter_mut().zip(a).zip(b).for_each(|((y, a), b)| *y = s * *a + t * *b);
                        for &entry in rest {
                            let (a, s) = line(entry);
                            y.iter_mut().zip(a).for_each(|(y, a)| *y += s * *a);
                        }
                    }
                },
            );
        }
    });
    Ok(y)
}
