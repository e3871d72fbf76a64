//! Blocks of rows on a GPU: parts of them, zeros around them, several side by side.

use crate::gpu::{Device, Memory, Source, Storage, arguments, size, sizes};
use candle_core::{Result, bail};

pub static SOURCE: Source = Source::new("block", 256, include_str!("gpu.cc"));

/// `length` numbers of each row of x, from `begin` on; what `narrow` and `select` take, and the gradient of `pad` and of
/// `concat_channels`. The rows of x have `from` numbers.
///
/// # Errors
/// Fails on a block that leaves the rows, and where the device does.
pub fn part<D: Device>(
    device: &D,
    x: &D::Buffer,
    from: usize,
    begin: usize,
    length: usize,
) -> Result<D::Buffer> {
    copy(device, x, (from, length), (begin, 0), length)
}

/// Rows of `length` numbers at `place` of rows of `to`, zeros around them: `pad`, and the gradient of `narrow` and `select`.
///
/// # Errors
/// Fails on a block that leaves the rows, and where the device does.
pub fn padded<D: Device>(
    device: &D,
    x: &D::Buffer,
    length: usize,
    place: usize,
    to: usize,
) -> Result<D::Buffer> {
    copy(device, x, (length, to), (0, place), length)
}

fn copy<D: Device>(
    device: &D,
    x: &D::Buffer,
    (from, to): (usize, usize),
    (begin, place): (usize, usize),
    length: usize,
) -> Result<D::Buffer> {
    if length == 0 || begin + length > from || place + length > to || !x.count().is_multiple_of(from) {
        bail!(
            "a block: expected {length} of {from} numbers from {begin} on, at {place} of {to}, of {}",
            x.count()
        );
    }
    SOURCE.each(device, "block", &[x], x.count() / from * to, sizes([from, to, begin, place, length])?)
}

/// The rows of several tensors side by side.
///
/// # Errors
/// Fails without a tensor, on numbers that do not make that many rows, and where the device does.
pub fn concat<D: Device>(device: &D, parts: &[&D::Buffer], rows: usize) -> Result<D::Buffer> {
    let Some(first) = parts.first() else { bail!("concat: expected a tensor, got none") };
    if rows == 0 || parts.iter().any(|part| !part.count().is_multiple_of(rows) || part.kind() != first.kind())
    {
        bail!("concat: expected tensors of one type and {rows} rows each");
    }
    let to = parts.iter().map(|part| part.count() / rows).sum::<usize>();
    let y = device.empty(first.kind(), rows * to)?;
    size(rows * to)?;
    let mut place = 0;
    for part in parts.iter().filter(|part| part.count() > 0) {
        let (n, length) = (part.count(), part.count() / rows);
        let mut arguments = arguments![*part, &y];
        arguments.extend(sizes([n, length, to, place])?);
        SOURCE.launch(device, ("block_into", Storage::of(*part)?), SOURCE.wide(n)?, arguments)?;
        place += length;
    }
    Ok(y)
}
