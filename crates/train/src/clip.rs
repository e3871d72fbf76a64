//! Clipping of gradients by their global norm.

use crate::Result;
use crate::optimizer::Gradients;
use candle_core::Tensor;
use std::borrow::Cow;

/// g ← g · min(1, max_norm / (‖g‖ + 1e-6)), ‖g‖ over all parameters: torch's `clip_grad_norm_`.
pub fn clipped(gradients: &Gradients, max_norm: Option<f64>) -> Result<Cow<'_, Gradients>> {
    let Some(max_norm) = max_norm else { return Ok(Cow::Borrowed(gradients)) };
    let all: Vec<&Tensor> = gradients.values().collect();
    let factor = max_norm / (tallow_kernels::grad_norm(&all)? + 1e-6);
    if factor >= 1.0 {
        return Ok(Cow::Borrowed(gradients));
    }
    let scaled = gradients.iter().map(|(name, gradient)| Ok((name.clone(), (gradient * factor)?)));
    Ok(Cow::Owned(scaled.collect::<Result<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn the_global_norm_is_what_counts() -> Result<()> {
        let tensor = |values: [f64; 2]| Tensor::new(&values, &Device::Cpu).unwrap();
        let gradients = Gradients::from([("a".into(), tensor([3.0, 0.0])), ("b".into(), tensor([0.0, 4.0]))]);
        let same = clipped(&gradients, Some(10.0))?;
        assert_eq!(same["a"].to_vec1::<f64>()?, [3.0, 0.0]);
        let scaled = clipped(&gradients, Some(1.0))?; // ‖g‖ = 5
        assert!((scaled["b"].to_vec1::<f64>()?[1] - 0.8).abs() < 1e-6);
        Ok(())
    }
}
