//! Losses on soft targets.

use crate::element::{Element, by_dtype, same_dtype, tensor, view};
use crate::node::{Backward, node};
use crate::switch::{composed, host};
use candle_core::{D, Result, Tensor, bail};
use std::marker::PhantomData;

/// −(1/R) Σ_r Σ_c w_c · t_rc · log softmax(z_r)_c.
///
/// `logits` z and `targets` t (R, C) → a scalar. Targets are any numbers ≥ 0 and constants to the gradient;
/// `class_weights` w (C), 1 where absent. The normaliser is the number of rows: PyTorch's rule for probabilities.
pub fn soft_cross_entropy(
    logits: &Tensor,
    targets: &Tensor,
    class_weights: Option<&[f64]>,
) -> Result<Tensor> {
    loss(logits, targets, 0.0, class_weights, "soft_cross_entropy")
}

/// −(1/R) Σ_r Σ_c w_c · t_rc · (1 − p_rc)^gamma · log p_rc with p_r = softmax(z_r).
///
/// Shapes and normaliser as [`soft_cross_entropy`], which is gamma = 0. Lin et al. 2017, arXiv:1708.02002, over classes.
pub fn focal_loss(
    logits: &Tensor,
    targets: &Tensor,
    gamma: f64,
    class_weights: Option<&[f64]>,
) -> Result<Tensor> {
    if !(gamma >= 0.0 && gamma.is_finite()) {
        bail!("focal_loss: expected gamma of at least 0, got {gamma}");
    }
    loss(logits, targets, gamma, class_weights, "focal_loss")
}

fn loss(
    logits: &Tensor,
    targets: &Tensor,
    gamma: f64,
    class_weights: Option<&[f64]>,
    op: &str,
) -> Result<Tensor> {
    let dims = logits.dims2()?;
    let (r, c) = dims;
    if targets.dims() != [r, c] || r * c == 0 {
        bail!(
            "{op}: expected logits and targets (R, C), not empty, got {:?} and {:?}",
            logits.shape(),
            targets.shape()
        );
    }
    if let Some(weights) = class_weights.filter(|w| w.len() != c) {
        bail!("{op}: expected {c} class weights, got {}", weights.len());
    }
    let dtype = same_dtype(op, logits, &[targets])?;
    let targets = targets.detach();
    if composed(logits) {
        return fallback(logits, &targets, gamma, class_weights);
    }
    by_dtype!(dtype, run(logits, &targets, gamma, class_weights, dims))
}

fn run<T: Element>(
    logits: &Tensor,
    targets: &Tensor,
    gamma: f64,
    class_weights: Option<&[f64]>,
    (r, c): (usize, usize),
) -> Result<Tensor> {
    let (zc, tc) = (logits.contiguous()?, targets.contiguous()?);
    let (mut total, mut slope) = (0.0, vec![T::zero(); r * c]);
    {
        let (z, t) = (view::<T>(&zc)?, view::<T>(&tc)?);
        let (mut logp, mut pull) = (vec![0.0; c], vec![0.0; c]);
        for ((z, t), slope) in z.chunks_exact(c).zip(t.chunks_exact(c)).zip(slope.chunks_exact_mut(c)) {
            let z = z.iter().map(|z| z.to_f64());
            let max = z.clone().fold(f64::NEG_INFINITY, f64::max);
            let sum = z.clone().map(|z| (z - max).exp()).sum::<f64>().ln();
            logp.iter_mut().zip(z).for_each(|(l, z)| *l = z - max - sum);
            for i in 0..c {
                let target = t[i].to_f64() * class_weights.map_or(1.0, |w| w[i]);
                let (value, h) = if target == 0.0 { (0.0, 0.0) } else { focal(logp[i], gamma) };
                total -= target * value;
                pull[i] = target * h;
            }
            let all: f64 = pull.iter().sum();
            for i in 0..c {
                slope[i] = T::from_f64((logp[i].exp() * all - pull[i]) / r as f64);
            }
        }
    }
    let value = vec![T::from_f64(total / r as f64)];
    node(&[logits], value, (), Gradient::<T> { slope: tensor(slope, (r, c)), element: PhantomData })
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

struct Gradient<T> {
    /// d loss / d logits.
    slope: Tensor,
    element: PhantomData<T>,
}

impl<T: Element> Backward for Gradient<T> {
    fn name(&self) -> &'static str {
        "soft_cross_entropy"
    }

    fn gradients(&self, _: &Tensor, grad: Tensor, _: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let factor = view::<T>(&grad)?[0];
        let slope = view::<T>(&self.slope)?.iter().map(|s| *s * factor).collect();
        Ok(vec![Some(tensor::<T>(slope, self.slope.shape()))])
    }
}

fn fallback(logits: &Tensor, targets: &Tensor, gamma: f64, class_weights: Option<&[f64]>) -> Result<Tensor> {
    let (r, c) = logits.dims2()?;
    let z = logits.broadcast_sub(&logits.detach().max_keepdim(D::Minus1)?)?;
    let logp = z.broadcast_sub(&z.exp()?.sum_keepdim(D::Minus1)?.log()?)?;
    let mut terms = (targets * &logp)?;
    if let Some(weights) = class_weights {
        let weights = host(weights.to_vec(), (1, c), logits)?;
        terms = terms.broadcast_mul(&weights)?;
    }
    if gamma != 0.0 {
        // Above 0, where the slope of a power below 1 is infinite.
        let q = (1.0 - logp.exp()?)?.maximum(f64::from(f32::MIN_POSITIVE))?;
        terms = (terms * q.powf(gamma)?)?;
    }
    terms.sum_all()? * (-1.0 / r as f64)
}
