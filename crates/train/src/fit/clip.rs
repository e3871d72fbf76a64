//! Clipping of gradients by their global norm.

use super::optimizer::Gradients;
use crate::Result;
use candle_core::Tensor;

/// g ← g · min(1, max_norm / (‖g‖ + 1e-6)), ‖g‖ over all parameters: torch's `clip_grad_norm_`.
///
/// # Errors
/// Those of the ops.
pub fn clip(gradients: &mut Gradients, max_norm: f64) -> Result<()> {
    let all: Vec<&Tensor> = gradients.values().collect();
    let factor = max_norm / (tallow_kernels::grad_norm(&all)? + 1e-6);
    if factor < 1.0 {
        for gradient in gradients.values_mut() {
            tallow_kernels::scale(gradient, factor)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn the_global_norm_is_what_counts() -> Result<()> {
        let tensor = |values: [f64; 2]| Tensor::new(&values, &Device::Cpu).unwrap();
        let mut gradients =
            Gradients::from([("a".into(), tensor([3.0, 0.0])), ("b".into(), tensor([0.0, 4.0]))]);
        clip(&mut gradients, 10.0)?;
        assert_eq!(gradients["a"].to_vec1::<f64>()?, [3.0, 0.0]);
        clip(&mut gradients, 1.0)?; // ‖g‖ = 5
        assert!((gradients["b"].to_vec1::<f64>()?[1] - 0.8).abs() < 1e-6);
        Ok(())
    }
}
