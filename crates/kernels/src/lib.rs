//! The training ops that candle lacks, gets wrong or does slowly.
//!
//! An op is one contract with several implementations: a kernel for f32 and f64 on the CPU, for many one on CUDA and Metal, and
//! a composition of candle's ops, which runs wherever there is no kernel, and under [`composed`]. Other types are an error on the
//! CPU. Kernels run on rayon's current pool, and no bit of a result depends on its number of threads. Where no operand is
//! tracked no graph is built.
//!
//! ```
//! use candle_core::{Device, Tensor, Var};
//! use tallow_kernels::{backward, linear, relu, soft_cross_entropy};
//!
//! let values = Tensor::new(&[[1f32, 2.0], [3.0, -1.0]], &Device::Cpu)?;
//! let targets = Tensor::new(&[[0.7f32, 0.3], [0.0, 1.0]], &Device::Cpu)?; // soft labels
//! let weight = Var::new(&[[0.5f32, -0.2], [0.1, 0.3]], &Device::Cpu)?;
//! let logits = linear(&relu(&values)?, &weight, None)?;
//! let loss = soft_cross_entropy(&logits, &targets, None)?;
//! let gradients = backward(loss)?;
//! assert_eq!(gradients.get(&weight).expect("reached").dims(), [2, 2]);
//! # Ok::<(), candle_core::Error>(())
//! ```
//!
//! candle's own `backward` stops at these ops with an error; [`backward`] walks graphs of both, and
//! [`Gradients::into_grad_store`] hands its result to candle's optimizers.

mod autorelease;
mod copy;
mod cpu;
mod dispatch;
#[doc(hidden)]
pub mod gpu;
mod graph;
mod ops;
mod shards;

// Linked for its trampolines, which candle calls.
#[cfg(feature = "cuda")]
use tallow_cuda as _;

pub use autorelease::autoreleasepool;
pub use copy::copy;
pub use cpu::simd::{PORTABLE, vector_code};
pub use dispatch::{composed, count_kernels};
pub use gpu::allow_tf32;
pub use graph::record;
pub use graph::{Gradients, backward};
pub use ops::*;
pub use shards::{Bytes, Shard, in_shard, keeps_statistics};
