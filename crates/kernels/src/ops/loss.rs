//! Losses on soft targets.

pub mod gpu;

use crate::cpu::element::{Element, tensor, view};
use crate::dispatch::{Op, apply, host};
use crate::gpu::{Here, Storage};
use crate::graph::{Backward, OperandGradients, Output};
use candle_core::{D, DType, Result, Tensor, bail};
use std::ops::Range;

/// −(1/R) Σ_r Σ_c w_c · t_rc · log softmax(z_r)_c.
///
/// `logits` z and `targets` t (R, C) → a scalar. Targets are any numbers ≥ 0 and constants to the gradient;
/// `class_weights` w (C), 1 where absent. The normaliser is the number of rows: PyTorch's rule for probabilities.
///
/// # Errors
/// Fails on shapes that do not fit, and on operands of two types, but for targets in f32 beside logits in bf16. The loss is f32 then.
pub fn soft_cross_entropy(
    logits: &Tensor,
    targets: &Tensor,
    class_weights: Option<&[f64]>,
) -> Result<Tensor> {
    loss("soft_cross_entropy", logits, targets, Loss { gamma: 0.0, class_weights })
}

/// −(1/R) Σ_r Σ_c w_c · t_rc · (1 − p_rc)^gamma · log p_rc with p_r = softmax(z_r).
///
/// Shapes and normaliser as [`soft_cross_entropy`], which is gamma = 0. Lin et al. 2017, arXiv:1708.02002, over classes.
///
/// # Errors
/// Fails on a gamma below 0, on shapes that do not fit, and on operands of two types.
pub fn focal_loss(
    logits: &Tensor,
    targets: &Tensor,
    gamma: f64,
    class_weights: Option<&[f64]>,
) -> Result<Tensor> {
    if !(gamma >= 0.0 && gamma.is_finite()) {
        bail!("focal_loss: expected gamma of at least 0, got {gamma}");
    }
    loss("focal_loss", logits, targets, Loss { gamma, class_weights })
}

struct Loss<'a> {
    gamma: f64,
    class_weights: Option<&'a [f64]>,
}

fn loss(name: &str, logits: &Tensor, targets: &Tensor, loss: Loss) -> Result<Tensor> {
    let (r, c) = logits.dims2()?;
    if targets.dims() != [r, c] || r * c == 0 {
        bail!(
            "{name}: expected logits and targets (R, C), not empty, got {:?} and {:?}",
            logits.shape(),
            targets.shape()
        );
    }
    if let Some(weights) = loss.class_weights.filter(|w| w.len() != c) {
        bail!("{name}: expected {c} class weights, got {}", weights.len());
    }
    apply(name, loss, &[logits, &targets.detach()])
}

impl Op for Loss<'_> {
    fn in_f32(&self) -> Range<usize> {
        1..2
    }

    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let (r, c) = x[0].dims2()?;
        let (z, t) = (view::<T>(&x[0])?, view::<T>(&x[1])?);
        let (mut total, mut slope) = (0.0, vec![T::zero(); r * c]);
        let (mut logp, mut pull) = (vec![0.0; c], vec![0.0; c]);
        for ((z, t), slope) in z.chunks_exact(c).zip(t.chunks_exact(c)).zip(slope.chunks_exact_mut(c)) {
            let z = z.iter().map(|z| z.to_f64());
            let max = z.clone().fold(f64::NEG_INFINITY, f64::max);
            let sum = z.clone().map(|z| (z - max).exp()).sum::<f64>().ln();
            logp.iter_mut().zip(z).for_each(|(l, z)| *l = z - max - sum);
            for i in 0..c {
                let target = t[i].to_f64() * self.class_weights.map_or(1.0, |w| w[i]);
                let (value, h) = if target == 0.0 { (0.0, 0.0) } else { focal(logp[i], self.gamma) };
                total -= target * value;
                pull[i] = target * h;
            }
            let all: f64 = pull.iter().sum();
            for i in 0..c {
                slope[i] = T::from_f64((logp[i].exp() * all - pull[i]) / r as f64);
            }
        }
        let value = vec![T::from_f64(total / r as f64)];
        Output::cpu(value, (), LossBackward { slope: tensor(slope, (r, c)), logits: x[0].dtype() })
    }

    fn gpu(&self, x: &[&Tensor]) -> Result<Option<Output>> {
        let Some(here) = Here::of(x[0]) else { return Ok(None) };
        let (logits, targets) = (here.buffer(x[0])?, here.floats_of(x[1])?);
        let sizes = (x[0].dim(1)?, self.gamma);
        let (loss, slope) = gpu::forward(&here, &logits, &targets, self.class_weights, sizes)?;
        let backward = LossBackward { slope: here.tensor(slope, x[0].shape())?, logits: x[0].dtype() };
        Ok(Some(Output::new(here.storage(loss)?, (), backward)))
    }

    fn composed(&self, x: &[&Tensor]) -> Result<Tensor> {
        // The loss of logits in bf16 is f32 too.
        if x[0].dtype() == DType::BF16 {
            return self.composed(&[&x[0].to_dtype(DType::F32)?, &x[1].to_dtype(DType::F32)?]);
        }
        let (logits, targets) = (x[0], x[1]);
        let (r, c) = logits.dims2()?;
        let z = logits.broadcast_sub(&logits.detach().max_keepdim(D::Minus1)?)?;
        let logp = z.broadcast_sub(&z.exp()?.sum_keepdim(D::Minus1)?.log()?)?;
        let mut terms = (targets * &logp)?;
        if let Some(weights) = self.class_weights {
            let weights = host(weights.to_vec(), (1, c), logits)?;
            terms = terms.broadcast_mul(&weights)?;
        }
        if self.gamma != 0.0 {
            // Above 0, where the slope of a power below 1 is infinite.
            let q = (1.0 - logp.exp()?)?.maximum(f64::from(f32::MIN_POSITIVE))?;
            terms = (terms * q.powf(self.gamma)?)?;
        }
        terms.sum_all()? * (-1.0 / r as f64)
    }
}

/// f(p) = (1 − p)^γ · log p and h = p · f′(p), from log p; γ = 0 is the cross-entropy, h = 1.
fn focal(logp: f64, gamma: f64) -> (f64, f64) {
    if gamma == 0.0 {
        return (logp, 1.0);
    }
    let (p, q) = (logp.exp(), -logp.exp_m1());
    if q <= 0.0 {
        return (0.0, 0.0); // both vanish as q^γ
    }
    let power = q.powf(gamma);
    (power * logp, power - gamma * p * logp * power / q)
}

struct LossBackward {
    /// d loss / d logits.
    slope: Tensor,
    /// The type of the logits.
    logits: DType,
}

impl Backward for LossBackward {
    fn cpu<T: Element>(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let factor = view::<T>(&grad)?[0];
        let slope = view::<T>(&self.slope)?.iter().map(|s| *s * factor).collect::<Vec<T>>();
        Ok(vec![Some(tensor(slope, self.slope.shape())), None])
    }

    fn gpu(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let here = Here::of_gradient(&grad)?;
        let storage = Storage::of_type(self.logits).expect("the forward pass ran here");
        let dz = gpu::backward(&here, &here.buffer(&self.slope)?, &here.floats_of(&grad)?, storage)?;
        Ok(vec![Some(here.tensor(dz, self.slope.shape())?), None])
    }
}
