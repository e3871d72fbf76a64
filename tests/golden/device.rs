//! The GPU that tests compute on as well, where the environment names one.

use candle_core::Device;
use std::sync::OnceLock;

/// The device that `TALLOW_TEST_DEVICE` names: `cuda:N` or `metal`.
pub fn gpu() -> Option<&'static Device> {
    static GPU: OnceLock<Option<Device>> = OnceLock::new();
    let open = || {
        let name = std::env::var("TALLOW_TEST_DEVICE").ok()?;
        let opened = match name.strip_prefix("cuda:") {
            Some(ordinal) => Device::new_cuda_with_stream(ordinal.parse().expect("cuda:N")),
            None if name == "metal" => Device::new_metal(0),
            None => panic!("TALLOW_TEST_DEVICE: expected cuda:N or metal, got `{name}`"),
        };
        Some(opened.unwrap_or_else(|error| panic!("TALLOW_TEST_DEVICE={name}: {error}")))
    };
    GPU.get_or_init(open).as_ref()
}
