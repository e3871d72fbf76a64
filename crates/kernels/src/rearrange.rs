//! Copies with permuted axes: maps to sequences, patches to rows, and back.

use crate::element::{Element, by_dtype, tensor, view};
use crate::node::{Backward, node};
use crate::parallel::{Shared, pieces, unfilled};
use crate::record::{Op, step};
use crate::switch::composed;
use candle_core::{Result, Tensor, bail};
use std::marker::PhantomData;

/// (R, C, H, W) → (R, H, W, C).
pub fn channels_last(x: &Tensor) -> Result<Tensor> {
    let (r, c, h, w) = x.dims4()?;
    rearrange(x, &[r, c, h * w], &[0, 2, 1], &[r, h, w, c])
}

/// (R, H, W, C) → (R, C, H, W).
pub fn channels_first(x: &Tensor) -> Result<Tensor> {
    let (r, h, w, c) = x.dims4()?;
    rearrange(x, &[r, h * w, c], &[0, 2, 1], &[r, c, h, w])
}

/// The axes of `x`, seen as a tensor of shape `dims`, in the order `order`; the result, contiguous, seen as of `shape`.
/// Differentiable.
///
/// # Errors
/// Shapes of other sizes than `x`; an order that is no permutation of at most 8 axes.
pub fn rearrange(x: &Tensor, dims: &[usize], order: &[usize], shape: &[usize]) -> Result<Tensor> {
    let count = |dims: &[usize]| dims.iter().product::<usize>();
    let permutes = order.len() == dims.len() && (0..dims.len()).all(|axis| order.contains(&axis));
    let n = x.elem_count();
    if n == 0 || count(dims) != n || count(shape) != n || !permutes || dims.len() > MAX {
        bail!(
            "rearrange: expected {} numbers, not none, in {dims:?} and {shape:?}, and an order of at most {MAX} axes, got {order:?}",
            n
        );
    }
    let op = Op::Rearrange { dims: dims.to_vec(), order: order.to_vec(), shape: shape.to_vec() };
    step(op, &[x], || {
        if composed(x) {
            return x.contiguous()?.reshape(dims)?.permute(order)?.contiguous()?.reshape(shape);
        }
        by_dtype!(x.dtype(), run(x, dims, order, shape))
    })
}

const MAX: usize = 8;

fn run<T: Element>(x: &Tensor, dims: &[usize], order: &[usize], shape: &[usize]) -> Result<Tensor> {
    let xc = x.contiguous()?;
    let y = permuted(&view::<T>(&xc)?, dims, order);
    let back = Gradient::<T> {
        dims: order.iter().map(|axis| dims[*axis]).collect(),
        order: (0..order.len())
            .map(|axis| order.iter().position(|o| *o == axis).expect("a permutation"))
            .collect(),
        shape: x.dims().to_vec(),
        element: PhantomData,
    };
    node(&[x], y, shape, back)
}

struct Gradient<T> {
    dims: Vec<usize>,
    order: Vec<usize>,
    shape: Vec<usize>,
    element: PhantomData<fn() -> T>,
}

impl<T: Element> Backward for Gradient<T> {
    fn name(&self) -> &'static str {
        "rearrange"
    }

    fn gradients(&self, _: &Tensor, grad: Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(tensor(permuted(&view::<T>(&grad)?, &self.dims, &self.order), self.shape.as_slice()))])
    }
}

/// An axis of the result: its length, and how far apart its numbers are in the source and in the result.
#[derive(Clone, Copy, Default)]
struct Axis {
    n: usize,
    from: usize,
    to: usize,
}

/// The axes of the result, those that stay together made one.
fn axes(dims: &[usize], order: &[usize]) -> Vec<Axis> {
    let stride = |axis: usize| dims[axis + 1..].iter().product::<usize>();
    let mut axes: Vec<Axis> = Vec::new();
    for axis in order.iter().copied().filter(|axis| dims[*axis] > 1) {
        let (n, from) = (dims[axis], stride(axis));
        match axes.last_mut() {
            Some(last) if last.from == n * from => *last = Axis { n: last.n * n, from, to: 0 },
            _ => axes.push(Axis { n, from, to: 0 }),
        }
    }
    let mut to = 1;
    for axis in axes.iter_mut().rev() {
        axis.to = to;
        to *= axis.n;
    }
    axes
}

/// Rows and columns of a tile of a transposition.
const TILE: usize = 16;

fn permuted<T: Element>(x: &[T], dims: &[usize], order: &[usize]) -> Vec<T> {
    let mut axes = axes(dims, order);
    let Some(inner) = axes.pop() else { return x.to_vec() };
    let mut y = unfilled(x.len());
    let out = Shared::new(&mut y);
    if inner.from == 1 {
        // Runs of `inner.n` numbers.
        let runs = x.len() / inner.n;
        pieces(runs, (1 << 15) / inner.n, |start, end| {
            // SAFETY: runs of one task.
            let y = unsafe { out.slice(start * inner.n, (end - start) * inner.n) };
            for (run, y) in (start..end).zip(y.chunks_exact_mut(inner.n)) {
                y.copy_from_slice(&x[place(&axes, run).0..][..inner.n]);
            }
        });
        return y;
    }
    // Transpositions of the innermost axis with the one whose numbers follow each other in the source.
    let at = axes.iter().position(|axis| axis.from == 1).expect("one axis is the source's last");
    let across = axes.remove(at);
    let planes = x.len() / inner.n / across.n;
    let strips = across.n.div_ceil(TILE);
    pieces(planes * strips, ((1 << 14) / (inner.n * TILE)).max(1), |start, end| {
        for i in start..end {
            let (from, to) = place(&axes, i / strips);
            let (a0, a1) = (i % strips * TILE, (i % strips * TILE + TILE).min(across.n));
            for l0 in (0..inner.n).step_by(TILE) {
                let l1 = (l0 + TILE).min(inner.n);
                for a in a0..a1 {
                    // SAFETY: this run of the result is this task's.
                    let y = unsafe { out.slice(to + a * across.to + l0, l1 - l0) };
                    let x = &x[from + a + l0 * inner.from..];
                    y.iter_mut().zip(x.iter().step_by(inner.from)).for_each(|(y, x)| *y = *x);
                }
            }
        }
    });
    y
}

/// Where the `index`-th number of these axes is in the source and in the result.
fn place(axes: &[Axis], mut index: usize) -> (usize, usize) {
    let (mut from, mut to) = (0, 0);
    for axis in axes.iter().rev() {
        let i = index % axis.n;
        index /= axis.n;
        from += i * axis.from;
        to += i * axis.to;
    }
    (from, to)
}
