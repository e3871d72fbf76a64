//! The gradients of batch normalisation, its residual and its ReLU.

use super::{Sizes, Stats, gpu};
use crate::cpu::element::{Element, tensor, view};
use crate::cpu::parallel::{Shared, unfilled};
use crate::cpu::planes::fold;
use crate::cpu::simd::vectorized;
use crate::gpu::Here;
use crate::graph::{Backward, OperandGradients};
use crate::ops::relu::{passed, passed_on_gpu};
use crate::shards::{Shard, received, sent};
use candle_core::{Result, Tensor};
use std::sync::Arc;

pub(super) struct BatchNormBackward {
    pub x: Tensor,
    pub weight: Tensor,
    pub bias: Tensor,
    /// Of each channel, as it was normalised: mean, and 1 / √(var + eps).
    pub mean: Tensor,
    pub inverse: Tensor,
    /// The batch's depend on x.
    pub stats: Stats,
    pub residual: bool,
    pub relu: bool,
    pub sizes: Sizes,
    /// How many numbers of a channel its statistics are of.
    pub count: f64,
    /// Where these are of several shards.
    pub shard: Option<Arc<dyn Shard>>,
}

impl Backward for BatchNormBackward {
    /// With a residual, whether ReLU let a number pass is read off the result; without, it is computed again from x.
    fn reads_result(&self) -> bool {
        self.relu && self.residual
    }

    fn cpu<T: Element>(
        &self,
        grad: Tensor,
        wanted: &[bool],
        result: Option<&Tensor>,
    ) -> Result<OperandGradients> {
        let dz = if self.reads_result() { passed::<T>(&grad, result)? } else { grad };
        let (dx, dw, db) = self.inner(&view::<T>(&dz)?, wanted[0])?;
        let c = self.sizes.c;
        let dx = dx.map(|dx| tensor(dx, dz.shape()));
        let mut grads =
            vec![dx, wanted[1].then(|| tensor(dw, c)), wanted[2].then(|| tensor(db, c)), None, None];
        if let Some(&wanted) = wanted.get(5) {
            grads.push(wanted.then_some(dz));
        }
        Ok(grads)
    }

    fn gpu(&self, grad: Tensor, wanted: &[bool], result: Option<&Tensor>) -> Result<OperandGradients> {
        let here = Here::of_gradient(&grad)?;
        let dz = if self.reads_result() { passed_on_gpu(&here, &grad, result)? } else { grad };
        let [x, dy] = [&self.x, &dz].map(|x| here.buffer(x));
        let [weight, bias, mean, inverse] =
            [&self.weight, &self.bias, &self.mean, &self.inverse].map(|x| here.floats_of(x));
        let (planes, gate) = (self.sizes.planes_on_gpu(), self.relu && !self.residual);
        let (layer, moments) = ((&weight?, &bias?), [&mean?, &inverse?]);
        let [dx, dw, db] = gpu::backward(&here, (&x?, &dy?), planes, layer, moments, (self.stats, gate))?;
        let c = self.sizes.c;
        let mut grads = vec![
            wanted[0].then(|| here.tensor(dx, dz.shape())).transpose()?,
            wanted[1].then(|| here.tensor(dw, c)?.to_dtype(self.weight.dtype())).transpose()?,
            wanted[2].then(|| here.tensor(db, c)?.to_dtype(self.bias.dtype())).transpose()?,
            None,
            None,
        ];
        if let Some(&wanted) = wanted.get(5) {
            grads.push(wanted.then_some(dz));
        }
        Ok(grads)
    }
}

type Three<T> = (Option<Vec<T>>, Vec<T>, Vec<T>);

impl BatchNormBackward {
    /// dx, dweight, dbias of the normalisation, and of its ReLU where there is no residual, given dy.
    fn inner<T: Element>(&self, dy: &[T], want_x: bool) -> Result<Three<T>> {
        let sizes = self.sizes;
        let (x, weight, bias) = (view::<T>(&self.x)?, view::<T>(&self.weight)?, view::<T>(&self.bias)?);
        let (mean, inverse) = (view::<T>(&self.mean)?, view::<T>(&self.inverse)?);
        let (x, weight, bias, mean, inverse) = (&*x, &*weight, &*bias, &*mean, &*inverse);
        let (mut dw, mut db) = (vec![T::zero(); sizes.c], vec![T::zero(); sizes.c]);
        let mut dx = want_x.then(|| unfilled(sizes.len()));
        let (out_w, out_b) = (Shared::new(&mut dw), Shared::new(&mut db));
        let out_x = dx.as_mut().map(|dx: &mut Vec<T>| Shared::new(dx));
        let (plane, gate) = (sizes.plane, self.relu && !self.residual);
        let minus_infinity = T::from_f64(f64::NEG_INFINITY);
        let floor = if gate { T::zero() } else { minus_infinity };
        // (Σ dy, Σ dy·(x − mean)) of a block of channels, from which those of weight and bias follow.
        let sums_of = |c0: usize, c1: usize, sums: &mut [(f64, f64)]| {
            vectorized(
                #[inline(always)]
                || {
                    for (c, at) in sizes.planes(c0, c1) {
                        let (m, scale, bias) = (mean[c], weight[c] * inverse[c], bias[c]);
                        let (a, b) = pair(&x[at..][..plane], &dy[at..][..plane], m, scale, bias, floor);
                        sums[c - c0].0 += a.to_f64();
                        sums[c - c0].1 += b.to_f64();
                    }
                },
            );
            // SAFETY: one block of channels per task.
            let (dw, db) = unsafe { (out_w.slice(c0, c1 - c0), out_b.slice(c0, c1 - c0)) };
            for (i, (a, b)) in sums.iter().enumerate() {
                (dw[i], db[i]) = (T::from_f64(b * inverse[c0 + i].to_f64()), T::from_f64(*a));
            }
        };
        // dx = scale·(dy − Σdy/n − (x − mean)·inverse²·Σ(dy·(x − mean))/n); the sums are 0 for constant statistics.
        let dx_of = |out_x: Shared<T>, c0: usize, c1: usize, sums: &[(f64, f64)]| {
            let n = self.count;
            let terms = |c: usize| {
                let (a, b) = if self.stats != Stats::Running { sums[c - c0] } else { (0.0, 0.0) };
                let i = inverse[c].to_f64();
                (T::from_f64(a / n), T::from_f64(b * i * i / n))
            };
            let terms: Vec<_> = (c0..c1).map(terms).collect();
            vectorized(
                #[inline(always)]
                || {
                    for (c, at) in sizes.planes(c0, c1) {
                        let (m, scale, bias) = (mean[c], weight[c] * inverse[c], bias[c]);
                        let (a, b) = terms[c - c0];
                        // SAFETY: one block of channels per task.
                        let dx = unsafe { out_x.slice(at, plane) };
                        for ((dx, x), dy) in dx.iter_mut().zip(&x[at..][..plane]).zip(&dy[at..][..plane]) {
                            let x = *x - m;
                            let dy = if x * scale + bias > floor { *dy } else { T::zero() };
                            *dx = scale * (dy - a - x * b);
                        }
                    }
                },
            );
        };
        match (&self.shard, out_x) {
            // Over all shards, before any of x's: what a block of channels needs is not known where it was read.
            (Some(shard), Some(out_x)) => {
                let mut sums = vec![(0.0, 0.0); sizes.c];
                let out = Shared::new(&mut sums);
                // SAFETY: one block of channels per task.
                sizes.channels(|c0, c1| sums_of(c0, c1, unsafe { out.slice(c0, c1 - c0) }));
                let sums = over(&**shard, &sums)?;
                sizes.channels(|c0, c1| dx_of(out_x, c0, c1, &sums[c0..c1]));
            }
            (_, out_x) => sizes.channels(|c0, c1| {
                let mut sums = vec![(0.0, 0.0); c1 - c0];
                sums_of(c0, c1, &mut sums);
                if let Some(out_x) = out_x {
                    dx_of(out_x, c0, c1, &sums);
                }
            }),
        }
        Ok((dx, dw, db))
    }
}

/// These sums over all shards, in their order.
fn over(shard: &dyn Shard, own: &[(f64, f64)]) -> Result<Vec<(f64, f64)>> {
    let flat: Vec<f64> = own.iter().flat_map(|&(a, b)| [a, b]).collect();
    let mut sums = vec![(0.0, 0.0); own.len()];
    for bytes in shard.gather(sent(&flat))? {
        let other = received::<f64>("batch_norm", &bytes, flat.len())?;
        for ((a, b), [other_a, other_b]) in sums.iter_mut().zip(other.as_chunks::<2>().0) {
            (*a, *b) = (*a + other_a, *b + other_b);
        }
    }
    Ok(sums)
}

/// (Σ dy, Σ dy·(x − m)) over the numbers that passed ReLU, in 32 lanes.
#[inline(always)]
fn pair<T: Element>(x: &[T], dy: &[T], m: T, scale: T, bias: T, floor: T) -> (T, T) {
    let (mut a, mut b) = ([T::zero(); 32], [T::zero(); 32]);
    let step = |x: T, dy: T, a: &mut T, b: &mut T| {
        let x = x - m;
        let dy = if x * scale + bias > floor { dy } else { T::zero() };
        *a += dy;
        *b += dy * x;
    };
    let (mut xs, mut ys) = (x.chunks_exact(32), dy.chunks_exact(32));
    for (x, dy) in (&mut xs).zip(&mut ys) {
        (0..32).for_each(|i| step(x[i], dy[i], &mut a[i], &mut b[i]));
    }
    let rest = xs.remainder().iter().zip(ys.remainder());
    for ((x, dy), (a, b)) in rest.zip(a.iter_mut().zip(&mut b)) {
        step(*x, *dy, a, b);
    }
    (fold(a), fold(b))
}
