//! Which files there are, and the versions that they tell.

use crate::Library;
use crate::open::{Handle, file, open, soname};
use crate::table::LIBRARIES;
use std::ffi::{CStr, c_int, c_void};

/// Those that this build calls. Opens them.
pub fn libraries() -> Vec<Library> {
    called().map(library).collect()
}

/// Indices of those that this build calls.
pub fn called() -> impl Iterator<Item = usize> {
    (0..LIBRARIES.len()).filter(|library| LIBRARIES[*library].key != "cudnn" || cfg!(feature = "cudnn"))
}

fn library(library: usize) -> Library {
    let (name, symbol) = (LIBRARIES[library].name, versioned(library));
    let file = open(library).map_err(str::to_owned).map(|handle| {
        let at = file(handle.function(symbol)).unwrap_or_else(|| soname(library).into());
        (at, version(library, handle, symbol))
    });
    Library { name, soname: soname(library), file }
}

/// The function of a library that tells its version.
fn versioned(library: usize) -> &'static CStr {
    match LIBRARIES[library].key {
        "cuda" => c"cuDriverGetVersion",
        "cublas" => c"cublasGetProperty",
        "cublasLt" => c"cublasLtGetProperty",
        "curand" => c"curandGetProperty",
        "nvrtc" => c"nvrtcVersion",
        _ => c"cudnnGetProperty",
    }
}

fn version(library: usize, handle: Handle, symbol: &CStr) -> Option<String> {
    let function = handle.function(symbol);
    match LIBRARIES[library].key {
        // The newest CUDA that it runs: `13000`.
        "cuda" => number(function).map(cuda),
        "nvrtc" => pair(function).map(|(major, minor)| format!("{major}.{minor}")),
        _ => {
            let parts: Option<Vec<String>> =
                (0..3).map(|part| property(function, part).map(|n| n.to_string())).collect();
            parts.map(|parts| parts.join("."))
        }
    }
}

/// `13000` → `13.0`
pub fn cuda(number: c_int) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

/// `f(&mut number)`, where it succeeds.
pub fn number(function: *const c_void) -> Option<c_int> {
    if function.is_null() {
        return None;
    }
    // SAFETY: the signature of `cuDriverGetVersion` and `cuDeviceGetCount`.
    let function: unsafe extern "C" fn(*mut c_int) -> c_int = unsafe { std::mem::transmute(function) };
    let mut number = 0;
    // SAFETY: as above.
    (unsafe { function(&raw mut number) } == 0).then_some(number)
}

fn pair(function: *const c_void) -> Option<(c_int, c_int)> {
    if function.is_null() {
        return None;
    }
    // SAFETY: the signature of `nvrtcVersion`.
    let function: unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int =
        unsafe { std::mem::transmute(function) };
    let (mut major, mut minor) = (0, 0);
    // SAFETY: as above.
    (unsafe { function(&raw mut major, &raw mut minor) } == 0).then_some((major, minor))
}

/// Major (0), minor (1) or patch (2).
fn property(function: *const c_void, part: c_int) -> Option<c_int> {
    if function.is_null() {
        return None;
    }
    // SAFETY: the signature of `cublasGetProperty` and its like.
    let function: unsafe extern "C" fn(c_int, *mut c_int) -> c_int = unsafe { std::mem::transmute(function) };
    let mut number = 0;
    // SAFETY: as above.
    (unsafe { function(part, &raw mut number) } == 0).then_some(number)
}
