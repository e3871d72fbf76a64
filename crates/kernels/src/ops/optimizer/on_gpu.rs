//! Updates of all tensors of a list on the GPU that they are on: one launch for several of them.

use super::{AdamW, Sgd, check, gpu};
use crate::dispatch::{Route, kernel_ran, route};
use crate::gpu::{Buffer, Here};
use candle_core::{DType, Result, Tensor};

/// Of each row the second is read, the others are changed.
const READ: usize = 1;

/// Where kernels of ours update all of them: f32 in row order, on one device; what is read may be bf16. Operands that do not fit are an
/// error.
pub(super) fn here<const N: usize>(op: &str, rows: &[[&Tensor; N]]) -> Result<Option<Here>> {
    if rows.first().is_none_or(|row| row[0].device().is_cpu()) {
        return Ok(None);
    }
    let mut all = true;
    for row in rows {
        let changed = || row.iter().enumerate().filter(|(k, _)| *k != READ).map(|(_, x)| *x);
        let others: Vec<&Tensor> =
            if in_bf16(row[0], row[READ]) { changed().skip(1).collect() } else { row[1..].to_vec() };
        all &= check(op, row[0], &others)? == Route::Gpu
            && row[0].dtype() == DType::F32
            && row[0].device().same_device(rows[0][0].device())
            && changed().all(|x| x.is_contiguous());
    }
    Ok(if all { Here::of(rows[0][0]) } else { None })
}

/// Whether what is read fits, but for its type, which is bf16.
fn in_bf16(changed: &Tensor, read: &Tensor) -> bool {
    let types = (changed.dtype(), read.dtype()) == (DType::F32, DType::BF16);
    types && changed.dims() == read.dims() && changed.device().same_device(read.device())
}

fn buffers<const N: usize>(here: &Here, rows: &[[&Tensor; N]]) -> Result<Vec<Vec<Buffer>>> {
    let buffer = |(k, x): (usize, &&Tensor)| if k == READ { here.buffer(x) } else { here.in_place(x) };
    rows.iter().map(|row| row.iter().enumerate().map(buffer).collect()).collect()
}

fn borrowed<const N: usize>(rows: &[Vec<Buffer>]) -> Vec<[&Buffer; N]> {
    rows.iter().map(|row| std::array::from_fn(|k| &row[k])).collect()
}

pub(super) fn sgd(here: &Here, rows: &[[&Tensor; 3]], options: Sgd) -> Result<()> {
    kernel_ran();
    gpu::sgd(here, &borrowed(&buffers(here, rows)?), options)
}

pub(super) fn adamw(here: &Here, rows: &[[&Tensor; 4]], options: AdamW) -> Result<()> {
    kernel_ran();
    gpu::adamw(here, &borrowed(&buffers(here, rows)?), options)
}

pub(super) fn ema(here: &Here, rows: &[[&Tensor; 2]], decay: f64) -> Result<()> {
    kernel_ran();
    gpu::ema(here, &borrowed(&buffers(here, rows)?), decay)
}

/// Where kernels of ours take all gradients: on one GPU.
fn here_of(op: &str, grads: &[&Tensor]) -> Result<Option<Here>> {
    let Some(first) = grads.first().filter(|first| !first.device().is_cpu()) else { return Ok(None) };
    for grad in grads {
        let here = grad.device().same_device(first.device()) && Here::of(grad).is_some();
        if !here || route(op, &[grad])? != Route::Gpu {
            return Ok(None);
        }
    }
    Ok(Here::of(first))
}

/// √(Σ of all squares), a scalar in f32, where all gradients are on one GPU.
pub(super) fn norm(grads: &[&Tensor]) -> Result<Option<Tensor>> {
    let Some(here) = here_of("grad_norm", grads)? else { return Ok(None) };
    kernel_ran();
    let buffers = grads.iter().map(|grad| here.buffer(grad)).collect::<Result<Vec<_>>>()?;
    let norm = gpu::norm(&here, &buffers.iter().collect::<Vec<_>>())?;
    Ok(Some(here.tensor(norm, ())?))
}

/// Whether gradients were cut to a norm of `most` here, in place.
pub(super) fn clip(grads: &mut [&mut Tensor], most: f64) -> Result<bool> {
    let all: Vec<&Tensor> = grads.iter().map(|grad| &**grad).collect();
    let Some(here) = here_of("clip_grads", &all)? else { return Ok(false) };
    kernel_ran();
    for grad in grads.iter_mut().filter(|grad| !grad.is_contiguous()) {
        **grad = grad.detach().contiguous()?;
    }
    let buffers = grads.iter().map(|grad| here.in_place(grad)).collect::<Result<Vec<_>>>()?;
    let buffers: Vec<&Buffer> = buffers.iter().collect();
    let norm = gpu::norm(&here, &buffers)?;
    gpu::clip(&here, &buffers, &norm, most)?;
    Ok(true)
}
