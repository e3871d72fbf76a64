//! Pillow's convolution to the last bit: 22 bits of fraction, rounded and cut to a byte after each pass.

use crate::pixels::region::Region;
use tallow_data::Image;

/// A filter: its value at a distance in pixels, and the distance from which on it is 0.
pub struct Filter {
    pub of: fn(f64) -> f64,
    pub support: f64,
}

/// Cubic convolution (Keys 1981) with a = −½.
pub const BICUBIC: Filter = Filter { of: bicubic, support: 2.0 };

const BITS: u32 = 22;

/// A region of the image at another size; columns first or rows first.
pub fn convolve(
    image: &Image,
    region: Region,
    (width, height): (u32, u32),
    columns_first: bool,
    filter: &Filter,
) -> Image {
    let (across, down) = (weights(region.width, width, filter), weights(region.height, height, filter));
    let stride = image.width as usize * 3;
    let first = region.top as usize * stride + region.left as usize * 3;
    let (source, columns, rows) = (&image.pixels[first..], region.width as usize * 3, region.height as usize);
    let pixels = if columns_first {
        let between = along_columns(source, stride, columns, &down);
        along_rows(&between, columns, height as usize, &across)
    } else {
        let between = along_rows(source, stride, rows, &across);
        along_columns(&between, width as usize * 3, width as usize * 3, &down)
    };
    Image { width, height, pixels }
}

/// What one output pixel is made of: the input pixels from `start` on, by weight.
struct Window {
    start: usize,
    weights: Vec<i32>,
}

/// The window of each of `to` pixels over `from`, antialiased: when shrinking, the filter is as much wider.
fn weights(from: u32, to: u32, filter: &Filter) -> Vec<Window> {
    let scale = f64::from(from) / f64::from(to);
    let wider = scale.max(1.0);
    let support = filter.support * wider;
    let window = |x: u32| {
        let centre = (f64::from(x) + 0.5) * scale;
        let start = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(from as usize);
        let raw: Vec<f64> =
            (start..end).map(|i| (filter.of)((i as f64 - centre + 0.5) * (1.0 / wider))).collect();
        let sum: f64 = raw.iter().sum();
        let fixed = |weight: f64| {
            let scaled = weight / sum * f64::from(1 << BITS);
            (scaled + 0.5_f64.copysign(scaled)) as i32
        };
        Window { start, weights: raw.into_iter().map(fixed).collect() }
    };
    (0..to).map(window).collect()
}

fn along_rows(source: &[u8], stride: usize, rows: usize, windows: &[Window]) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(rows * windows.len() * 3);
    for row in source.chunks(stride).take(rows) {
        for Window { start, weights } in windows {
            let mut sums = [1 << (BITS - 1); 3];
            for (pixel, weight) in row[start * 3..].as_chunks::<3>().0.iter().zip(weights) {
                (0..3).for_each(|c| sums[c] += i32::from(pixel[c]) * weight);
            }
            pixels.extend(sums.map(byte));
        }
    }
    pixels
}

fn along_columns(source: &[u8], stride: usize, columns: usize, windows: &[Window]) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(columns * windows.len());
    let mut sums = vec![0; columns];
    for Window { start, weights } in windows {
        sums.fill(1 << (BITS - 1));
        for (row, weight) in source.chunks(stride).skip(*start).zip(weights) {
            sums.iter_mut().zip(row).for_each(|(sum, byte)| *sum += i32::from(*byte) * weight);
        }
        pixels.extend(sums.iter().map(|sum| byte(*sum)));
    }
    pixels
}

fn byte(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}
