//! The two element types of the kernels, and tensors as slices.

use candle_core::op::BackpropOp;
use candle_core::{DType, Result, Shape, Storage, StorageRef, Tensor, WithDType, bail};
use std::ops::{Deref, Range};

/// f32 or f64.
pub(crate) trait Element: WithDType + gemm_types::Product + bytemuck::Pod {
    fn sqrt(self) -> Self;
    /// Near overflow and underflow f32's is held at the ends.
    fn exp(self) -> Self;
    fn ln(self) -> Self;
    /// (Φ(x), φ(x)) of the standard normal distribution.
    fn normal(self) -> (Self, Self);
}

macro_rules! element {
    ($t:ty, $exp:path, $normal:path) => {
        impl gemm_types::Product for $t {}

        impl Element for $t {
            #[inline]
            fn sqrt(self) -> Self {
                self.sqrt()
            }

            #[inline(always)]
            fn exp(self) -> Self {
                $exp(self)
            }

            #[inline(always)]
            fn ln(self) -> Self {
                self.ln()
            }

            #[inline(always)]
            fn normal(self) -> (Self, Self) {
                $normal(self)
            }
        }
    };
}

element!(f32, crate::cpu::exp::exp, crate::cpu::normal::single);
element!(f64, f64::exp, crate::cpu::normal::double);

mod gemm_types {
    /// A type `gemm` has a kernel for; for others it panics.
    pub trait Product: 'static {}
}

/// The elements of a contiguous CPU tensor, read-locked as long as the view lives.
pub(crate) struct View<'a, T> {
    guard: StorageRef<'a>,
    range: Range<usize>,
    element: std::marker::PhantomData<T>,
}

pub(crate) fn view<T: WithDType>(x: &Tensor) -> Result<View<'_, T>> {
    let (guard, layout) = x.storage_and_layout();
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("kernel operand {:?}: expected a contiguous tensor", x.shape());
    };
    match &*guard {
        Storage::Cpu(storage) => T::cpu_storage_as_slice(storage)?,
        _ => bail!("kernel operand: expected a tensor on the CPU, got {:?}", x.device()),
    };
    Ok(View { guard, range: start..end, element: std::marker::PhantomData })
}

impl<T: WithDType> Deref for View<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        let Storage::Cpu(storage) = &*self.guard else { unreachable!("checked by view") };
        &T::cpu_storage_as_slice(storage).expect("checked by view")[self.range.clone()]
    }
}

/// A tensor without a graph.
pub(crate) fn tensor<T: WithDType>(data: Vec<T>, shape: impl Into<Shape>) -> Tensor {
    Tensor::from_storage(Storage::Cpu(T::to_cpu_storage_owned(data)), shape, BackpropOp::none(), false)
}

/// As f32, where T is.
pub(crate) fn as_f32<T: Element>(x: &[T]) -> Option<&[f32]> {
    // SAFETY: T is f32.
    (T::DTYPE == DType::F32).then(|| unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len()) })
}

/// `run` with T the f32 or f64 of a tensor that [`route`](crate::dispatch::route) let pass.
macro_rules! by_dtype {
    ($dtype:expr, $t:ident => $run:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $t = f32;
                $run
            }
            candle_core::DType::F64 => {
                type $t = f64;
                $run
            }
            other => candle_core::bail!("no kernel on the CPU takes {other:?} – expected f32 or f64"),
        }
    };
}
pub(crate) use by_dtype;
