//! Sums over rows and over planes on a GPU: gradients of biases and scales, f32.

use crate::gpu::{Device, Kind, Memory, Source, Storage, arguments, groups, size, sizes};
use candle_core::{Result, bail};

pub static SOURCE: Source = Source::new("sums", 256, include_str!("sums.cc"));

/// Rows of one chunk at the least.
const ROWS: usize = 32;
/// Numbers of a channel in one chunk at the least.
const NUMBERS: usize = 4096;
/// Chunks at the most.
const CHUNKS: usize = 256;

/// Of x (rows, n), the sum of every column.
///
/// # Errors
/// Fails on numbers that make no rows, and where the device does.
pub fn columns<D: Device>(device: &D, x: &D::Buffer, n: usize) -> Result<D::Buffer> {
    let cut = Cut::new(x.count(), n)?;
    let partial = device.empty(Kind::F32, cut.chunks * n)?;
    let arguments = arguments![x, &partial, size(cut.rows)?, size(n)?, size(cut.chunk)?];
    SOURCE.launch(device, ("column_chunks", Storage::of(x)?), cut.groups()?, arguments)?;
    cut.added(device, &partial)
}

/// Of x · other (rows, n), every `lines` rows times a factor of their own, the sum of every column. Where the factor is 0 nothing
/// of them counts.
///
/// # Errors
/// Fails on numbers that make no rows, on another number of factors, and where the device does.
pub fn products<D: Device>(
    device: &D,
    (x, other): (&D::Buffer, &D::Buffer),
    factors: Factors<D::Buffer>,
    n: usize,
) -> Result<D::Buffer> {
    let (cut, lines) = (Cut::new(x.count(), n)?, factors.each(x.count())? / n);
    if x.count() != other.count() {
        bail!("sums of products: expected two of one size, got {} and {} numbers", x.count(), other.count());
    }
    let partial = device.empty(Kind::F32, cut.chunks * n)?;
    let mut arguments = arguments![x, other, factors.buffer(), &partial];
    arguments.extend(sizes([cut.rows, n, cut.chunk, lines])?);
    SOURCE.launch(device, ("product_chunks", Storage::of(x)?), cut.groups()?, arguments)?;
    cut.added(device, &partial)
}

/// A factor, f32, for each row of a batch; or none, and some f32 buffer in their place.
pub enum Factors<'a, B> {
    Of(&'a B),
    None(&'a B),
}

impl<'a, B: Memory> Factors<'a, B> {
    /// What a kernel is given.
    pub fn buffer(&self) -> &'a B {
        let (Factors::Of(buffer) | Factors::None(buffer)) = self;
        buffer
    }

    /// How many of n numbers one factor is for; 0 without factors.
    ///
    /// # Errors
    /// Fails where n numbers make no such rows.
    pub fn each(&self, n: usize) -> Result<usize> {
        match self {
            Factors::None(_) => Ok(0),
            Factors::Of(factors) if factors.count() > 0 && n.is_multiple_of(factors.count()) => {
                Ok(n / factors.count())
            }
            Factors::Of(factors) => bail!("{n} numbers in rows: got {} factors", factors.count()),
        }
    }
}

/// Of x (R, channels, plane), the sum of every channel.
///
/// # Errors
/// Fails on numbers that make no such maps, and where the device does.
pub fn channels<D: Device>(
    device: &D,
    x: &D::Buffer,
    (channels, plane): (usize, usize),
) -> Result<D::Buffer> {
    if channels * plane == 0 || x.count() == 0 || !x.count().is_multiple_of(channels * plane) {
        bail!("sums: expected (R, {channels}, {plane}), not empty, got {} numbers", x.count());
    }
    size(x.count())?;
    let count = x.count() / channels;
    let chunk = NUMBERS.max(count.div_ceil(CHUNKS));
    let chunks = count.div_ceil(chunk);
    let partial = device.empty(Kind::F32, channels * chunks)?;
    let mut arguments = arguments![x, &partial];
    arguments.extend(sizes([count, channels, plane, chunk])?);
    let across = [size(chunks)?, size(channels)?];
    SOURCE.launch(device, ("channel_chunks", Storage::of(x)?), across, arguments)?;
    let y = device.empty(Kind::F32, channels)?;
    let arguments = arguments![&partial, &y, size(channels)?, size(chunks)?];
    SOURCE.launch(device, ("channel_sums", Storage::F32), SOURCE.by_team(channels)?, arguments)?;
    Ok(y)
}

/// How rows of `n` numbers are cut.
struct Cut {
    rows: usize,
    n: usize,
    chunk: usize,
    chunks: usize,
}

impl Cut {
    fn new(count: usize, n: usize) -> Result<Cut> {
        if n == 0 || count == 0 || !count.is_multiple_of(n) {
            bail!("sums: expected rows of {n} numbers, not none, got {count} numbers");
        }
        size(count)?;
        let rows = count / n;
        let chunk = ROWS.max(rows.div_ceil(CHUNKS));
        Ok(Cut { rows, n, chunk, chunks: rows.div_ceil(chunk) })
    }

    fn groups(&self) -> Result<[u32; 2]> {
        Ok([groups(self.n, SOURCE.threads)?, size(self.chunks)?])
    }

    fn added<D: Device>(&self, device: &D, partial: &D::Buffer) -> Result<D::Buffer> {
        let y = device.empty(Kind::F32, self.n)?;
        let arguments = arguments![partial, &y, size(self.n)?, size(self.chunks)?];
        SOURCE.launch(device, ("column_sums", Storage::F32), [self.groups()?[0], 1], arguments)?;
        Ok(y)
    }
}
