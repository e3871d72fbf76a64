//! The kernels, tested from outside: each op alone (`ops`, `sequences`), together (`graph`), against PyTorch (`goldens`).

#[path = "../../../../tests/golden/device.rs"]
mod device;
mod goldens;
mod graph;
mod ops;
mod paste;
mod sequences;
mod support;
