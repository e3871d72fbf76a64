//! Copies with permuted axes on a GPU.

use super::{Axis, axes};
use crate::gpu::{Device, Memory, Source, Storage, arguments, size, sizes};
use candle_core::{Result, bail};

pub static SOURCE: Source = Source::new("rearrange", 256, include_str!("gpu.cc"));

/// Rows and columns of a tile.
const TILE: usize = 32;

/// Axes that the kernel has, once those that stay together are one.
const AXES: usize = 6;

/// Whether the kernels take these axes in this order, and back.
pub fn takes(dims: &[usize], order: &[usize]) -> bool {
    axes(dims, order).len() <= AXES
}

/// x, seen as a tensor of shape `dims`, its axes in the order `order`.
///
/// # Errors
/// Fails on more than six axes that do not stay together, on another number of numbers, and where the device does.
pub fn permute<D: Device>(device: &D, x: &D::Buffer, dims: &[usize], order: &[usize]) -> Result<D::Buffer> {
    let (n, axes) = (x.count(), axes(dims, order));
    if n == 0 || dims.iter().product::<usize>() != n || axes.len() > AXES {
        bail!("rearrange: expected {n} numbers, not none, of {dims:?}, and at most {AXES} axes apart");
    }
    if let Some((rows, columns)) = transposed(&axes) {
        let tiles = n / (rows * columns) * rows.div_ceil(TILE) * columns.div_ceil(TILE);
        size(n)?;
        let y = device.empty(x.kind(), n)?;
        let arguments = arguments![x, &y, size(rows)?, size(columns)?];
        SOURCE.launch(device, ("transpose", Storage::of(x)?), [size(tiles)?, 1], arguments)?;
        return Ok(y);
    }
    let mut all = [Axis { n: 1, from: 0, to: 0 }; AXES];
    all[AXES - axes.len()..].copy_from_slice(&axes);
    let mut more = sizes(std::array::from_fn::<_, { AXES - 1 }, _>(|i| all[i + 1].n))?;
    more.extend(sizes(all.map(|axis| axis.from))?);
    SOURCE.each(device, "permute", &[x], n, more)
}

/// Rows and columns of the planes of x, where all that is done is to transpose them.
fn transposed(axes: &[Axis]) -> Option<(usize, usize)> {
    let (across, down, apart) = match axes {
        [across, down] => (across, down, true),
        [plane, across, down] => (across, down, plane.from == across.n * down.n),
        _ => return None,
    };
    (apart && across.from == 1 && down.from == across.n).then_some((down.n, across.n))
}
