//! NVIDIA's libraries, opened at the first call of one of their functions: a program that is linked with this crate
//! (`use tallow_cuda as _;`) starts where there is none of them.
//!
//! cudarc and candle's kernels call functions of libcuda, libcublas and so on by name. Here each of these names is a trampoline, which
//! finds its library and function at the first call and from then on jumps there. A function that is not found answers a status of its
//! library: [`ready`] says before that what is missing. [`libraries`] says which files there are.
//!
//! On Linux, x86-64 and aarch64. Elsewhere the libraries are linked as ever: [`libraries`] is empty, and [`ready`] says nothing.

#[cfg(lazy)]
mod answers;
#[cfg(lazy)]
mod found;
mod obstacle;
#[cfg(lazy)]
mod open;
#[cfg(lazy)]
mod search;
#[cfg(lazy)]
mod table;

pub use obstacle::{Absent, Obstacle};
#[cfg(lazy)]
pub use {found::libraries, obstacle::ready, search::PLACES};

use std::path::PathBuf;

/// The environment variable that names folders, divided by colons, which are searched before any other.
pub const VARIABLE: &str = "TALLOW_CUDA_LIBRARIES";

/// A library that this build calls, and what was found of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// `cuBLAS`
    pub name: &'static str,
    /// `libcublas.so.13`
    pub soname: String,
    /// The file, and its version where it says one, such as `13.0.2`; or why there is none.
    pub file: Result<(PathBuf, Option<String>), String>,
}

/// Where the program's linker opens the libraries, none is known.
#[cfg(not(lazy))]
pub fn libraries() -> Vec<Library> {
    Vec::new()
}

/// Where the program's linker opens the libraries, they are there.
///
/// # Errors
/// None.
#[cfg(not(lazy))]
pub fn ready(_ordinal: usize) -> Result<(), Obstacle> {
    Ok(())
}
