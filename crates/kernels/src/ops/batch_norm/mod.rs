//! Batch normalisation, with the residual sum and ReLU that follow it.

mod backward;
pub mod gpu;
mod moments;

use crate::copy::copy;
use crate::cpu::element::{Element, tensor, view};
use crate::cpu::parallel::{Shared, pieces, unfilled};
use crate::cpu::pointwise::cut;
use crate::cpu::simd::vectorized;
use crate::dispatch::{Op, apply};
use crate::gpu::Here;
use crate::graph::{Output, record};
use crate::shards::{self, Shard};
use backward::BatchNormBackward;
use candle_core::{DType, Result, Shape, Tensor, Var, bail};
use moments::{Moments, moments, update};
use std::ops::Range;
use std::sync::Arc;

/// The statistics that evaluation uses, each (C). Not trained.
#[derive(Debug, Clone)]
pub struct RunningStats {
    pub mean: Var,
    pub var: Var,
}

/// Where mean and variance come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stats {
    /// The batch; the running ones become (1 − momentum)·running + momentum·batch, the variance unbiased. Training.
    BatchAndUpdate,
    /// The batch; nothing is updated. A probe.
    Batch,
    /// The running ones, constants to the gradient. Evaluation, and frozen layers.
    Running,
}

/// What a layer normalises with.
#[derive(Debug, Clone, Copy)]
pub struct BatchNorm<'a> {
    /// (C).
    pub weight: &'a Tensor,
    /// (C).
    pub bias: &'a Tensor,
    pub running: &'a RunningStats,
    pub stats: Stats,
    pub eps: f64,
    pub momentum: f64,
}

/// y = relu((x − mean) / √(var + eps) · weight + bias + residual), per channel; ReLU only where `relu`, relu′(0) = 0.
///
/// `x` and `residual` (R, C, H, W) or (R, C). var is the biased variance. Differentiable in x, weight, bias and residual.
///
/// # Errors
/// Fails on shapes that do not fit, on operands of two types, and on batch statistics of a single number per channel.
pub fn batch_norm(x: &Tensor, norm: BatchNorm, residual: Option<&Tensor>, relu: bool) -> Result<Tensor> {
    let sizes = Sizes::new(x)?;
    let BatchNorm { weight, bias, running: RunningStats { mean, var }, .. } = norm;
    let (mean, var) = (mean.as_tensor(), var.as_tensor());
    for (name, t) in [("weight", weight), ("bias", bias), ("mean", mean), ("var", var)] {
        if t.dims() != [sizes.c] {
            bail!("batch_norm: expected {name} of shape ({}), got {:?}", sizes.c, t.shape());
        }
    }
    if let Some(residual) = residual.filter(|t| t.dims() != x.dims()) {
        bail!("batch_norm: expected a residual of shape {:?}, got {:?}", x.shape(), residual.shape());
    }
    // Of one row of a shard there are others, which are asked for in the walk.
    if norm.stats != Stats::Running && shard_of(norm).is_none() {
        enough(sizes.count(), x.shape())?;
    }
    let mut operands = vec![x, weight, bias, mean, var];
    operands.extend(residual);
    apply("batch_norm", Normalisation { norm, sizes, relu }, &operands)
}

/// The shard that a layer takes the batch's statistics with; the running ones are the same everywhere.
fn shard_of(norm: BatchNorm) -> Option<Arc<dyn Shard>> {
    shards::current().filter(|shard| norm.stats != Stats::Running && shard.joins_statistics())
}

/// Refuses a channel of too few numbers.
fn enough(count: usize, shape: &Shape) -> Result<()> {
    if count < 2 {
        bail!(
            "batch_norm: one number per channel ({shape:?}) has no variance – expected a batch of at least two rows or positions – \
             raise the batch or the input size, or drop the last partial batch"
        );
    }
    Ok(())
}

struct Normalisation<'a> {
    norm: BatchNorm<'a>,
    sizes: Sizes,
    relu: bool,
}

impl Op for Normalisation<'_> {
    fn record(&self) -> Option<record::Op> {
        Some(record::Op::BatchNorm { eps: self.norm.eps, relu: self.relu })
    }

    fn in_f32(&self) -> Range<usize> {
        1..5
    }

    /// The running statistics are constants.
    fn differentiable(&self, operand: usize) -> bool {
        !(3..5).contains(&operand)
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let Normalisation { norm, sizes, relu } = *self;
        let shard = shard_of(norm);
        let Moments { mean, var, count } = if norm.stats == Stats::Running {
            let (mean, var) = (view::<T>(&x[3])?.to_vec(), view::<T>(&x[4])?.to_vec());
            Moments { mean, var, count: sizes.count() as f64 }
        } else {
            let moments = moments(&view::<T>(&x[0])?, sizes, shard.as_deref())?;
            enough(moments.count as usize, x[0].shape())?;
            if norm.stats == Stats::BatchAndUpdate && shards::keeps_statistics() {
                update(norm.running, &moments, norm.momentum)?;
            }
            moments
        };
        let inverse = |v: &T| T::from_f64(1.0 / (v.to_f64() + norm.eps).sqrt());
        let inverse: Vec<T> = var.iter().map(inverse).collect();
        let (xs, ws, bs) = (view::<T>(&x[0])?, view::<T>(&x[1])?, view::<T>(&x[2])?);
        let residual = x.get(5).map(view::<T>).transpose()?;
        let y = normalised((&xs, &ws, &bs), (&mean, &inverse), residual.as_deref(), relu, sizes);
        let backward = BatchNormBackward {
            x: x[0].clone(),
            weight: x[1].clone(),
            bias: x[2].clone(),
            mean: tensor(mean, sizes.c),
            inverse: tensor(inverse, sizes.c),
            stats: norm.stats,
            residual: residual.is_some(),
            relu,
            sizes,
            count,
            shard,
        };
        Output::cpu(y, x[0].shape(), backward)
    }

    /// The running statistics are f32.
    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]).filter(|_| x[3].dtype() == DType::F32) else { return Ok(None) };
        shards::refuse_joined("batch_norm")?;
        let Normalisation { norm, sizes, relu } = *self;
        let (weight, bias) = (here.floats_of(x[1])?, here.floats_of(x[2])?);
        let running = [here.in_place(x[3])?, here.in_place(x[4])?];
        let layer = gpu::Layer {
            weight: &weight,
            bias: &bias,
            running: [&running[0], &running[1]],
            stats: norm.stats,
            eps: norm.eps,
            momentum: norm.momentum,
        };
        let residual = x.get(5).map(|residual| here.buffer(residual)).transpose()?;
        let on = here.buffer(x[0])?;
        let made = gpu::forward(&here, &on, sizes.planes_on_gpu(), &layer, residual.as_ref(), relu)?;
        let mean = match made.mean {
            Some(mean) => here.tensor(mean, sizes.c)?,
            // As it is now: another pass may change it before the gradient reads it.
            None => copy(x[3])?,
        };
        let backward = BatchNormBackward {
            x: x[0].detach(),
            weight: x[1].detach(),
            bias: x[2].detach(),
            mean,
            inverse: here.tensor(made.inverse, sizes.c)?,
            stats: norm.stats,
            residual: residual.is_some(),
            relu,
            sizes,
            count: sizes.count() as f64,
            shard: None,
        };
        Ok(Some(Output::new(here.storage(made.y)?, x[0].shape(), backward)))
    }

    fn composed(&self, operands: &[&Tensor]) -> Result<Tensor> {
        shards::refuse_joined("batch_norm")?;
        // Values in bf16 beside statistics in f32.
        if operands[0].dtype() != operands[3].dtype() {
            let cast = operands.iter().map(|x| x.to_dtype(DType::F32)).collect::<Result<Vec<_>>>()?;
            return self.composed(&cast.iter().collect::<Vec<_>>())?.to_dtype(operands[0].dtype());
        }
        let (x, norm, c) = (operands[0], &self.norm, self.sizes.c);
        let wide = |t: &Tensor| if x.rank() == 4 { t.reshape((1, c, 1, 1)) } else { t.reshape((1, c)) };
        let (mean, var) = if norm.stats == Stats::Running {
            (wide(&operands[3].detach())?, wide(&operands[4].detach())?)
        } else {
            let mut rows = x.transpose(0, 1)?.contiguous()?.flatten_from(1)?; // (C, R·H·W)
            let n = rows.dim(1)? as f64;
            let mean = rows.mean_keepdim(1)?;
            rows = rows.broadcast_sub(&mean)?;
            let var = rows.sqr()?.mean_keepdim(1)?;
            if norm.stats == Stats::BatchAndUpdate {
                let (m, RunningStats { mean: old_mean, var: old_var }) = (norm.momentum, norm.running);
                for (running, batch, factor) in [(old_mean, &mean, 1.0), (old_var, &var, n / (n - 1.0))] {
                    let batch = (batch.detach().flatten_all()? * (m * factor))?;
                    running.set(&((running.as_detached_tensor() * (1.0 - m))? + batch)?)?;
                }
            }
            (wide(&mean)?, wide(&var)?)
        };
        let scale = ((var + norm.eps)?.sqrt()?.recip()? * wide(operands[1])?)?;
        let z = x.broadcast_sub(&mean)?.broadcast_mul(&scale)?.broadcast_add(&wide(operands[2])?)?;
        let z = if let Some(residual) = operands.get(5) { (z + *residual)? } else { z };
        if self.relu { crate::relu(&z) } else { Ok(z) }
    }
}

/// (R, C, positions).
#[derive(Clone, Copy)]
struct Sizes {
    r: usize,
    c: usize,
    plane: usize,
}

impl Sizes {
    fn new(x: &Tensor) -> Result<Sizes> {
        match *x.dims() {
            [r, c, h, w] if r * c * h * w > 0 => Ok(Sizes { r, c, plane: h * w }),
            [r, c] if r * c > 0 => Ok(Sizes { r, c, plane: 1 }),
            _ => bail!("batch_norm: expected (R, C, H, W) or (R, C), not empty, got {:?}", x.shape()),
        }
    }

    /// Numbers per channel.
    fn count(&self) -> usize {
        self.r * self.plane
    }

    fn planes_on_gpu(&self) -> gpu::Planes {
        gpu::Planes { c: self.c, plane: self.plane }
    }

    fn len(&self) -> usize {
        self.r * self.c * self.plane
    }

    /// `f(c0, c1)` over blocks of channels, whose planes in one image fill about 8 KiB.
    fn channels(&self, f: impl Fn(usize, usize) + Send + Sync) {
        pieces(self.c, (2048 / self.plane).max(1), f);
    }

    fn planes(&self, c0: usize, c1: usize) -> impl Iterator<Item = (usize, usize)> {
        let s = *self;
        (0..s.r).flat_map(move |n| (c0..c1).map(move |c| (c, (n * s.c + c) * s.plane)))
    }
}

/// max((x − mean) · scale + bias + residual, floor), with scale = weight · inverse.
fn normalised<T: Element>(
    (x, weight, bias): (&[T], &[T], &[T]),
    (mean, inverse): (&[T], &[T]),
    residual: Option<&[T]>,
    relu: bool,
    sizes: Sizes,
) -> Vec<T> {
    let mut y = unfilled(sizes.len());
    let out = Shared::new(&mut y);
    let plane = sizes.plane;
    let floor = if relu { T::zero() } else { T::from_f64(f64::NEG_INFINITY) };
    sizes.channels(|c0, c1| {
        vectorized(
            #[inline(always)]
            || {
                for (c, at) in sizes.planes(c0, c1) {
                    let (mean, scale, bias) = (mean[c], weight[c] * inverse[c], bias[c]);
                    let x = &x[at..][..plane];
                    // SAFETY: one block of channels per task.
                    let y = unsafe { out.slice(at, plane) };
                    match residual {
                        Some(residual) => {
                            let residual = &residual[at..][..plane];
                            for ((y, x), r) in y.iter_mut().zip(x).zip(residual) {
                                *y = cut((*x - mean) * scale + bias + *r, floor);
                            }
                        }
                        None => {
                            y.iter_mut().zip(x).for_each(|(y, x)| *y = cut((*x - mean) * scale + bias, floor))
                        }
                    }
                }
            },
        )
    });
    y
}
