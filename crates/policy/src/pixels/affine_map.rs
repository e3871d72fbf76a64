//! Resampling along an affine map or a projection, Pillow's to the last bit.

use crate::pixels::resample::Interpolation;
use tallow_data::Image;

/// Where an output place (x, y), in pixels from the upper left corner, is seen in the input: at
/// (a·x + b·y + c, d·x + e·y + f) for the numbers `[a, b, c, d, e, f]`.
pub type Map = [f64; 6];

/// Where an output place (x, y) is seen in the input: at ((a·x + b·y + c) / w, (d·x + e·y + f) / w) with w = g·x + h·y + 1 for
/// the numbers `[a, b, c, d, e, f, g, h]`.
pub type Projection = [f64; 8];

/// The inverse of a change about `centre`: shear (degrees along x, y), turn by `degrees` clockwise, scale, shift (pixels).
///
/// With R = turn · shear = (p q; r s) of determinant 1, the input is R⁻¹ (place − centre − shift) / scale + centre:
/// torchvision's `_get_inverse_affine_matrix`, operation by operation.
pub fn inverse(centre: (f64, f64), degrees: f64, shift: (f64, f64), scale: f64, shear: (f64, f64)) -> Map {
    let (angle, along_x, along_y) = (degrees.to_radians(), shear.0.to_radians(), shear.1.to_radians());
    let (sin, cos) = ((angle - along_y).sin(), (angle - along_y).cos());
    let p = cos / along_y.cos();
    let q = -cos * along_x.tan() / along_y.cos() - angle.sin();
    let r = sin / along_y.cos();
    let s = -sin * along_x.tan() / along_y.cos() + angle.cos();
    let [a, b, d, e] = [s, -q, -r, p].map(|number| number / scale);
    let (x, y) = (-centre.0 - shift.0, -centre.1 - shift.1);
    [a, b, a * x + b * y + centre.0, d, e, d * x + e * y + centre.1]
}

/// `Image.transform(size, AFFINE, map)` of Pillow: the centre of each output pixel is looked up in the input; outside it is
/// `fill`. At the border the outermost pixels are repeated.
pub fn warp(image: &Image, map: &Map, interpolation: Interpolation, fill: [u8; 3]) -> Image {
    match interpolation {
        Interpolation::Nearest if map[1] == 0.0 && map[3] == 0.0 => stretch(image, map, fill),
        Interpolation::Nearest => nearest(image, map, fill),
        Interpolation::Bilinear => each(image, affine(map), fill, bilinear),
        Interpolation::Bicubic => each(image, affine(map), fill, bicubic),
    }
}

/// `Image.transform(size, PERSPECTIVE, projection)` of Pillow; the rest as for [`warp`].
pub fn project(image: &Image, projection: &Projection, interpolation: Interpolation, fill: [u8; 3]) -> Image {
    let [a, b, c, d, e, f, g, h] = *projection;
    let seen = |x: f64, y: f64| {
        let w = g * x + h * y + 1.0;
        ((a * x + b * y + c) / w, (d * x + e * y + f) / w)
    };
    match interpolation {
        Interpolation::Nearest => each(image, seen, fill, |image, u, v| {
            image.pixels.as_chunks::<3>().0[v as usize * image.width as usize + u as usize]
        }),
        Interpolation::Bilinear => each(image, seen, fill, bilinear),
        Interpolation::Bicubic => each(image, seen, fill, bicubic),
    }
}

fn affine(&[a, b, c, d, e, f]: &Map) -> impl Fn(f64, f64) -> (f64, f64) {
    move |x, y| (a * x + b * y + c, d * x + e * y + f)
}

/// Columns and rows move apart from one another: places are added up step by step.
fn stretch(image: &Image, map: &Map, fill: [u8; 3]) -> Image {
    let places = |first: f64, step: f64, n: u32| -> Vec<Option<usize>> {
        let inside = |place: f64| (0.0..f64::from(n)).contains(&place).then_some(place as usize);
        let places = std::iter::successors(Some(first), |place| Some(place + step));
        places.take(n as usize).map(inside).collect()
    };
    let columns = places(map[2] + map[0] * 0.5, map[0], image.width);
    let rows = places(map[5] + map[4] * 0.5, map[4], image.height);
    let source = image.pixels.as_chunks::<3>().0;
    let mut pixels = Vec::with_capacity(image.pixels.len());
    for row in rows {
        let row = row.map(|row| &source[row * image.width as usize..]);
        let pixel = |column: &Option<usize>| row.zip(*column).map_or(fill, |(row, column)| row[column]);
        columns.iter().for_each(|column| pixels.extend(pixel(column)));
    }
    Image { width: image.width, height: image.height, pixels }
}

/// With 16 bits of fraction; in 64 bits, so that no place is too far (Pillow changes to floats from 32768 pixels on).
fn nearest(image: &Image, map: &Map, fill: [u8; 3]) -> Image {
    let fixed = |number: f64| (number * 65536.0 + 0.5).floor() as i64;
    let [a, b, c, d, e, f] = *map;
    let (mut left, mut top) = (fixed(c + a * 0.5 + b * 0.5), fixed(f + d * 0.5 + e * 0.5));
    let [a, b, d, e] = [a, b, d, e].map(fixed);
    let source = image.pixels.as_chunks::<3>().0;
    let (width, height) = (i64::from(image.width), i64::from(image.height));
    let mut pixels = Vec::with_capacity(image.pixels.len());
    for _ in 0..height {
        let (mut x, mut y) = (left, top);
        for _ in 0..width {
            let (column, row) = (x >> 16, y >> 16);
            let inside = (0..width).contains(&column) && (0..height).contains(&row);
            pixels.extend(if inside { source[(row * width + column) as usize] } else { fill });
            (x, y) = (x + a, y + d);
        }
        (left, top) = (left + b, top + e);
    }
    Image { width: image.width, height: image.height, pixels }
}

/// Every output pixel whose centre is `seen` inside the image, by `colour` of the place there.
fn each(
    image: &Image,
    seen: impl Fn(f64, f64) -> (f64, f64),
    fill: [u8; 3],
    colour: impl Fn(&Image, f64, f64) -> [u8; 3],
) -> Image {
    let (width, height) = (f64::from(image.width), f64::from(image.height));
    let mut pixels = Vec::with_capacity(image.pixels.len());
    for y in 0..image.height {
        for x in 0..image.width {
            let (u, v) = seen(f64::from(x) + 0.5, f64::from(y) + 0.5);
            let inside = u >= 0.0 && u < width && v >= 0.0 && v < height;
            pixels.extend(if inside { colour(image, u, v) } else { fill });
        }
    }
    Image { width: image.width, height: image.height, pixels }
}

/// The four nearest pixels, blended; the fraction is cut off.
fn bilinear(image: &Image, u: f64, v: f64) -> [u8; 3] {
    let ([left, right], dx) = around(u - 0.5, 0, image.width);
    let ([above, below], dy) = around(v - 0.5, 0, image.height);
    let pixels = image.pixels.as_chunks::<3>().0;
    let pixel = |x: usize, y: usize| pixels[y * image.width as usize + x];
    let (a, b, c, d) = (pixel(left, above), pixel(right, above), pixel(left, below), pixel(right, below));
    std::array::from_fn(|channel| {
        let along = |from: [u8; 3], to: [u8; 3]| {
            let (from, to) = (f64::from(from[channel]), f64::from(to[channel]));
            from + (to - from) * dx
        };
        let (above, below) = (along(a, b), along(c, d));
        (above + (below - above) * dy) as u8
    })
}

/// Cubic convolution with a = −1 over sixteen pixels; the fraction is cut off.
fn bicubic(image: &Image, u: f64, v: f64) -> [u8; 3] {
    let (columns, dx) = around::<4>(u - 0.5, 1, image.width);
    let (rows, dy) = around::<4>(v - 0.5, 1, image.height);
    let (pixels, width) = (image.pixels.as_chunks::<3>().0, image.width as usize);
    let mut across = [[0.0; 4]; 3];
    for (i, y) in rows.into_iter().enumerate() {
        let row = &pixels[y * width..][..width];
        let four = columns.map(|x| row[x]);
        for (channel, across) in across.iter_mut().enumerate() {
            let [a, b, c, d] = four.map(|pixel| i32::from(pixel[channel]));
            across[i] = polynomial([b, c - a, 2 * (a - b) + c - d, b - a + d - c].map(f64::from), dx);
        }
    }
    across.map(|[a, b, c, d]| {
        let down = [b, -a + c, 2.0 * (a - b) + c - d, -a + b - c + d];
        polynomial(down, dy) as u8 // cut to a byte at both ends
    })
}

fn polynomial([a, b, c, d]: [f64; 4], t: f64) -> f64 {
    a + t * (b + t * (c + t * d))
}

/// N pixels in a row, `before` of them before the one at or below a place of at least −½; the border is repeated. And how
/// far the place is from that pixel.
fn around<const N: usize>(place: f64, before: i32, n: u32) -> ([usize; N], f64) {
    let first = place.floor();
    let (low, last) = (first as i32 - before, n as i32 - 1);
    let pixel = |i: usize| (low + i as i32).clamp(0, last) as usize;
    (std::array::from_fn(pixel), place - first)
}
