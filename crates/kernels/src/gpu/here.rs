//! The device that tensors are on, as ops meet it: tensors become buffers, and buffers tensors, without a copy.

#[cfg(not(feature = "cudnn"))]
use super::convolution::Convolution;
use super::launch::{Memory, Storage};
use candle_core::op::BackpropOp;
use candle_core::{DType, Result, Shape, Tensor, bail};

#[cfg(feature = "cuda")]
pub(crate) use super::cuda::{Buffer, Cuda as Here};
// A build with both, which candle allows, has the kernels of CUDA; on Metal ops are composed then.
#[cfg(all(feature = "metal", not(feature = "cuda")))]
pub(crate) use super::metal::{Buffer, Metal as Here};
#[cfg(not(any(feature = "cuda", feature = "metal")))]
pub(crate) use super::nowhere::{Buffer, Nowhere as Here};

impl Here {
    /// Where our kernels run on `x`; None where it is on another device, or neither f32 nor bf16.
    pub(crate) fn of(x: &Tensor) -> Option<Here> {
        Storage::of_type(x.dtype()).and_then(|_| Here::at(x.device()))
    }

    /// The same for a gradient, whose forward pass ran here.
    pub(crate) fn of_gradient(grad: &Tensor) -> Result<Here> {
        match Here::of(grad) {
            Some(here) => Ok(here),
            None => bail!(
                "a gradient in {:?} on {:?}: expected f32 or bf16 where the forward pass ran – run it under composed",
                grad.dtype(),
                grad.device().location()
            ),
        }
    }

    /// The numbers of `x` in row order: its own memory where it has them so, else a copy.
    pub(crate) fn buffer(&self, x: &Tensor) -> Result<Buffer> {
        self.memory(&x.detach().contiguous()?)
    }

    /// The same in f32.
    pub(crate) fn floats_of(&self, x: &Tensor) -> Result<Buffer> {
        self.buffer(&x.detach().to_dtype(DType::F32)?)
    }

    /// The memory of a tensor that a kernel changes.
    pub(crate) fn in_place(&self, x: &Tensor) -> Result<Buffer> {
        if !x.is_contiguous() {
            bail!("an update in place: expected numbers in row order, got strides {:?}", x.stride());
        }
        self.memory(&x.detach())
    }

    /// A convolution by the vendor's library, of the two operands that are given, in their order; None where there is no library or it
    /// does not take this one.
    #[cfg(not(feature = "cudnn"))]
    pub(crate) fn convolve(&self, _: Convolution, _: [&Tensor; 2]) -> Result<Option<Buffer>> {
        Ok(None)
    }

    /// A buffer that was made here, as a tensor without a graph.
    pub(crate) fn tensor(&self, buffer: Buffer, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        if buffer.count() != shape.elem_count() {
            bail!("a kernel's result: expected {shape:?}, got {} numbers", buffer.count());
        }
        Ok(Tensor::from_storage(self.storage(buffer)?, shape, BackpropOp::none(), false))
    }

    /// The same as candle stores it.
    pub(crate) fn storage(&self, buffer: Buffer) -> Result<candle_core::Storage> {
        match buffer.into_storage() {
            Some(storage) => Ok(storage),
            None => bail!("a kernel's result: expected memory of its own, got a tensor's"),
        }
    }
}
