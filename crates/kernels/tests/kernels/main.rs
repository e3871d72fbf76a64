//! The kernels, tested from outside: each op alone (`ops`), together (`graph`), against PyTorch (`goldens`).

mod goldens;
mod graph;
mod ops;
mod support;
