//! Parts of a row in place of another's, on a GPU.

use super::partner::Bounds;
use crate::gpu::{Device, Memory, Source, sizes};
use candle_core::{Result, Tensor, bail};

pub static SOURCE: Source = Source::new("composite", 256, include_str!("gpu.cc"));

/// (R, C, H, W).
#[derive(Debug, Clone, Copy)]
pub struct Maps {
    pub r: usize,
    pub c: usize,
    pub h: usize,
    pub w: usize,
}

impl Maps {
    pub(super) fn of(x: &Tensor) -> Result<Maps> {
        let (r, c, h, w) = x.dims4()?;
        Ok(Maps { r, c, h, w })
    }

    fn n(&self) -> usize {
        self.r * self.c * self.h * self.w
    }

    /// A buffer of values of this shape, `count` of its rows having partners.
    fn check(&self, x: &impl Memory, partner: &[u32], regions: usize) -> Result<()> {
        let partners = partner.len() == self.r && partner.iter().all(|p| (*p as usize) < self.r);
        if x.count() != self.n() || self.n() == 0 || !partners || (regions != 1 && regions != self.r) {
            bail!("parts of rows: expected {self:?}, a partner for each row and 1 or {} regions", self.r);
        }
        Ok(())
    }
}

/// What a row takes of its partner: one for all rows or one per row.
#[derive(Debug, Clone, Copy)]
pub enum Region<'a> {
    Boxes(&'a [Bounds]),
    /// The whole of the partner, resized into them.
    Resized(&'a [Bounds]),
    /// (H·W) each.
    Masks(&'a [Vec<f32>]),
}

impl Region<'_> {
    fn count(&self) -> usize {
        match self {
            Region::Boxes(boxes) | Region::Resized(boxes) => boxes.len(),
            Region::Masks(masks) => masks.len(),
        }
    }
}

/// y = `paste_boxes`, `paste_resized` or `blend_masks` of x.
///
/// # Errors
/// Fails on sizes that do not fit, and where the device does.
pub fn forward<D: Device>(
    device: &D,
    x: &D::Buffer,
    maps: Maps,
    partner: &[u32],
    region: Region,
) -> Result<D::Buffer> {
    maps.check(x, partner, region.count())?;
    let partner = device.words(partner)?;
    run(device, x, maps, vec![&partner], region, ["paste_forward", "resize_forward", "blend_forward"])
}

/// dx from dy.
///
/// # Errors
/// Fails on sizes that do not fit, and where the device does.
pub fn backward<D: Device>(
    device: &D,
    dy: &D::Buffer,
    maps: Maps,
    partner: &[u32],
    region: Region,
) -> Result<D::Buffer> {
    maps.check(dy, partner, region.count())?;
    let mut sources: Vec<u32> = (0..partner.len() as u32).collect();
    sources.sort_by_key(|row| partner[*row as usize]);
    let begin = |row: usize| partner.iter().filter(|p| (**p as usize) < row).count() as u32;
    let begins = device.words(&(0..=maps.r).map(begin).collect::<Vec<_>>())?;
    let sources = device.words(&sources)?;
    run(
        device,
        dy,
        maps,
        vec![&begins, &sources],
        region,
        ["paste_backward", "resize_backward", "blend_backward"],
    )
}

fn run<D: Device>(
    device: &D,
    x: &D::Buffer,
    maps: Maps,
    rows: Vec<&D::Buffer>,
    region: Region,
    [paste, resize, blend]: [&'static str; 3],
) -> Result<D::Buffer> {
    let (n, plane) = (maps.n(), maps.h * maps.w);
    let each = |each: usize| if region.count() == 1 { 0 } else { each };
    let mut inputs = vec![x];
    inputs.extend(rows);
    match region {
        Region::Boxes(boxes) | Region::Resized(boxes) => {
            let kernel = if matches!(region, Region::Boxes(_)) { paste } else { resize };
            // Places are compared in half pixels of both sizes.
            sizes::<D::Buffer, 2>([2 * maps.h * maps.h, 2 * maps.w * maps.w])?;
            let words = |&(t, b, l, r): &Bounds| [t as u32, b as u32, l as u32, r as u32];
            let boxes = device.words(&boxes.iter().flat_map(words).collect::<Vec<_>>())?;
            inputs.push(&boxes);
            SOURCE.each(device, kernel, &inputs, n, sizes([maps.c * plane, plane, maps.w, each(4)])?)
        }
        Region::Masks(masks) => {
            let masks = device.floats(&masks.concat())?;
            inputs.push(&masks);
            SOURCE.each(device, blend, &inputs, n, sizes([maps.c * plane, plane, each(plane)])?)
        }
    }
}
