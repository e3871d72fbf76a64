//! Libraries that are open, and the functions in them.

use crate::answers::instead;
use crate::search::candidates;
use crate::table::LIBRARIES;
use std::ffi::{CStr, CString, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The record of a trampoline, as `assembly.rs` writes it.
#[repr(C)]
struct Function {
    /// Where the trampoline jumps; null until it is found.
    found: AtomicPtr<c_void>,
    name: *const c_char,
    library: u32,
    answer: u32,
}

/// Of an open library.
#[derive(Clone, Copy)]
pub struct Handle(*mut c_void);

// SAFETY: a handle of `dlopen` is good in every thread, and is never closed.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

static OPENED: [OnceLock<Result<Handle, String>>; LIBRARIES.len()] =
    [const { OnceLock::new() }; LIBRARIES.len()];

/// `libcublas.so.13`
pub fn soname(library: usize) -> String {
    let major: u32 = env!("TALLOW_CUDA_MAJOR").parse().expect("a number, by build.rs");
    let library = &LIBRARIES[library];
    format!("lib{}.so.{}", library.key, library.version.unwrap_or(major))
}

/// The library, opened at the first call; else why not, the same at every call.
///
/// # Errors
/// It is in no place that is searched, or does not open.
pub fn open(library: usize) -> Result<Handle, &'static str> {
    let opened = OPENED[library].get_or_init(|| {
        // What it needs is found by the same order: by itself a library finds only what lies beside it, or is open.
        for other in LIBRARIES[library].needs {
            let _ = open(*other);
        }
        first_that_opens(&soname(library), LIBRARIES[library].beside)
    });
    opened.as_ref().copied().map_err(String::as_str)
}

fn first_that_opens(soname: &str, beside: Option<&str>) -> Result<Handle, String> {
    let mut refused = None;
    for path in candidates(soname, &|name| std::env::var_os(name)) {
        for file in beside.into_iter().flat_map(|start| files_beside(&path, start)) {
            // The loader takes an open library of that name for it.
            let _ = dlopen(&file);
        }
        match dlopen(&path) {
            Ok(handle) => return Ok(handle),
            // That the loader knows none is what it says of the bare name.
            Err(why) if why.starts_with(&format!("{soname}: cannot open shared object file")) => {}
            // The first file that is there and does not open.
            Err(why) => _ = refused.get_or_insert(why),
        }
    }
    Err(refused.unwrap_or_else(|| format!("{soname} was not found")))
}

/// None beside a bare name: the loader finds those by itself.
fn files_beside(path: &Path, start: &str) -> Vec<PathBuf> {
    let folder = path.parent().filter(|folder| folder.is_absolute());
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let is_it =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start));
    entries.map(|entry| entry.path()).filter(is_it).collect()
}

fn dlopen(path: &Path) -> Result<Handle, String> {
    let name =
        CString::new(path.as_os_str().as_bytes()).map_err(|_| "a name with a zero in it".to_owned())?;
    // SAFETY: a library's constructors run, as when the program's linker opens it.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if handle.is_null() { Err(last_error()) } else { Ok(Handle(handle)) }
}

fn last_error() -> String {
    // SAFETY: the text is the thread's own until its next call of these functions.
    let text = unsafe {
        let text = libc::dlerror();
        (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
    };
    text.unwrap_or_else(|| "it does not open".to_owned())
}

impl Handle {
    /// The function of that name; null where the library lacks it.
    pub fn function(self, name: &CStr) -> *mut c_void {
        // SAFETY: the handle is of `dlopen`.
        unsafe { libc::dlsym(self.0, name.as_ptr()) }
    }
}

/// The file that a function is in.
pub fn file(function: *const c_void) -> Option<PathBuf> {
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: `dladdr` writes what it found, and answers 0 where it found nothing.
    let info = unsafe {
        if libc::dladdr(function, info.as_mut_ptr()) == 0 {
            return None;
        }
        info.assume_init()
    };
    if info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the name belongs to the library, which stays open.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    Some(Path::new(std::ffi::OsStr::from_bytes(name.to_bytes())).to_owned())
}

/// What a trampoline jumps to whose record is empty.
///
/// # Safety
/// Trampolines alone call it, with their records.
#[unsafe(no_mangle)]
unsafe extern "C" fn tallow_cuda_resolve(function: &'static Function) -> *const c_void {
    let library = function.library as usize;
    // SAFETY: a text of the record.
    let name = unsafe { CStr::from_ptr(function.name) };
    let opened = open(library);
    match opened.map(|handle| handle.function(name)) {
        Ok(found) if !found.is_null() => {
            function.found.store(found, Ordering::Release);
            found
        }
        _ => instead(library, name, function.answer, opened.is_ok()),
    }
}
