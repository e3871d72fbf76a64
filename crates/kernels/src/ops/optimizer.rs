//! Updates in place: optimizers, averages, gradient clipping.

mod cast;
mod clip;
pub mod gpu;
mod on_gpu;

pub use cast::cast_updates;
pub use clip::{clip_grads, grad_norm, grad_norm_tensor, scale};

use crate::cpu::element::Element;
use crate::cpu::parallel::{Shared, pieces};
use crate::cpu::simd::vectorized;
use crate::dispatch::{Route, kernel_ran, route};
use candle_core::{CpuStorage, DType, InplaceOp3, Layout, Result, Tensor, Var, bail};
use std::ops::Range;

/// Numbers of one task, and of one partial sum.
const PIECE: usize = 1 << 15;

#[derive(Debug, Clone, Copy)]
pub struct Sgd {
    pub lr: f64,
    pub momentum: f64,
    pub nesterov: bool,
    /// Added to the gradient, times the parameter.
    pub decay: f64,
}

/// g = grad + decay·param; velocity = momentum·velocity + g; param −= lr·(nesterov ? g + momentum·velocity : velocity).
///
/// Velocity begins at 0, which is torch's first step (its buffer begins as the gradient, dampening 0).
///
/// # Errors
/// Fails on operands of two shapes or types.
pub fn sgd_step(param: &Var, grad: &Tensor, velocity: &Var, options: Sgd) -> Result<()> {
    sgd_steps(&[(param, grad, velocity)], options)
}

/// [`sgd_step`] for each (parameter, gradient, velocity); on a GPU with kernels of ours a launch takes several of them.
///
/// # Errors
/// Those of [`sgd_step`].
pub fn sgd_steps(tensors: &[(&Var, &Tensor, &Var)], options: Sgd) -> Result<()> {
    let rows: Vec<_> = tensors.iter().map(|(p, g, v)| [p.as_tensor(), *g, v.as_tensor()]).collect();
    if let Some(here) = on_gpu::here("sgd_step", &rows)? {
        return on_gpu::sgd(&here, &rows, options);
    }
    tensors.iter().try_for_each(|(param, grad, velocity)| sgd(param, grad, velocity, options))
}

fn sgd(param: &Var, grad: &Tensor, velocity: &Var, options: Sgd) -> Result<()> {
    let Sgd { lr, momentum, nesterov, decay } = options;
    let grad = &matched(param, grad)?;
    if check("sgd_step", param, &[grad, velocity])? != Route::Cpu {
        let p = param.as_detached_tensor();
        let g = (grad.detach() + (&p * decay)?)?;
        let v = ((velocity.as_detached_tensor() * momentum)? + &g)?;
        velocity.set(&v)?;
        let step = if nesterov { (g + (v * momentum)?)? } else { v };
        return param.set(&(p - (step * lr)?)?);
    }
    let grad = grad.detach().contiguous()?;
    velocity.inplace_op3(&grad, param, &Zip(SgdVelocity { momentum, decay }))?;
    param.inplace_op3(&grad, velocity, &Zip(SgdParam { options }))
}

struct SgdVelocity {
    momentum: f64,
    decay: f64,
}

impl Rule for SgdVelocity {
    fn apply<T: Element>(&self, velocity: &mut [T], grad: &[T], param: &[T]) {
        let (momentum, decay) = (T::from_f64(self.momentum), T::from_f64(self.decay));
        zip3(velocity, grad, param, |v, g, p| momentum * v + (g + decay * p));
    }
}

struct SgdParam {
    options: Sgd,
}

impl Rule for SgdParam {
    fn apply<T: Element>(&self, param: &mut [T], grad: &[T], velocity: &[T]) {
        let Sgd { lr, momentum, nesterov, decay } = self.options;
        let (lr, momentum, decay) = (T::from_f64(lr), T::from_f64(momentum), T::from_f64(decay));
        if nesterov {
            zip3(param, grad, velocity, |p, g, v| p - lr * ((g + decay * p) + momentum * v));
        } else {
            zip3(param, grad, velocity, |p, _, v| p - lr * v);
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct AdamW {
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub decay: f64,
    /// Whether the decay is Adam's: added to the gradient, times the parameter, as in [`Sgd`].
    pub coupled: bool,
    /// From 1.
    pub step: usize,
}

impl AdamW {
    /// What the gradient gets of the parameter; none where nothing is added.
    fn coupled_decay(&self) -> Option<f64> {
        (self.coupled && self.decay > 0.0).then_some(self.decay)
    }

    /// What the parameter is multiplied by.
    fn keep(&self) -> f64 {
        if self.coupled { 1.0 } else { 1.0 - self.lr * self.decay }
    }
}

/// param ·= 1 − lr·decay; m = β₁·m + (1 − β₁)·g; v = β₂·v + (1 − β₂)·g²;
/// param −= lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + eps).
///
/// Loshchilov & Hutter 2019, arXiv:1711.05101, with torch's order of operations. m and v begin at 0. With `coupled` it is Adam's step
/// (Kingma & Ba 2015, arXiv:1412.6980): g = grad + decay·param, and the parameter is not multiplied.
///
/// # Errors
/// Fails on operands of two shapes or types, and on a step of 0.
pub fn adamw_step(param: &Var, grad: &Tensor, m: &Var, v: &Var, options: AdamW) -> Result<()> {
    adamw_steps(&[(param, grad, m, v)], options)
}

/// [`adamw_step`] for each (parameter, gradient, m, v); on a GPU with kernels of ours a launch takes several of them.
///
/// # Errors
/// Those of [`adamw_step`].
pub fn adamw_steps(tensors: &[(&Var, &Tensor, &Var, &Var)], options: AdamW) -> Result<()> {
    let rows: Vec<_> =
        tensors.iter().map(|(p, g, m, v)| [p.as_tensor(), *g, m.as_tensor(), v.as_tensor()]).collect();
    if let Some(here) = on_gpu::here("adamw_step", &rows)? {
        return on_gpu::adamw(&here, &rows, options);
    }
    tensors.iter().try_for_each(|(param, grad, m, v)| adamw(param, grad, m, v, options))
}

fn adamw(param: &Var, grad: &Tensor, m: &Var, v: &Var, options: AdamW) -> Result<()> {
    let grad = &matched(param, grad)?;
    let composed = check("adamw_step", param, &[grad, m, v])? != Route::Cpu;
    let AdamW { lr, beta1, beta2, eps, step, .. } = options;
    if step == 0 {
        bail!("adamw_step: expected steps counted from 1, got 0");
    }
    let (c1, c2) = (1.0 - beta1.powf(step as f64), (1.0 - beta2.powf(step as f64)).sqrt());
    if composed {
        let g = match options.coupled_decay() {
            Some(decay) => (grad.detach() + (param.as_detached_tensor() * decay)?)?,
            None => grad.detach(),
        };
        let next_m = ((m.as_detached_tensor() * beta1)? + (&g * (1.0 - beta1))?)?;
        let next_v = ((v.as_detached_tensor() * beta2)? + (g.sqr()? * (1.0 - beta2))?)?;
        let step = ((&next_m * (lr / c1))? / ((next_v.sqrt()? / c2)? + eps)?)?;
        param.set(&((param.as_detached_tensor() * options.keep())? - step)?)?;
        m.set(&next_m)?;
        return v.set(&next_v);
    }
    let grad = grad.detach().contiguous()?;
    let decay = options.coupled_decay();
    // Without a decay the parameter is not read.
    let also = if decay.is_some() { param.as_tensor() } else { &grad };
    m.inplace_op3(&grad, also, &Zip(Moment { beta: beta1, square: false, decay }))?;
    v.inplace_op3(&grad, also, &Zip(Moment { beta: beta2, square: true, decay }))?;
    param.inplace_op3(m, v, &Zip(AdamWParam { keep: options.keep(), lr: lr / c1, c2, eps }))
}

struct Moment {
    beta: f64,
    square: bool,
    /// Of Adam.
    decay: Option<f64>,
}

impl Rule for Moment {
    fn apply<T: Element>(&self, moment: &mut [T], grad: &[T], param: &[T]) {
        let (beta, rest) = (T::from_f64(self.beta), T::from_f64(1.0 - self.beta));
        // Written out: a closure that asks `square` of every number is not vectorised.
        match (self.square, self.decay.map(T::from_f64)) {
            (false, None) => zip3(moment, grad, grad, |m, g, _| beta * m + rest * g),
            (true, None) => zip3(moment, grad, grad, |m, g, _| beta * m + rest * (g * g)),
            (false, Some(decay)) => zip3(moment, grad, param, |m, g, p| beta * m + rest * (g + decay * p)),
            (true, Some(decay)) => zip3(moment, grad, param, |m, g, p| {
                let g = g + decay * p;
                beta * m + rest * (g * g)
            }),
        }
    }
}

struct AdamWParam {
    keep: f64,
    lr: f64,
    c2: f64,
    eps: f64,
}

impl Rule for AdamWParam {
    fn apply<T: Element>(&self, param: &mut [T], m: &[T], v: &[T]) {
        let [keep, lr, c2, eps] = [self.keep, self.lr, self.c2, self.eps].map(T::from_f64);
        zip3(param, m, v, |p, m, v| p * keep - lr * (m / (v.sqrt() / c2 + eps)));
    }
}

/// average += (1 − decay)·(value − average).
///
/// # Errors
/// Fails on operands of two shapes or types.
pub fn ema_update(average: &Var, value: &Tensor, decay: f64) -> Result<()> {
    ema_updates(&[(average, value)], decay)
}

/// [`ema_update`] for each (average, value); on a GPU with kernels of ours a launch takes several of them.
///
/// # Errors
/// Those of [`ema_update`].
pub fn ema_updates(tensors: &[(&Var, &Tensor)], decay: f64) -> Result<()> {
    let rows: Vec<_> = tensors.iter().map(|(average, value)| [average.as_tensor(), *value]).collect();
    if let Some(here) = on_gpu::here("ema_update", &rows)? {
        return on_gpu::ema(&here, &rows, decay);
    }
    tensors.iter().try_for_each(|(average, value)| ema(average, value, decay))
}

fn ema(average: &Var, value: &Tensor, decay: f64) -> Result<()> {
    let value = &matched(average, value)?;
    if check("ema_update", average, &[value])? != Route::Cpu {
        let old = average.as_detached_tensor();
        return average.set(&(&old + ((value.detach() - &old)? * (1.0 - decay))?)?);
    }
    let value = value.detach().contiguous()?;
    average.inplace_op3(&value, &value, &Zip(Average { rest: 1.0 - decay }))
}

struct Average {
    rest: f64,
}

impl Rule for Average {
    fn apply<T: Element>(&self, average: &mut [T], value: &[T], _: &[T]) {
        let rest = T::from_f64(self.rest);
        zip3(average, value, value, |a, v, _| a + rest * (v - a));
    }
}

/// One number from three, everywhere.
trait Rule: Sync {
    fn apply<T: Element>(&self, dst: &mut [T], a: &[T], b: &[T]);
}

struct Zip<R>(R);

impl<R: Rule> InplaceOp3 for Zip<R> {
    fn name(&self) -> &'static str {
        "update in place"
    }

    fn cpu_fwd(
        &self,
        dst: &mut CpuStorage,
        l: &Layout,
        a: &CpuStorage,
        al: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> Result<()> {
        kernel_ran();
        let (l, al, bl) = (contiguous(l)?, contiguous(al)?, contiguous(bl)?);
        match (dst, a, b) {
            (CpuStorage::F32(d), CpuStorage::F32(a), CpuStorage::F32(b)) => {
                self.run(&mut d[l], &a[al], &b[bl])
            }
            (CpuStorage::F64(d), CpuStorage::F64(a), CpuStorage::F64(b)) => {
                self.run(&mut d[l], &a[al], &b[bl])
            }
            _ => bail!("update in place: expected f32 or f64, all alike"),
        }
        Ok(())
    }
}

impl<R: Rule> Zip<R> {
    fn run<T: Element>(&self, dst: &mut [T], a: &[T], b: &[T]) {
        let (n, out) = (dst.len(), Shared::new(dst));
        pieces(n, PIECE, |start, end| {
            // SAFETY: pieces are disjoint.
            let dst = unsafe { out.slice(start, end - start) };
            self.0.apply(dst, &a[start..end], &b[start..end]);
        });
    }
}

#[inline(always)]
fn zip3<T: Element>(dst: &mut [T], a: &[T], b: &[T], f: impl Fn(T, T, T) -> T) {
    vectorized(
        #[inline(always)]
        || dst.iter_mut().zip(a).zip(b).for_each(|((d, a), b)| *d = f(*d, *a, *b)),
    );
}

fn contiguous(layout: &Layout) -> Result<Range<usize>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(start..end),
        None => bail!("in-place update: expected contiguous operands"),
    }
}

/// What an update is composed with: f32 where it is bf16 and what it changes f32, on a GPU.
fn matched(param: &Tensor, grad: &Tensor) -> Result<Tensor> {
    let mixed = (param.dtype(), grad.dtype()) == (DType::F32, DType::BF16) && !grad.device().is_cpu();
    if mixed { grad.to_dtype(DType::F32) } else { Ok(grad.clone()) }
}

/// Checks the operands of an update of `x`.
fn check(op: &str, x: &Tensor, others: &[&Tensor]) -> Result<Route> {
    if let Some(other) = others.iter().find(|other| other.dims() != x.dims()) {
        bail!("{op}: expected shapes alike, got {:?} and {:?}", x.shape(), other.shape());
    }
    route(op, &[&[x], others].concat())
}
