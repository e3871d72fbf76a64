//! Memory of candle's devices, alike on all of them.

use candle_core::backend::BackendDevice;
use candle_core::{DType, Result, Shape, WithDType};

/// Memory with nothing in it yet; of one number at least, as no device gives memory of no size.
pub(super) fn empty<D: BackendDevice>(device: &D, dtype: DType, count: usize) -> Result<D::Storage> {
    // SAFETY: kernels write every number of what is empty before one is read.
    unsafe { device.alloc_uninit(&Shape::from(count.max(1)), dtype) }
}

/// Numbers of the host's.
pub(super) fn of<D: BackendDevice, T: WithDType>(device: &D, numbers: &[T]) -> Result<D::Storage> {
    if numbers.is_empty() { empty(device, T::DTYPE, 0) } else { device.storage_from_slice(numbers) }
}
