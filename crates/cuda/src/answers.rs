//! What a function answers that is not there. cudarc reads statuses as Rust enums: every number is one of its library's.

use crate::table::{LIBRARIES, NOTHING, NUMBER, STATUS, TEXT};
use std::ffi::{CStr, c_char, c_int, c_void};

/// Of each library: the status where it was not found, and that where it lacks the function.
const STATUSES: [[Function; 2]; LIBRARIES.len()] = [
    // CUDA_ERROR_STUB_LIBRARY, CUDA_ERROR_NOT_SUPPORTED
    [status::<34>, status::<801>],
    // CUBLAS_STATUS_NOT_INITIALIZED, CUBLAS_STATUS_NOT_SUPPORTED
    [status::<1>, status::<15>],
    [status::<1>, status::<15>],
    // CURAND_STATUS_INITIALIZATION_FAILED, CURAND_STATUS_INTERNAL_ERROR
    [status::<203>, status::<999>],
    // NVRTC_ERROR_INTERNAL_ERROR
    [status::<11>, status::<11>],
    // CUDNN_STATUS_NOT_INITIALIZED, CUDNN_STATUS_NOT_SUPPORTED
    [status::<1001>, status::<3000>],
];

type Function = extern "C" fn() -> c_int;

/// The function that answers for one that is not there: its library or function was not found, or lacks it.
pub fn instead(library: usize, name: &CStr, answer: u32, is_found: bool) -> *const c_void {
    match (answer, name.to_bytes()) {
        (NUMBER, _) => zero as *const c_void,
        (TEXT, _) => text as *const c_void,
        (_, b"cudnnGetLastErrorString") => into_buffer as *const c_void,
        (NOTHING, _) => nothing as *const c_void,
        // What candle asks for when it tells of an error.
        (STATUS, b"cuGetErrorString" | b"cuGetErrorName") => into_pointer as *const c_void,
        _ => STATUSES[library][usize::from(is_found)] as *const c_void,
    }
}

const MESSAGE: &CStr = c"no text for a status: its library or function was not found";

extern "C" fn status<const NUMBER: c_int>() -> c_int {
    NUMBER
}

extern "C" fn zero() -> usize {
    0
}

extern "C" fn text() -> *const c_char {
    MESSAGE.as_ptr()
}

extern "C" fn nothing() {}

/// `cudnnGetLastErrorString(message, size)`
unsafe extern "C" fn into_buffer(buffer: *mut c_char, size: usize) {
    if !buffer.is_null() && size > 0 {
        // SAFETY: the caller's buffer has `size` bytes.
        unsafe { buffer.write(0) };
    }
}

/// `cuGetErrorString(error, &mut text)`
unsafe extern "C" fn into_pointer(_error: c_int, pointer: *mut *const c_char) -> c_int {
    if !pointer.is_null() {
        // SAFETY: the caller's pointer may be written.
        unsafe { pointer.write(MESSAGE.as_ptr()) };
    }
    0
}
