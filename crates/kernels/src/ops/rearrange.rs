//! Copies with permuted axes: maps to sequences, patches to rows, and back.

pub mod gpu;

use crate::cpu::element::{Element, tensor, view};
use crate::cpu::parallel::{Shared, filled, pieces, unfilled};
use crate::dispatch::{Op, apply};
use crate::gpu::Here;
use crate::graph::{Backward, OperandGradients, Output, record};
use candle_core::{Result, Tensor, bail};

/// (R, C, H, W) → (R, H, W, C).
///
/// # Errors
/// Fails where x is no (R, C, H, W) or empty.
pub fn channels_last(x: &Tensor) -> Result<Tensor> {
    let (r, c, h, w) = x.dims4()?;
    rearrange(x, &[r, c, h * w], &[0, 2, 1], &[r, h, w, c])
}

/// (R, H, W, C) → (R, C, H, W).
///
/// # Errors
/// Fails where x is no (R, H, W, C) or empty.
pub fn channels_first(x: &Tensor) -> Result<Tensor> {
    let (r, h, w, c) = x.dims4()?;
    rearrange(x, &[r, h * w, c], &[0, 2, 1], &[r, c, h, w])
}

/// The axes of `x`, seen as a tensor of shape `dims`, in the order `order`; the result, contiguous, seen as of `shape`.
/// Differentiable.
///
/// # Errors
/// Fails on shapes of other sizes than `x`, and on an order that is no permutation of at most 8 axes.
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
    apply("rearrange", Rearrange { dims, order, shape }, &[x])
}

const MAX: usize = 8;

struct Rearrange<'a> {
    dims: &'a [usize],
    order: &'a [usize],
    shape: &'a [usize],
}

impl Rearrange<'_> {
    /// The other way.
    fn backward(&self, x: &Tensor) -> RearrangeBackward {
        let (dims, order) = (self.dims, self.order);
        let back = |axis: usize| order.iter().position(|o| *o == axis).expect("a permutation");
        RearrangeBackward {
            dims: order.iter().map(|axis| dims[*axis]).collect(),
            order: (0..order.len()).map(back).collect(),
            shape: x.dims().to_vec(),
        }
    }
}

impl Op for Rearrange<'_> {
    fn record(&self) -> Option<record::Op> {
        let [dims, order, shape] = [self.dims, self.order, self.shape].map(<[usize]>::to_vec);
        Some(record::Op::Rearrange { dims, order, shape })
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let (dims, order) = (self.dims, self.order);
        Output::cpu(permuted(&view::<T>(&x[0])?, dims, order), self.shape, self.backward(&x[0]))
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]).filter(|_| gpu::takes(self.dims, self.order)) else {
            return Ok(None);
        };
        let y = gpu::permute(&here, &here.buffer(x[0])?, self.dims, self.order)?;
        Ok(Some(Output::new(here.storage(y)?, self.shape, self.backward(x[0]))))
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        x[0].contiguous()?.reshape(self.dims)?.permute(self.order)?.contiguous()?.reshape(self.shape)
    }
}

struct RearrangeBackward {
    dims: Vec<usize>,
    order: Vec<usize>,
    shape: Vec<usize>,
}

impl Backward for RearrangeBackward {
    fn cpu<T: Element>(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        Ok(vec![Some(tensor(permuted(&view::<T>(&grad)?, &self.dims, &self.order), self.shape.as_slice()))])
    }

    fn gpu(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let here = Here::of_gradient(&grad)?;
        let dx = gpu::permute(&here, &here.buffer(&grad)?, &self.dims, &self.order)?;
        Ok(vec![Some(here.tensor(dx, self.shape.as_slice())?)])
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
    if inner.from == 1 {
        // Runs of `inner.n` numbers.
        return filled(x.len() / inner.n, inner.n, (1 << 15) / inner.n, |start, y| {
            for (run, y) in (start..).zip(y.chunks_exact_mut(inner.n)) {
                y.copy_from_slice(&x[place(&axes, run).0..][..inner.n]);
            }
        });
    }
    let mut y = unfilled(x.len());
    let out = Shared::new(&mut y);
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
