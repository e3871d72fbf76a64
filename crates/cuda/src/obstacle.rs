//! Why a GPU does not open, in words.

use crate::VARIABLE;
use std::fmt;

/// What is in the way of a GPU: thing – remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Why the driver's library does not open.
    NoDriver(String),
    /// The driver runs programs of an older CUDA alone than this build's, whose kernels it would not translate.
    OldDriver { newest: String, built: String },
    /// The driver answers, and sees none.
    NoGpu,
    /// It sees so many, and this one is not among them.
    OnlySoMany(usize),
    /// The driver does not start: its status, and what it says of that.
    Refused { status: i32, said: String },
    /// Libraries of the toolkit that do not open.
    NoLibrary(Vec<Absent>),
}

/// A library of the toolkit that does not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    /// `cuBLAS`
    pub name: &'static str,
    /// `libcublas.so.13 was not found`, or what the loader says of a file.
    pub why: String,
    /// The package of PyPI that has it.
    pub wheel: String,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Obstacle::NoDriver(why) => {
                write!(f, "no NVIDIA driver: {why} – install the driver, or name its folder in {VARIABLE}")
            }
            Obstacle::OldDriver { newest, built } => write!(
                f,
                "the NVIDIA driver runs CUDA up to {newest}, this build is for CUDA {built} – install a newer driver"
            ),
            Obstacle::NoGpu => {
                write!(f, "the NVIDIA driver sees no GPU – look at `nvidia-smi -L` and CUDA_VISIBLE_DEVICES")
            }
            Obstacle::OnlySoMany(count) => {
                write!(
                    f,
                    "the NVIDIA driver sees {count} GPU{}, counted from 0 – look at `nvidia-smi -L` and CUDA_VISIBLE_DEVICES",
                    if *count == 1 { "" } else { "s" }
                )
            }
            Obstacle::Refused { status, said } => {
                write!(f, "the NVIDIA driver does not start: {said} ({status}) – look at `nvidia-smi`")
            }
            Obstacle::NoLibrary(absent) => {
                let names: Vec<&str> = absent.iter().map(|library| library.name).collect();
                let mut whys: Vec<&str> = absent.iter().map(|library| &library.why[..]).collect();
                let mut wheels: Vec<&str> = absent.iter().map(|library| &library.wheel[..]).collect();
                // cuBLAS and cuBLASLt are one wheel; what needs a missing one repeats its reason.
                let mut seen = std::collections::BTreeSet::new();
                whys.retain(|why| seen.insert(*why));
                wheels.dedup();
                write!(
                    f,
                    "no {} of the CUDA toolkit: {} – install the toolkit or `pip install {}`, or name their folders in {VARIABLE}",
                    names.join(", "),
                    whys.join(", "),
                    wheels.join(" ")
                )
            }
        }
    }
}

/// That GPU's driver starts, and all libraries that this build calls open.
///
/// # Errors
/// The first obstacle: driver, GPU, libraries of the toolkit.
#[cfg(lazy)]
pub fn ready(ordinal: usize) -> Result<(), Obstacle> {
    use crate::found::{called, cuda, number};
    use crate::open::open;
    use crate::table::{DRIVER, LIBRARIES};
    let built: u32 = env!("TALLOW_CUDA_MAJOR").parse().expect("a number, by build.rs");
    let version: i32 = env!("TALLOW_CUDA_VERSION").parse().expect("a number, by build.rs");
    let driver = open(DRIVER).map_err(|why| Obstacle::NoDriver(why.to_owned()))?;
    match number(driver.function(c"cuDriverGetVersion")) {
        Some(newest) if newest < version => {
            return Err(Obstacle::OldDriver { newest: cuda(newest), built: cuda(version) });
        }
        _ => {}
    }
    start(driver)?;
    match number(driver.function(c"cuDeviceGetCount")).unwrap_or(0) as usize {
        0 => return Err(Obstacle::NoGpu),
        count if count <= ordinal => return Err(Obstacle::OnlySoMany(count)),
        _ => {}
    }
    let absent = |library: usize| {
        let why = open(library).err()?.to_owned();
        // From CUDA 13 on only packages that are no part of it bear its number.
        let wheel = LIBRARIES[library].wheel;
        let wheel = if built >= 13 && LIBRARIES[library].key != "cudnn" {
            wheel.to_owned()
        } else {
            format!("{wheel}-cu{built}")
        };
        Some(Absent { name: LIBRARIES[library].name, why, wheel })
    };
    let absent: Vec<Absent> = called().filter_map(absent).collect();
    if absent.is_empty() { Ok(()) } else { Err(Obstacle::NoLibrary(absent)) }
}

/// `cuInit`
#[cfg(lazy)]
fn start(driver: crate::open::Handle) -> Result<(), Obstacle> {
    use std::ffi::{CStr, c_char, c_int, c_uint};
    const NO_DEVICE: c_int = 100;
    let init = driver.function(c"cuInit");
    if init.is_null() {
        return Err(Obstacle::NoDriver("its libcuda.so.1 has no cuInit".into()));
    }
    // SAFETY: its signature.
    let status = unsafe {
        let init: unsafe extern "C" fn(c_uint) -> c_int = std::mem::transmute(init);
        init(0)
    };
    if status == 0 {
        return Ok(());
    }
    if status == NO_DEVICE {
        return Err(Obstacle::NoGpu);
    }
    let mut said = "its status".to_owned();
    let describe = driver.function(c"cuGetErrorString");
    if !describe.is_null() {
        let mut text: *const c_char = std::ptr::null();
        // SAFETY: its signature; the text it points to is constant.
        unsafe {
            let describe: unsafe extern "C" fn(c_int, *mut *const c_char) -> c_int =
                std::mem::transmute(describe);
            if describe(status, &raw mut text) == 0 && !text.is_null() {
                said = CStr::from_ptr(text).to_string_lossy().into_owned();
            }
        }
    }
    Err(Obstacle::Refused { status, said })
}
