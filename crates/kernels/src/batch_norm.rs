//! Batch normalisation, with the residual sum and ReLU that follow it.

mod moments;

use crate::element::{Element, by_dtype, same_dtype, tensor, view};
use crate::node::{Backward, node};
use crate::parallel::{Shared, pieces, unfilled};
use crate::record::{Op, step};
use crate::simd::vectorized;
use crate::switch::composed;
use candle_core::{Result, Tensor, Var, bail};
pub(crate) use moments::sum;
use moments::{fold, moments, update};

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

#[derive(Debug, Clone, Copy)]
pub struct BatchNorm {
    pub eps: f64,
    pub momentum: f64,
    pub training: Stats,
}

/// y = relu((x − mean) / √(var + eps) · weight + bias + residual), per channel; ReLU only where `relu`, relu′(0) = 0.
///
/// `x` and `residual` (R, C, H, W) or (R, C), `weight` and `bias` (C). var is the biased variance. Differentiable in x,
/// weight, bias and residual.
///
/// # Errors
/// Shapes that do not fit; batch statistics of a single number per channel.
pub fn batch_norm(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    stats: &RunningStats,
    options: BatchNorm,
    residual: Option<&Tensor>,
    relu: bool,
) -> Result<Tensor> {
    let sizes = Sizes::new(x)?;
    for (name, t) in [("weight", weight), ("bias", bias), ("mean", &*stats.mean), ("var", &*stats.var)] {
        if t.dims() != [sizes.c] {
            bail!("batch_norm: expected {name} of shape ({}), got {:?}", sizes.c, t.shape());
        }
    }
    if let Some(residual) = residual.filter(|t| t.dims() != x.dims()) {
        bail!("batch_norm: expected a residual of shape {:?}, got {:?}", x.shape(), residual.shape());
    }
    if sizes.count() < 2 && options.training != Stats::Running {
        bail!(
            "batch_norm: one number per channel ({:?}) has no variance – expected a batch of at least two rows or positions – \
             raise the batch or the input size, or drop the last partial batch",
            x.shape()
        );
    }
    let others = [weight, bias, &*stats.mean, &*stats.var];
    let dtype = same_dtype("batch_norm", x, &others)?;
    same_dtype("batch_norm", x, residual.as_slice())?;
    let mut inputs = vec![x, weight, bias, stats.mean.as_tensor(), stats.var.as_tensor()];
    inputs.extend(residual);
    step(Op::BatchNorm { eps: options.eps, relu }, &inputs, || {
        if composed(x) {
            return fallback(x, weight, bias, stats, options, residual, relu);
        }
        by_dtype!(dtype, run(x, [weight, bias], stats, options, residual, relu, sizes))
    })
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

/// What a normalised channel is computed from: (x − mean) · scale + bias, with scale = weight · inverse.
struct Affine<T> {
    mean: Vec<T>,
    inverse: Vec<T>,
}

fn run<T: Element>(
    x: &Tensor,
    [weight, bias]: [&Tensor; 2],
    stats: &RunningStats,
    options: BatchNorm,
    residual: Option<&Tensor>,
    relu: bool,
    sizes: Sizes,
) -> Result<Tensor> {
    let xc = x.contiguous()?;
    let (wc, bc) = (weight.contiguous()?, bias.contiguous()?);
    let rc = residual.map(Tensor::contiguous).transpose()?;
    let (affine, y) = {
        let xs = view::<T>(&xc)?;
        let (mean, var) = if options.training == Stats::Running {
            (view::<T>(stats.mean.as_tensor())?.to_vec(), view::<T>(stats.var.as_tensor())?.to_vec())
        } else {
            let (mean, var) = moments(&xs, sizes);
            if options.training == Stats::BatchAndUpdate {
                update(stats, &mean, &var, sizes, options.momentum)?;
            }
            (mean, var)
        };
        let inverse = var.iter().map(|v| T::from_f64(1.0 / (v.to_f64() + options.eps).sqrt())).collect();
        let affine = Affine { mean, inverse };
        let rs = rc.as_ref().map(view::<T>).transpose()?;
        let y = apply(&xs, &view::<T>(&wc)?, &view::<T>(&bc)?, &affine, rs.as_deref(), relu, sizes);
        (affine, y)
    };
    let backward = Gradients {
        x: xc.detach(),
        weight: wc.detach(),
        bias: bc.detach(),
        affine,
        batch: options.training != Stats::Running,
        residual: residual.is_some(),
        relu,
        sizes,
    };
    let mut inputs = vec![x, weight, bias];
    inputs.extend(residual);
    node(&inputs, y, x.shape(), backward)
}

fn apply<T: Element>(
    x: &[T],
    weight: &[T],
    bias: &[T],
    affine: &Affine<T>,
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
                    let (mean, scale, bias) = (affine.mean[c], weight[c] * affine.inverse[c], bias[c]);
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

/// max(x, floor); NaN stays NaN.
#[inline(always)]
pub(crate) fn cut<T: Element>(x: T, floor: T) -> T {
    if x < floor { floor } else { x }
}

struct Gradients<T> {
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    affine: Affine<T>,
    batch: bool,
    residual: bool,
    relu: bool,
    sizes: Sizes,
}

impl<T: Element> Backward for Gradients<T> {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn reads_result(&self) -> bool {
        self.relu && self.residual
    }

    fn gradients(&self, result: &Tensor, grad: Tensor, wanted: &[bool]) -> Result<Vec<Option<Tensor>>> {
        // With a residual, whether ReLU let a number pass is read off the result; without, it is computed again from x.
        let masked = if self.reads_result() {
            Some(tensor(crate::relu::gradient::<T>(&view::<T>(&grad)?, &view::<T>(result)?), grad.shape()))
        } else {
            None
        };
        let dz = masked.as_ref().unwrap_or(&grad);
        let (dx, dw, db) = self.inner(&view::<T>(dz)?, wanted[0])?;
        let c = self.sizes.c;
        let mut grads = vec![dx.map(|dx| tensor(dx, grad.shape()))];
        grads.push(wanted[1].then(|| tensor(dw, c)));
        grads.push(wanted[2].then(|| tensor(db, c)));
        if self.residual {
            grads.push(wanted[3].then(|| masked.unwrap_or(grad)));
        }
        Ok(grads)
    }
}

type Three<T> = (Option<Vec<T>>, Vec<T>, Vec<T>);

impl<T: Element> Gradients<T> {
    /// dx, dweight, dbias of the normalisation, and of its ReLU where there is no residual, given dy.
    fn inner(&self, dy: &[T], want_x: bool) -> Result<Three<T>> {
        let sizes = self.sizes;
        let (x, weight, bias) = (view::<T>(&self.x)?, view::<T>(&self.weight)?, view::<T>(&self.bias)?);
        let (x, weight, bias) = (&*x, &*weight, &*bias);
        let Affine { mean, inverse } = &self.affine;
        let (mut dw, mut db) = (vec![T::zero(); sizes.c], vec![T::zero(); sizes.c]);
        let mut dx = want_x.then(|| unfilled(sizes.len()));
        let (out_w, out_b) = (Shared::new(&mut dw), Shared::new(&mut db));
        let out_x = dx.as_mut().map(|dx: &mut Vec<T>| Shared::new(dx));
        let (plane, gate) = (sizes.plane, self.relu && !self.residual);
        let minus_infinity = T::from_f64(f64::NEG_INFINITY);
        let floor = if gate { T::zero() } else { minus_infinity };
        sizes.channels(|c0, c1| {
            let mut sums = vec![(0.0f64, 0.0f64); c1 - c0]; // (Σ dy, Σ dy·(x − mean))
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
            let Some(out_x) = out_x else { return };
            let n = sizes.count() as f64;
            // dx = scale·(dy − Σdy/n − (x − mean)·inverse²·Σ(dy·(x − mean))/n); the sums are 0 for constant statistics.
            let terms = |c: usize| {
                let (a, b) = if self.batch { sums[c - c0] } else { (0.0, 0.0) };
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
        });
        Ok((dx, dw, db))
    }
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

fn fallback(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    stats: &RunningStats,
    options: BatchNorm,
    residual: Option<&Tensor>,
    relu: bool,
) -> Result<Tensor> {
    let c = x.dim(1)?;
    let wide = |t: &Tensor| if x.rank() == 4 { t.reshape((1, c, 1, 1)) } else { t.reshape((1, c)) };
    let (mean, var) = if options.training == Stats::Running {
        (wide(&stats.mean.as_detached_tensor())?, wide(&stats.var.as_detached_tensor())?)
    } else {
        let mut rows = x.transpose(0, 1)?.contiguous()?.flatten_from(1)?; // (C, R·H·W)
        let n = rows.dim(1)? as f64;
        let mean = rows.mean_keepdim(1)?;
        rows = rows.broadcast_sub(&mean)?;
        let var = rows.sqr()?.mean_keepdim(1)?;
        if options.training == Stats::BatchAndUpdate {
            let m = options.momentum;
            for (running, batch, factor) in [(&stats.mean, &mean, 1.0), (&stats.var, &var, n / (n - 1.0))] {
                let batch = (batch.detach().flatten_all()? * (m * factor))?;
                running.set(&((running.as_detached_tensor() * (1.0 - m))? + batch)?)?;
            }
        }
        (wide(&mean)?, wide(&var)?)
    };
    let inverse = (var + options.eps)?.sqrt()?.recip()?;
    let z =
        x.broadcast_sub(&mean)?.broadcast_mul(&(inverse * wide(weight)?)?)?.broadcast_add(&wide(bias)?)?;
    let z = match residual {
        Some(residual) => (z + residual)?,
        None => z,
    };
    if relu { crate::relu(&z) } else { Ok(z) }
}
