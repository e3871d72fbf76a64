//! Resizing, as Pillow does it: an antialiased convolution in two passes, with bytes between them.

use crate::quantity::quantity;
use crate::region::Region;
use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ImageView, ResizeAlg, ResizeOptions, Resizer};
use std::cell::RefCell;
use tallow_data::Image;

/// How pixels between pixels are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interpolation {
    Nearest,
    #[default]
    Bilinear,
    /// a = −0.5, as Pillow's.
    Bicubic,
}

quantity!(Interpolation, "`bilinear`, `bicubic` or `nearest`", |value| match value.as_str()? {
    "nearest" => Some(Interpolation::Nearest),
    "bilinear" => Some(Interpolation::Bilinear),
    "bicubic" => Some(Interpolation::Bicubic),
    _ => None,
});

thread_local! {
    /// The resizer and the rows between the two passes, kept from image to image.
    static WORK: RefCell<(Resizer, Vec<u8>)> = RefCell::new((Resizer::new(), Vec::new()));
}

/// `Image.crop(region).resize(size)` of Pillow, reading the region where it lies; within 1 of 255 (nearest: exactly).
///
/// Nothing outside the region is read: the filter is cut off at its border, as it is when the crop is made first. What
/// bicubic overshoots in the first pass is cut to a byte before the second, so that the order of the passes shows (20
/// levels on noise). Pillow's since version 13: rows first, unless the height shrinks by more than twice as many pixels
/// as the width. The library, left to itself, begins with the columns; rows first are two calls.
pub fn resample(image: &Image, region: Region, size: (u32, u32), interpolation: Interpolation) -> Image {
    let filter = match interpolation {
        Interpolation::Nearest => return nearest(image, region, size),
        Interpolation::Bilinear => FilterType::Bilinear,
        Interpolation::Bicubic => FilterType::CatmullRom,
    };
    let (width, height) = size;
    let bytes = |height: u32| width as usize * height as usize * 3;
    let mut pixels = vec![0; bytes(height)];
    let source = TypedImageRef::<U8x3>::from_buffer(image.width, image.height, &image.pixels)
        .expect("an image holds width · height pixels");
    let source = TypedCroppedImage::new(source, region.left, region.top, region.width, region.height)
        .expect("the region is inside the image");
    WORK.with_borrow_mut(|(resizer, between)| {
        let last = &mut target(width, height, &mut pixels);
        let (narrower, lower) =
            (i64::from(region.width) - i64::from(width), i64::from(region.height) - i64::from(height));
        let columns_first = lower > 0 && lower > 2 * narrower;
        if columns_first || narrower == 0 || lower == 0 {
            return pass(resizer, &source, last, filter);
        }
        between.resize(bytes(region.height).max(between.len()), 0);
        pass(resizer, &source, &mut target(width, region.height, between), filter);
        let source = TypedImageRef::<U8x3>::from_buffer(width, region.height, between).expect("as large as needed");
        pass(resizer, &source, last, filter);
    });
    Image { width, height, pixels }
}

fn target(width: u32, height: u32, pixels: &mut [u8]) -> TypedImage<'_, U8x3> {
    TypedImage::from_buffer(width, height, pixels).expect("made to this size")
}

fn pass(
    resizer: &mut Resizer,
    source: &impl ImageView<Pixel = U8x3>,
    target: &mut TypedImage<U8x3>,
    filter: FilterType,
) {
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).use_alpha(false);
    resizer.resize_typed(source, target, &options).expect("without a crop box, no error is left");
}

/// Output pixel x is input pixel ⌊(x + ½) · scale⌋.
fn nearest(image: &Image, region: Region, size: (u32, u32)) -> Image {
    let at = |x: u32, from: u32, to: u32| {
        let scale = f64::from(from) / f64::from(to);
        ((f64::from(x) + 0.5) * scale).min(f64::from(from - 1)) as usize
    };
    let (width, height) = size;
    let columns: Vec<usize> =
        (0..width).map(|x| (region.left as usize + at(x, region.width, width)) * 3).collect();
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        let row = (region.top as usize + at(y, region.height, height)) * image.width as usize * 3;
        columns.iter().for_each(|x| pixels.extend_from_slice(&image.pixels[row + x..row + x + 3]));
    }
    Image { width, height, pixels }
}
