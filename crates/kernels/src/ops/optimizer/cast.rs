//! Copies of parameters in another type, brought up to date.

use super::gpu;
use crate::dispatch::{Route, kernel_ran, route};
use crate::gpu::Here;
use candle_core::{DType, Result, Tensor, Var, bail};

/// copy = value in the copy's type, for each (copy, value); on a GPU with kernels of ours a launch takes several of them.
///
/// # Errors
/// Fails on operands of two shapes.
pub fn cast_updates(tensors: &[(&Var, &Tensor)]) -> Result<()> {
    if let Some((copy, value)) = tensors.iter().find(|(copy, value)| copy.dims() != value.dims()) {
        bail!("cast_updates: expected shapes alike, got {:?} and {:?}", copy.shape(), value.shape());
    }
    let Some((copy, value)) = tensors.first() else { return Ok(()) };
    let on_gpu = route("cast_updates", &[value])? == Route::Gpu;
    let alike = |(other, value): &(&Var, &Tensor)| {
        other.dtype() == copy.dtype()
            && value.dtype() == DType::F32
            && other.is_contiguous()
            && [other.device(), value.device()].iter().all(|device| device.same_device(copy.device()))
    };
    match Here::of(copy).filter(|_| on_gpu && tensors.iter().all(alike)) {
        Some(here) => {
            kernel_ran();
            let row = |(copy, value): &(&Var, &Tensor)| Ok([here.buffer(value)?, here.in_place(copy)?]);
            let rows = tensors.iter().map(row).collect::<Result<Vec<_>>>()?;
            gpu::cast(&here, &rows.iter().map(|row| row.each_ref()).collect::<Vec<_>>())
        }
        None => {
            tensors.iter().try_for_each(|(copy, value)| copy.set(&value.detach().to_dtype(copy.dtype())?))
        }
    }
}
