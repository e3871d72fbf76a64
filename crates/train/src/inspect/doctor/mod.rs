//! What a machine has for a training, how fast it is, and what a recipe waits for on it: `tallow doctor`.

mod disk;
mod gpu;
mod hardware;
mod recipe;

pub use disk::Disk;
pub use gpu::{Gpus, Library};
pub use hardware::Hardware;
pub use recipe::{RecipePace, Waits};

use super::bench::{Machine, machine};
use serde::Serialize;
use std::path::Path;

/// A side of the pictures whose decoding is timed, as dermoscopic images have them.
const JPEG: (u32, u32) = (600, 450);

/// How fast a machine is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Speed {
    /// f32 matrix products, all threads: 10⁹ operations a second.
    pub gflops: f64,
    /// Copies beyond the caches: 10⁹ bytes a second.
    pub gb_per_second: f64,
    /// JPEGs of 600 × 450 pixels, all threads.
    pub jpegs_per_second: f64,
}

/// Takes two seconds, and 400 MB while it runs.
///
/// # Errors
/// None that is known: those of the encoder.
pub fn speed() -> crate::Result<Speed> {
    let Machine { gflops, gb_per_second } = machine();
    let (width, height) = JPEG;
    Ok(Speed { gflops, gb_per_second, jpegs_per_second: tallow_data::jpegs_per_second(width, height)? })
}

/// Something to be done, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Complaint {
    pub what: String,
    pub remedy: String,
}

/// What is in the way of a training on this machine.
pub fn complaints(hardware: &Hardware, gpus: &Gpus, disk: &Disk, place: &Path) -> Vec<Complaint> {
    let complaint = |what: String, remedy: &str| Complaint { what, remedy: remedy.to_owned() };
    let mut found = Vec::new();
    if cfg!(target_arch = "x86_64") && hardware.loops == tallow_kernels::PORTABLE {
        found.push(complaint(
            "the processor has no AVX2 with FMA, or a virtual machine hides it: kernels are several times slower".into(),
            "choose another processor type of the virtual machine (host-passthrough)",
        ));
    }
    if hardware.threads < hardware.cores {
        let (threads, cores) = (hardware.threads, hardware.cores);
        found.push(complaint(
            format!("{threads} of {cores} cores compute"),
            "unset RAYON_NUM_THREADS, or set it to their number",
        ));
    }
    if let Some(bytes) = hardware.available.filter(|bytes| *bytes < 2 << 30) {
        found.push(complaint(
            format!("{} MiB of memory are free", bytes >> 20),
            "end other programs, or train with a smaller data.batch",
        ));
    }
    if let Some(bytes) = disk.free.filter(|bytes| *bytes < 1 << 30) {
        found.push(complaint(
            format!("{} MiB are free in {}", bytes >> 20, place.display()),
            "make room: a checkpoint of ResNet-50 with its optimizer takes 200 MiB, and two are kept",
        ));
    }
    if let Some(problem) = &disk.problem {
        found.push(complaint(
            format!("{} cannot be written: {problem}", place.display()),
            "work in a folder that you may write to, or name one with --out",
        ));
    }
    found.extend(gpus.complaint());
    found
}
