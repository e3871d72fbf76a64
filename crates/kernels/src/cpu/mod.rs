//! What kernels on the CPU share: element types, tasks and their memory, vector code, sums, products. No op lives here, and
//! nothing here knows of graphs.

pub(crate) mod element;
mod exp;
mod normal;
pub(crate) mod panels;
pub(crate) mod parallel;
pub(crate) mod planes;
pub(crate) mod pointwise;
pub(crate) mod rows;
pub(crate) mod simd;
