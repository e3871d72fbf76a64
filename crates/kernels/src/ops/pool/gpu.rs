//! Pooling on a GPU.

pub use super::Window;
use crate::gpu::{Argument, Device, Kind, Memory, Source, Storage, arguments, size, sizes};
use candle_core::{Result, bail};

pub static SOURCE: Source = Source::new("pool", 256, include_str!("gpu.cc"));

impl Window {
    fn maps_in(&self) -> usize {
        self.r * self.c * self.h * self.w
    }

    fn maps_out(&self) -> usize {
        self.r * self.c * self.oh * self.ow
    }

    fn arguments<'a, B>(&self) -> Result<Vec<Argument<'a, B>>> {
        let Window { h, w, oh, ow, kernel, stride, padding, .. } = *self;
        sizes([h, w, oh, ow, kernel, stride, padding])
    }
}

/// The maxima, and where in its map each was.
///
/// # Errors
/// Those of the device.
pub fn max_forward<D: Device>(device: &D, x: &D::Buffer, window: Window) -> Result<(D::Buffer, D::Buffer)> {
    let n = window.maps_out();
    let (y, places) = (device.empty(x.kind(), n)?, device.empty(Kind::U32, n)?);
    let mut arguments = arguments![x, &y, &places, size(n)?];
    size(window.maps_in())?;
    arguments.extend(window.arguments()?);
    SOURCE.launch(device, ("max_pool_forward", Storage::of(x)?), SOURCE.wide(n)?, arguments)?;
    Ok((y, places))
}

/// # Errors
/// Those of the device.
pub fn max_backward<D: Device>(
    device: &D,
    dy: &D::Buffer,
    places: &D::Buffer,
    window: Window,
) -> Result<D::Buffer> {
    SOURCE.each(device, "max_pool_backward", &[dy, places], window.maps_in(), window.arguments()?)
}

/// # Errors
/// Those of the device.
pub fn avg_forward<D: Device>(
    device: &D,
    x: &D::Buffer,
    window: Window,
    count_include_pad: bool,
) -> Result<D::Buffer> {
    let mut more = window.arguments()?;
    more.push(count_include_pad.into());
    SOURCE.each(device, "avg_pool_forward", &[x], window.maps_out(), more)
}

/// # Errors
/// Those of the device.
pub fn avg_backward<D: Device>(
    device: &D,
    dy: &D::Buffer,
    window: Window,
    count_include_pad: bool,
) -> Result<D::Buffer> {
    let mut more = window.arguments()?;
    more.push(count_include_pad.into());
    SOURCE.each(device, "avg_pool_backward", &[dy], window.maps_in(), more)
}

/// The mean of each map of `plane` numbers.
///
/// # Errors
/// Those of the device.
pub fn global_forward<D: Device>(device: &D, x: &D::Buffer, plane: usize) -> Result<D::Buffer> {
    let maps = x.count() / plane;
    let y = device.empty(x.kind(), maps)?;
    size(x.count())?;
    let arguments = arguments![x, &y, size(maps)?, size(plane)?];
    SOURCE.launch(device, ("global_avg_pool_forward", Storage::of(x)?), SOURCE.by_team(maps)?, arguments)?;
    Ok(y)
}

/// # Errors
/// Those of the device.
pub fn global_backward<D: Device>(device: &D, dy: &D::Buffer, plane: usize) -> Result<D::Buffer> {
    SOURCE.each(device, "global_avg_pool_backward", &[dy], dy.count() * plane, sizes([plane])?)
}

/// The means of maps (h, w) over as many windows as the result (oh, ow) has positions.
///
/// # Errors
/// Fails on numbers that make no such maps, and where the device does.
pub fn adaptive_forward<D: Device>(
    device: &D,
    x: &D::Buffer,
    map: (usize, usize),
    out: (usize, usize),
) -> Result<D::Buffer> {
    adaptive(device, "adaptive_avg_pool_forward", x, (map.0 * map.1, out.0 * out.1), [map, out])
}

/// # Errors
/// Fails on numbers that make no such maps, and where the device does.
pub fn adaptive_backward<D: Device>(
    device: &D,
    dy: &D::Buffer,
    map: (usize, usize),
    out: (usize, usize),
) -> Result<D::Buffer> {
    adaptive(device, "adaptive_avg_pool_backward", dy, (out.0 * out.1, map.0 * map.1), [map, out])
}

fn adaptive<D: Device>(
    device: &D,
    kernel: &'static str,
    x: &D::Buffer,
    (from, to): (usize, usize),
    [(h, w), (oh, ow)]: [(usize, usize); 2],
) -> Result<D::Buffer> {
    if from * to == 0 || x.count() == 0 || !x.count().is_multiple_of(from) {
        bail!("adaptive_avg_pool2d: expected maps of {from} numbers, not none, got {} numbers", x.count());
    }
    // What the kernel multiplies.
    sizes::<D::Buffer, 2>([(oh + 1) * (h + 1), (ow + 1) * (w + 1)])?;
    SOURCE.each(device, kernel, &[x], x.count() / from * to, sizes([h, w, oh, ow])?)
}
