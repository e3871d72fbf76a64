//! Kernels for GPUs: written once, in a dialect that becomes CUDA, Metal, or C++ for the host, and launched by code that knows
//! no backend. A backend is one implementation of [`Device`]: `cuda/` is candle's CUDA device, `metal/` its Metal device. Ops see
//! it as `here::Here`, which in a build without a backend is nowhere. Kernels are run in `tests/gpu`, by an emulation on the host,
//! and in `tests/cuda` through candle's device, on a stand-in for the driver.
//!
//! A [`Source`] is one file of the dialect, beside the op that it belongs to; [`Source::text`] is what a compiler gets. What
//! the dialect has stands in `cuda.h`, `metal.h` and the host's header in the tests, line by line; `common.h` is built on it:
//!
//! | word | meaning |
//! |---|---|
//! | `KERNEL(name, …)` | a kernel; `IN`, `OUT` (written whole), `INOUT` of `T`, `f32`, `u32`, `u8`; `INS`, `INOUTS`: up to [`LIST`] of them; `UINT`, `FLOAT` |
//! | `T` | the type that values are stored in, [`Storage`]; arithmetic is in f32 |
//! | `LOAD(x, i)`, `STORE(y, i, v)` | the only ways to memory outside the group |
//! | `SHARED(type, name, count)`, `SHARED_OF(type)` | memory of a group; such memory as a parameter |
//! | `BARRIER()` | every thread of a group, or none |
//! | `THREAD`, `THREADS`, `GROUP`, `GROUP_Y`, `GROUPS` | where a thread is, in a kernel (not in a function) |
//!
//! No thread reads what another wrote, but through `SHARED` and behind a barrier, and no number is written by two: sums are trees
//! of a fixed shape, so that a result has the same bits however threads are ordered.

mod convolution;
#[cfg(feature = "cuda")]
pub mod cuda;
#[cfg(feature = "cudnn")]
pub mod cudnn;
mod here;
#[cfg(any(test, feature = "cuda", feature = "metal"))]
mod kept;
mod launch;
#[cfg(any(feature = "cuda", feature = "metal"))]
mod memory;
#[cfg(all(feature = "metal", not(feature = "cuda")))]
mod metal;
#[cfg(not(any(feature = "cuda", feature = "metal")))]
mod nowhere;
mod slots;
mod source;
mod target;

pub(crate) use here::{Buffer, Here};

pub(crate) use convolution::tf32_is_allowed;
pub use convolution::{Convolution, Pass, allow_tf32};
pub use launch::{Argument, Device, Kind, Launch, Memory, Of, Storage, groups, size, sizes};
pub use slots::{Bound, SLOTS, Slot, Slots};
pub use source::{Access, Element, Form, LIST, Parameter, Signature, Source};
pub use target::Target;

/// The arguments of a launch, in the order of the kernel: buffers by reference, u32, f32, [`Argument::List`].
macro_rules! arguments {
    ($($argument:expr),* $(,)?) => { vec![$($crate::gpu::Argument::from($argument)),*] };
}
pub(crate) use arguments;
