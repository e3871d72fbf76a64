//! A convolution as a vendor's library is asked for it.

use super::launch::Storage;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is computed of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pass {
    /// y of x and w.
    Forward,
    /// x (its gradient) of w and y (its gradient).
    Input,
    /// w (its gradient) of x and y (its gradient).
    Weight,
}

/// Everything that a plan depends on. Sizes are (R, C, H, W), of w (O, C / groups, kh, kw).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Convolution {
    pub pass: Pass,
    pub x: [usize; 4],
    pub w: [usize; 4],
    pub y: [usize; 4],
    pub stride: usize,
    pub padding: usize,
    pub dilation: usize,
    pub storage: Storage,
    /// In memory (R, H, W, C), and w (O, kh, kw, C / groups).
    pub channels_last: bool,
    /// f32 may be rounded to 10 bits of mantissa for tensor cores, as PyTorch's convolutions are.
    pub tf32: bool,
}

impl Convolution {
    /// The sizes of what is computed.
    pub fn target(&self) -> [usize; 4] {
        match self.pass {
            Pass::Forward => self.y,
            Pass::Input => self.x,
            Pass::Weight => self.w,
        }
    }

    /// Those of what it is computed of, in the order x, w, y.
    pub fn others(&self) -> [[usize; 4]; 2] {
        match self.pass {
            Pass::Forward => [self.x, self.w],
            Pass::Input => [self.w, self.y],
            Pass::Weight => [self.x, self.y],
        }
    }
}

static TF32: AtomicBool = AtomicBool::new(false);

/// Whether convolutions in f32 on a GPU may round their operands to 10 bits of mantissa for tensor cores, as PyTorch's do: all of the
/// process's, off by default.
pub fn allow_tf32(allowed: bool) {
    TF32.store(allowed, Ordering::Relaxed);
}

/// Whether they may now.
pub(crate) fn tf32_is_allowed() -> bool {
    TF32.load(Ordering::Relaxed)
}
