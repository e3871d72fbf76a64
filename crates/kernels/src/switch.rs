//! Which path an op takes, and how often the kernels ran.

use candle_core::{DType, Device, Result, Shape, Tensor};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static CALLS: AtomicU64 = AtomicU64::new(0);

fn forced() -> &'static AtomicBool {
    static FORCED: OnceLock<AtomicBool> = OnceLock::new();
    FORCED.get_or_init(|| AtomicBool::new(std::env::var("TALLOW_FALLBACK").is_ok_and(|v| v == "1")))
}

/// Whether every op, process-wide, is composed of candle's own ops from now on. The environment variable
/// `TALLOW_FALLBACK=1` sets it at the start. Devices other than the CPU, and types other than f32 and f64, always are.
pub fn force_fallback(on: bool) {
    forced().store(on, Ordering::SeqCst);
}

/// How often a kernel (a forward, a gradient, an in-place update) ran in this process; 0 under the fallback.
pub fn calls() -> u64 {
    CALLS.load(Ordering::SeqCst)
}

/// [`calls`] = 0.
pub fn reset_calls() {
    CALLS.store(0, Ordering::SeqCst);
}

pub(crate) fn count() {
    CALLS.fetch_add(1, Ordering::Relaxed);
}

/// Whether an op on `x` has to be composed of candle's ops.
pub(crate) fn composed(x: &Tensor) -> bool {
    let kernel = x.device().is_cpu() && matches!(x.dtype(), DType::F32 | DType::F64);
    !kernel || forced().load(Ordering::Relaxed)
}

/// f64 values in the type and on the device of `like`; cast on the host, since not every device has f64.
pub(crate) fn host(values: Vec<f64>, shape: impl Into<Shape>, like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), &Device::Cpu)?.to_dtype(like.dtype())?.to_device(like.device())
}
