//! Mixing rows on a GPU.

use super::{check, matrix};
use crate::gpu::{Device, Memory, Source, Storage, arguments, groups, size};
use candle_core::{Result, bail};

pub static SOURCE: Source = Source::new("mix_rows", 256, include_str!("gpu.cc"));

/// Rows of y of one group of the dense kernel.
const ROWS: u32 = 8;

/// y (entries.len(), …) = shares · x (rows, …). The gradient is the same of dy and the transposed shares.
///
/// # Errors
/// Fails on shares of rows that are not there, and where the device does.
pub fn forward<D: Device>(
    device: &D,
    entries: &[Vec<(u32, f64)>],
    x: &D::Buffer,
    rows: usize,
) -> Result<D::Buffer> {
    check(entries, rows)?;
    if rows == 0 || entries.is_empty() || x.count() == 0 || !x.count().is_multiple_of(rows) {
        bail!("mix_rows: expected at least one row in and out, got {} numbers in {rows} rows", x.count());
    }
    let (storage, n, width) = (Storage::of(x)?, entries.len(), x.count() / rows);
    let y = device.empty(x.kind(), n * width)?;
    let (across, count) = (groups(width, SOURCE.threads)?, entries.iter().map(Vec::len).sum::<usize>());
    size(y.count())?;
    if count > 6 * n {
        let shares = device.floats(&matrix::<f32>(entries, rows))?;
        let down = size(n)?.div_ceil(ROWS);
        let arguments = arguments![&shares, x, &y, size(n)?, size(rows)?, size(width)?];
        SOURCE.launch(device, ("mix_rows_dense", storage), [across, down], arguments)?;
        return Ok(y);
    }
    let begins = std::iter::once(0).chain(entries.iter().scan(0, |sum, row| {
        *sum += row.len() as u32;
        Some(*sum)
    }));
    let begins = device.words(&begins.collect::<Vec<u32>>())?;
    let sources = device.words(&entries.iter().flatten().map(|entry| entry.0).collect::<Vec<_>>())?;
    let shares = device.floats(&entries.iter().flatten().map(|entry| entry.1 as f32).collect::<Vec<_>>())?;
    let arguments = arguments![&begins, &sources, &shares, x, &y, size(width)?];
    SOURCE.launch(device, ("mix_rows_sparse", storage), [across, size(n)?], arguments)?;
    Ok(y)
}
