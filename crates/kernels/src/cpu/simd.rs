//! Loops compiled for several instruction sets, one of them chosen when the program runs.

/// `f()`, its loops compiled for AVX-512, AVX2 with FMA, or the build's own target (NEON is part of every aarch64).
/// `f` and what it calls have to be `#[inline(always)]` down to the loops: what is not inlined is not compiled for them.
#[inline(always)]
pub(crate) fn vectorized<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,bmi1,bmi2")]
        unsafe fn v4<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        #[target_feature(enable = "avx2,fma,bmi1,bmi2")]
        unsafe fn v3<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        if wide() {
            // SAFETY: `wide` found every feature that v4 enables.
            return unsafe { v4(f) };
        }
        use std::arch::is_x86_feature_detected as has;
        if has!("avx2") && has!("fma") && has!("bmi1") && has!("bmi2") {
            // SAFETY: every feature that v3 enables was found.
            return unsafe { v3(f) };
        }
    }
    f()
}

/// What [`vector_code`] says where loops are compiled for nothing but the build's own target.
pub const PORTABLE: &str = "the build's own instructions";

/// The instructions that the loops of the kernels run with on this machine: `AVX-512`, `AVX2`, `NEON`, or [`PORTABLE`].
pub fn vector_code() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        if wide() {
            return "AVX-512";
        }
        if has!("avx2") && has!("fma") && has!("bmi1") && has!("bmi2") {
            return "AVX2";
        }
    }
    if cfg!(target_arch = "aarch64") { "NEON" } else { PORTABLE }
}

/// Whether this machine has the AVX-512 that x86-64-v4 asks for.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn wide() -> bool {
    use std::arch::is_x86_feature_detected as has;
    #[cfg(test)]
    if NARROW.get() {
        return false;
    }
    has!("avx512f")
        && has!("avx512bw")
        && has!("avx512dq")
        && has!("avx512vl")
        && has!("avx512cd")
        && has!("avx2")
        && has!("fma")
        && has!("bmi1")
        && has!("bmi2")
}

#[cfg(test)]
thread_local! {
    /// Whether this thread does without AVX-512.
    pub(crate) static NARROW: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}
