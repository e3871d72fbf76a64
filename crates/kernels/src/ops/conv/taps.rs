//! The nine taps of 3×3 kernels as vectors of sixteen channels, and back, sixteen by sixteen channels at a time.

use super::lanes::{B, from_lanes, to_lanes};
use crate::cpu::parallel::Shared;

/// Which channels of a weight (O, C, 3, 3) are the lanes.
#[derive(Clone, Copy)]
pub(super) enum Lane {
    /// Output channels, as the forward convolution has them.
    Output,
    /// Input channels, the kernel turned by 180°: the convolution that the input gradient is.
    InputTurned,
}

/// A weight (O, C, 3, 3) read in blocks of sixteen channels.
#[derive(Clone, Copy)]
pub(super) struct Taps<'a> {
    pub weight: &'a [f32],
    pub o: usize,
    pub c: usize,
    pub lane: Lane,
}

impl Taps<'_> {
    /// Channels that are lanes, and the others.
    pub fn sizes(&self) -> (usize, usize) {
        match self.lane {
            Lane::Output => (self.o, self.c),
            Lane::InputTurned => (self.c, self.o),
        }
    }

    /// Rows `16·group..16·group + 16` of the other channels: `cell` = [row][tap][lane].
    pub fn read(&self, block: usize, group: usize, cell: &mut [f32]) {
        match self.lane {
            Lane::Output => {
                let plane = self.c * 9;
                let (weight, start) = (&self.weight[block * B * plane..][..B * plane], group * B * 9);
                to_lanes(weight, plane, start, start + B * 9, cell, |p| Some((p - start) * B));
            }
            Lane::InputTurned => {
                // Sixteen planes of nine numbers, read sixteen at a time.
                let mut planes = [0.0; B * 9 + 7];
                for (row, cell) in (group * B..).zip(cell[..CELL].chunks_exact_mut(9 * B)) {
                    let at = (row * self.c + block * B) * 9;
                    planes[..B * 9].copy_from_slice(&self.weight[at..][..B * 9]);
                    to_lanes(&planes, 9, 0, B, cell, |t| (t < 9).then(|| (8 - t) * B));
                }
            }
        }
    }
}

/// Numbers of a cell: nine taps of sixteen rows of sixteen lanes.
pub(super) const CELL: usize = B * 9 * B;

/// Writes a cell of a gradient (O, C, 3, 3) whose lanes are the output channels of `block`.
///
/// # Safety
/// The output channels of the block belong to the calling task.
pub(super) unsafe fn write(dw: &Shared<f32>, c: usize, block: usize, group: usize, cell: &[f32]) {
    let plane = c * 9;
    // SAFETY: by contract; the last of the sixteen planes ends with the block.
    unsafe {
        let dw = dw.slice(block * B * plane, B * plane);
        from_lanes(cell, B * 9, plane, dw.as_mut_ptr().add(group * B * 9));
    }
}
