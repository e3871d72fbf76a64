//! The allocator of both programs: mimalloc, told to keep the memory that a step frees.
//!
//! candle allocates every tensor anew. Given back to the system between steps, those pages would be zeroed and mapped
//! again: 10 to 20 % of a training step on a CPU.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc 2 and 3, which the bindings do not name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Keeps freed memory for the next step; `MIMALLOC_PURGE_DELAY` (milliseconds) wins.
pub fn keep_memory() {
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
        // SAFETY: sets a number inside the allocator; −1 is its value for "never".
        unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) };
    }
}
