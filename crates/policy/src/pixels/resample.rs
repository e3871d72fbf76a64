//! Resizing, as Pillow does it: an antialiased convolution in two passes, with bytes between them.

use crate::pixels::convolution::{BICUBIC, convolve};
use crate::pixels::region::Region;
use crate::schema::quantity::choice;
use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ImageView, ResizeAlg, ResizeOptions, Resizer};
use std::cell::RefCell;
use tallow_data::Image;

choice! {
    /// How pixels between pixels are made.
    #[derive(Default)]
    pub enum Interpolation {
        Nearest = "nearest",
        #[default]
        Bilinear = "bilinear",
        /// a = −0.5, as Pillow's.
        Bicubic = "bicubic",
    }
}

thread_local! {
    /// The resizer and the rows between the two passes, kept from image to image.
    static WORK: RefCell<(Resizer, Vec<u8>)> = RefCell::new((Resizer::new(), Vec::new()));
}

/// `Image.crop(region).resize(size)` of Pillow, reading the region where it lies. Nearest and bicubic are exact; bilinear,
/// done with 15-bit weights and vector instructions, is within 1 of 255.
///
/// Nothing outside the region is read: the filter is cut off at its border, as it is when the crop is made first.
pub fn resample(image: &Image, region: Region, size: (u32, u32), interpolation: Interpolation) -> Image {
    // Pillow's order since version 13: rows first, unless the height shrinks by more than twice as many pixels as the
    // width. What bicubic overshoots is cut to a byte between the passes, so that the order shows (20 levels on noise).
    let less = |from: u32, to: u32| i64::from(from) - i64::from(to);
    let (narrower, lower) = (less(region.width, size.0), less(region.height, size.1));
    let columns_first = lower > 0 && lower > 2 * narrower;
    match interpolation {
        Interpolation::Nearest => nearest(image, region, size),
        Interpolation::Bilinear => bilinear(image, region, size, columns_first),
        Interpolation::Bicubic => convolve(image, region, size, columns_first, &BICUBIC),
    }
}

fn bilinear(image: &Image, region: Region, (width, height): (u32, u32), columns_first: bool) -> Image {
    let bytes = |height: u32| width as usize * height as usize * 3;
    let mut pixels = vec![0; bytes(height)];
    let source = TypedImageRef::<U8x3>::from_buffer(image.width, image.height, &image.pixels)
        .expect("an image holds width · height pixels");
    let source = TypedCroppedImage::new(source, region.left, region.top, region.width, region.height)
        .expect("the region is inside the image");
    WORK.with_borrow_mut(|(resizer, between)| {
        let last = &mut target(width, height, &mut pixels);
        // The library's own order is columns first, and a side that stays needs no pass.
        if columns_first || region.width == width || region.height == height {
            return pass(resizer, &source, last);
        }
        between.resize(bytes(region.height).max(between.len()), 0);
        pass(resizer, &source, &mut target(width, region.height, between));
        let source =
            TypedImageRef::<U8x3>::from_buffer(width, region.height, between).expect("as large as needed");
        pass(resizer, &source, last);
    });
    Image { width, height, pixels }
}

fn target(width: u32, height: u32, pixels: &mut [u8]) -> TypedImage<'_, U8x3> {
    TypedImage::from_buffer(width, height, pixels).expect("made to this size")
}

fn pass(resizer: &mut Resizer, source: &impl ImageView<Pixel = U8x3>, target: &mut TypedImage<U8x3>) {
    let filter = ResizeAlg::Convolution(FilterType::Bilinear);
    let options = ResizeOptions::new().resize_alg(filter).use_alpha(false);
    resizer.resize_typed(source, target, &options).expect("without a crop box, no error is left");
}

/// Output pixel x is input pixel ⌊(x + ½) · scale⌋.
fn nearest(image: &Image, region: Region, size: (u32, u32)) -> Image {
    let (width, height) = size;
    let columns = steps(region.left, region.width, width);
    let rows = steps(region.top, region.height, height);
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
    for row in rows {
        let row = &image.pixels[row * image.width as usize * 3..];
        columns.iter().for_each(|x| pixels.extend_from_slice(&row[x * 3..x * 3 + 3]));
    }
    Image { width, height, pixels }
}

/// `to` places in `start..start + from`, added up step by step as in Pillow: its rounding decides on ties.
fn steps(start: u32, from: u32, to: u32) -> Vec<usize> {
    let step = f64::from(from) / f64::from(to);
    let places = std::iter::successors(Some(step * 0.5), |place| Some(place + step));
    places.take(to as usize).map(|place| start as usize + place.min(f64::from(from - 1)) as usize).collect()
}
