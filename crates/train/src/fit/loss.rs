//! The loss of soft targets.

use candle_core::{DType, Result, Tensor};

/// How logits and soft targets become one number.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    pub kind: LossKind,
    /// ε of label smoothing: t ← (1 − ε) t + ε / C, before anything else.
    pub smoothing: f64,
    /// w_c, multiplying each class's term; the mean still divides by the number of rows (torch's rule for
    /// probability targets, not its rule for hard labels, which divides by Σ w).
    pub class_weights: Option<Vec<f64>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LossKind {
    /// −Σ_c w_c t_c log p_c, mean over rows.
    CrossEntropy,
    /// −Σ_c w_c t_c (1 − p_c)^γ log p_c, mean over rows (Lin et al. 2017, for soft targets).
    Focal { gamma: f64 },
}

impl Loss {
    /// logits (R, C), targets row-major (R, C) → scalar.
    ///
    /// # Errors
    /// Logits that are no matrix, targets of another number; those of the ops.
    pub fn of(&self, logits: &Tensor, targets: &[f64]) -> Result<Tensor> {
        let (_, classes) = logits.dims2()?;
        let smooth = |t: &f64| (1.0 - self.smoothing) * t + self.smoothing / classes as f64;
        let targets: Vec<f64> = targets.iter().map(smooth).collect();
        // The loss of logits in bf16 is f32, and so are its targets.
        let dtype = if logits.dtype() == DType::BF16 { DType::F32 } else { logits.dtype() };
        let targets = Tensor::from_vec(targets, logits.shape(), &candle_core::Device::Cpu)?
            .to_dtype(dtype)?
            .to_device(logits.device())?;
        let weights = self.class_weights.as_deref();
        match self.kind {
            LossKind::CrossEntropy => tallow_kernels::soft_cross_entropy(logits, &targets, weights),
            LossKind::Focal { gamma } => tallow_kernels::focal_loss(logits, &targets, gamma, weights),
        }
    }
}

/// w_c = N / (C · n_c): scikit-learn's `balanced`; classes without images weigh 0.
pub fn balanced_weights(labels: impl Iterator<Item = u32>, classes: usize) -> Vec<f64> {
    let mut counts = vec![0usize; classes];
    labels.for_each(|label| counts[label as usize] += 1);
    let n: usize = counts.iter().sum();
    counts.iter().map(|&c| if c == 0 { 0.0 } else { n as f64 / (classes * c) as f64 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn loss(smoothing: f64, class_weights: Option<Vec<f64>>) -> f64 {
        let logits = Tensor::new(&[[2f64, 1.0, 0.0]], &Device::Cpu).unwrap();
        let loss = Loss { kind: LossKind::CrossEntropy, smoothing, class_weights };
        loss.of(&logits, &[0.7, 0.2, 0.1]).unwrap().to_scalar().unwrap()
    }

    #[test]
    fn soft_cross_entropy_by_hand() {
        // log Σ e^z = 2.4076059644; p = e^(z − that): −(0.7·(−0.4076…) + 0.2·(−1.4076…) + 0.1·(−2.4076…))
        assert!((loss(0.0, None) - 0.8076059644).abs() < 1e-9);
        // smoothing 0.3: targets 0.59, 0.24, 0.17 → 0.59·0.4076… + 0.24·1.4076… + 0.17·2.4076…
        assert!((loss(0.3, None) - (0.4076059644 + 0.24 + 2.0 * 0.17)).abs() < 1e-9);
        // weights 2, 1, 0: 2·0.7·0.4076… + 0.2·1.4076…
        assert!(
            (loss(0.0, Some(vec![2.0, 1.0, 0.0])) - (1.4 * 0.4076059644 + 0.2 * 1.4076059644)).abs() < 1e-9
        );
    }

    #[test]
    fn balanced_weights_are_scikit_learns() {
        // 6 images, 3 classes, counts 3, 2, 1: 6/9, 6/6, 6/3; an absent class weighs 0
        assert_eq!(balanced_weights([0, 0, 0, 1, 1, 2].into_iter(), 3), [6.0 / 9.0, 1.0, 2.0]);
        assert_eq!(balanced_weights([0].into_iter(), 2), [0.5, 0.0]);
    }
}
