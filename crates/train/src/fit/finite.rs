//! Weights that are numbers. One gradient that is not finite spoils them a step before a loss shows it, and a checkpoint
//! that is written in between would hold nothing to go on from.

use crate::Result;
use candle_core::{DType, Device};
use tallow_models::Params;

/// The name of a parameter or buffer that has an element which is no finite number.
///
/// # Errors
/// Those of the device.
pub fn spoilt(params: &Params) -> Result<Option<String>> {
    for (name, param) in params.trainable.iter().chain(&params.buffers) {
        let values = param.var().as_detached_tensor().to_device(&Device::Cpu)?.to_dtype(DType::F32)?;
        if values.flatten_all()?.to_vec1::<f32>()?.iter().any(|value| !value.is_finite()) {
            return Ok(Some(name.clone()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Tensor;
    use tallow_models::Init;
    use tallow_seed::Seed;

    #[test]
    fn one_element_is_enough() -> Result<()> {
        let mut params = Params::new(Seed::new(1), DType::F32, &Device::Cpu);
        params.parameter("a", &[2, 3], Init::Zeros)?;
        let b = params.buffer("b", &[3], Init::Ones)?;
        assert_eq!(spoilt(&params)?, None);
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            b.var().set(&Tensor::new(&[1.0, value, f32::MAX], &Device::Cpu)?)?;
            assert_eq!(spoilt(&params)?.as_deref(), Some("b"));
        }
        Ok(())
    }
}
