//! The two element types of the kernels, and tensors as slices of them.

use candle_core::{CpuStorage, DType, Result, Storage, StorageRef, Tensor, WithDType, bail};
use std::ops::{Deref, Range};

/// f32 or f64.
pub(crate) trait Element: WithDType + gemm_types::Product {
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

element!(f32, crate::exp::exp, crate::normal::single);
element!(f64, f64::exp, crate::normal::double);

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

pub(crate) fn view<T: Element>(x: &Tensor) -> Result<View<'_, T>> {
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

impl<T: Element> Deref for View<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        let Storage::Cpu(storage) = &*self.guard else { unreachable!("checked by view") };
        &T::cpu_storage_as_slice(storage).expect("checked by view")[self.range.clone()]
    }
}

/// A tensor without a graph.
pub(crate) fn tensor<T: Element>(data: Vec<T>, shape: impl Into<candle_core::Shape>) -> Tensor {
    let storage: CpuStorage = T::to_cpu_storage_owned(data);
    Tensor::from_storage(Storage::Cpu(storage), shape, candle_core::op::BackpropOp::none(), false)
}

/// As f32, where T is.
pub(crate) fn as_f32<T: Element>(x: &[T]) -> Option<&[f32]> {
    // SAFETY: T is f32.
    (T::DTYPE == DType::F32).then(|| unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len()) })
}

/// All of `others` have the type of `x`.
pub(crate) fn same_dtype(op: &str, x: &Tensor, others: &[&Tensor]) -> Result<DType> {
    for other in others {
        if other.dtype() != x.dtype() {
            bail!(
                "{op}: expected one type, got {:?} and {:?} – cast one with to_dtype",
                x.dtype(),
                other.dtype()
            );
        }
    }
    Ok(x.dtype())
}

/// `f::<f32>(…)` or `f::<f64>(…)`, by the type of a tensor.
macro_rules! by_dtype {
    ($dtype:expr, $f:ident $(:: $g:ident)* ($($arg:expr),* $(,)?)) => {
        match $dtype {
            candle_core::DType::F32 => $f $(:: $g)* ::<f32>($($arg),*),
            _ => $f $(:: $g)* ::<f64>($($arg),*),
        }
    };
}
pub(crate) use by_dtype;
