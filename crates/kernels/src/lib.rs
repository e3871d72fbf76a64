//! The training ops that candle lacks, gets wrong or does slowly.
//!
//! An op is one contract with several implementations: a kernel for f32 and f64 on the CPU, room for one on GPUs, and a
//! composition of candle's ops, which runs wherever there is no kernel, and under [`composed`]. Other types are an error on the
//! CPU. Kernels run on rayon's current pool, and no bit of a result depends on its number of threads. Where no operand is
//! tracked no graph is built.

mod cpu;
mod dispatch;
mod graph;
mod ops;

pub use dispatch::{composed, count_kernels};
pub use graph::record;
pub use graph::{Gradients, backward};
pub use ops::*;
