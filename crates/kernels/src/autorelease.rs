//! What Metal leaves behind, freed in time.

/// Runs `pass` in an autorelease pool of its own: objects of Metal's that its calls hand out, encoders and command buffers, go when it
/// ends, not with the program. Without the feature `metal` it is `pass` alone.
///
/// ```
/// assert_eq!(tallow_kernels::autoreleasepool(|| 6 * 7), 42);
/// ```
pub fn autoreleasepool<T>(pass: impl FnOnce() -> T) -> T {
    #[cfg(feature = "metal")]
    return objc2::rc::autoreleasepool(|_| pass());
    #[cfg(not(feature = "metal"))]
    pass()
}
