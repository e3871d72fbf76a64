//! The kernels, tested from outside: each op alone (`ops`, `sequences`), together (`graph`), against PyTorch (`goldens`).

mod goldens;
mod graph;
mod ops;
mod paste;
mod sequences;
mod support;
