//! `precision: f32 | tf32 | bf16`.

use candle_core::{DType, Device};

/// The arithmetic of a network's layers. Parameters, statistics, losses and updates are in f32 whatever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    F32,
    /// Convolutions may round their operands to 10 bits of mantissa, where a device is faster so.
    Tf32,
    /// Values between layers, and the weights that are multiplied with them, have 8 bits of mantissa.
    Bf16,
}

impl std::str::FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Precision, String> {
        match text {
            "f32" => Ok(Precision::F32),
            "tf32" => Ok(Precision::Tf32),
            "bf16" => Ok(Precision::Bf16),
            _ => Err(format!("expected f32, tf32 or bf16, got `{text}`")),
        }
    }
}

impl Precision {
    /// As recipes write it.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Tf32 => "tf32",
            Precision::Bf16 => "bf16",
        }
    }

    /// Whether a training can be run so on a device.
    ///
    /// # Errors
    /// Bf16 on a device without kernels in it.
    pub fn check(self, device: &Device) -> Result<(), String> {
        if self == Precision::Bf16 && !device.is_cuda() {
            let name = super::device_name(device);
            return Err(format!("bf16 – {name} has no kernels in it – write f32, or compute on cuda"));
        }
        Ok(())
    }

    /// What a person who asked for it should know, where a device computes otherwise.
    pub fn doubt(self, device: &Device) -> Option<String> {
        let rounds = device.is_cuda() && cfg!(feature = "cudnn");
        (self == Precision::Tf32 && !rounds).then(|| {
            let name = super::device_name(device);
            format!("tf32 is f32 on {name}: it is for convolutions by cuDNN, of a build with `--features cudnn` on cuda")
        })
    }

    /// The type of the values between layers. What was trained in bf16 is asked in f32 where a device has no kernels in bf16.
    pub fn of_values(self, device: &Device) -> DType {
        if self == Precision::Bf16 && self.check(device).is_ok() { DType::BF16 } else { DType::F32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        assert_eq!("tf32".parse(), Ok(Precision::Tf32));
        let error = "fp16".parse::<Precision>().unwrap_err();
        assert_eq!(error, "expected f32, tf32 or bf16, got `fp16`");
    }

    #[test]
    fn a_cpu_trains_in_f32_and_asks_what_was_trained_in_bf16() {
        assert_eq!(Precision::Tf32.check(&Device::Cpu), Ok(()));
        assert!(Precision::Tf32.doubt(&Device::Cpu).unwrap().starts_with("tf32 is f32 on cpu ("));
        assert_eq!(Precision::F32.doubt(&Device::Cpu), None);
        assert!(Precision::Bf16.check(&Device::Cpu).unwrap_err().starts_with("bf16 – cpu ("));
        assert_eq!(Precision::Bf16.of_values(&Device::Cpu), DType::F32);
    }
}
