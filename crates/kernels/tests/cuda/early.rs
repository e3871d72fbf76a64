//! A mistake in the order of work.

use crate::bench::Bench;
use candle_core::backend::BackendDevice;
use candle_core::cuda_backend::cudarc::driver::{DevicePtr, result};
use candle_core::op::BackpropOp;
use candle_core::{DType, Device, Result, Shape, Storage, Tensor};
use tallow_kernels::softmax;

/// The numbers come on another stream, which nobody waits for.
pub fn kernel_before_its_upload() -> Result<()> {
    let bench = Bench::new()?;
    let Device::Cuda(device) = &bench.device else { unreachable!("made so") };
    // SAFETY: it is filled below, too late.
    let storage = unsafe { device.alloc_uninit(&Shape::from((2, 3)), DType::F32)? };
    let other = device.cuda_stream().context().new_stream().map_err(candle_core::Error::wrap)?;
    let address = storage.as_cuda_slice::<f32>()?.device_ptr(&other).0;
    // SAFETY: 6 numbers.
    unsafe { result::memcpy_htod_async(address, &[1f32; 6], other.cu_stream()) }
        .map_err(candle_core::Error::wrap)?;
    let x = Tensor::from_storage(Storage::Cuda(storage), (2, 3), BackpropOp::none(), false);
    println!("{:?}", softmax(&x)?.to_vec2::<f32>()?);
    Ok(())
}
