//! Numbers in memory of their own.

use candle_core::{Result, Tensor, Var};

/// The numbers of `x` in memory of their own and in row order, without a graph. candle's `Tensor::copy` shares the memory on Metal: an
/// update of `x` in place would change the copy too.
///
/// # Errors
/// Fails where there is no memory.
pub fn copy(x: &Tensor) -> Result<Tensor> {
    Ok(Var::from_tensor(&x.detach())?.as_detached_tensor())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn a_copy_stays_as_it_was() {
        let var = Var::new(&[[1f32, 2.0], [3.0, -0.0]], &Device::Cpu).unwrap();
        for x in [var.as_tensor().clone(), var.as_detached_tensor()] {
            var.set(&Tensor::new(&[[1f32, 2.0], [3.0, -0.0]], &Device::Cpu).unwrap()).unwrap();
            let columns = copy(&x.t().unwrap()).unwrap();
            var.set(&var.zeros_like().unwrap()).unwrap();
            assert!(columns.is_contiguous() && !columns.is_variable() && !columns.track_op());
            let numbers = columns.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let bits: Vec<u32> = numbers.into_iter().map(f32::to_bits).collect();
            assert_eq!(bits, [1.0f32, 3.0, 2.0, -0.0].map(f32::to_bits));
        }
    }
}
