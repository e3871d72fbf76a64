//! Pooling on a GPU.

pub use super::Window;
use crate::gpu::{Argument, Device, Kind, Memory, Source, Storage, arguments, size};
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
        [h, w, oh, ow, kernel, stride, padding].into_iter().map(|n| Ok(size(n)?.into())).collect()
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
    let n = window.maps_in();
    let dx = device.empty(dy.kind(), n)?;
    let mut arguments = arguments![dy, places, &dx, size(n)?];
    arguments.extend(window.arguments()?);
    SOURCE.launch(device, ("max_pool_backward", Storage::of(dy)?), SOURCE.wide(n)?, arguments)?;
    Ok(dx)
}

/// # Errors
/// Those of the device.
pub fn avg_forward<D: Device>(
    device: &D,
    x: &D::Buffer,
    window: Window,
    count_include_pad: bool,
) -> Result<D::Buffer> {
    let n = window.maps_out();
    let y = device.empty(x.kind(), n)?;
    size(window.maps_in())?;
    let mut arguments = arguments![x, &y, size(n)?];
    arguments.extend(window.arguments()?);
    arguments.push(count_include_pad.into());
    SOURCE.launch(device, ("avg_pool_forward", Storage::of(x)?), SOURCE.wide(n)?, arguments)?;
    Ok(y)
}

/// # Errors
/// Those of the device.
pub fn avg_backward<D: Device>(
    device: &D,
    dy: &D::Buffer,
    window: Window,
    count_include_pad: bool,
) -> Result<D::Buffer> {
    let n = window.maps_in();
    let dx = device.empty(dy.kind(), n)?;
    let mut arguments = arguments![dy, &dx, size(n)?];
    arguments.extend(window.arguments()?);
    arguments.push(count_include_pad.into());
    SOURCE.launch(device, ("avg_pool_backward", Storage::of(dy)?), SOURCE.wide(n)?, arguments)?;
    Ok(dx)
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
    let n = dy.count() * plane;
    let dx = device.empty(dy.kind(), n)?;
    let arguments = arguments![dy, &dx, size(n)?, size(plane)?];
    SOURCE.launch(device, ("global_avg_pool_backward", Storage::of(dy)?), SOURCE.wide(n)?, arguments)?;
    Ok(dx)
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
    let n = x.count() / from * to;
    for product in [x.count(), (oh + 1) * (h + 1), (ow + 1) * (w + 1)] {
        size(product)?;
    }
    let y = device.empty(x.kind(), n)?;
    let mut arguments = arguments![x, &y, size(n)?];
    arguments.extend([h, w, oh, ow].map(|n| (n as u32).into()));
    SOURCE.launch(device, (kernel, Storage::of(x)?), SOURCE.wide(n)?, arguments)?;
    Ok(y)
}
