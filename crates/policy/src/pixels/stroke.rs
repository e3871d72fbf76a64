//! Lines of any width, smooth at their edges, over an image.

use tallow_data::Image;

/// A place in pixels from the upper left corner, and the width of the line there.
#[derive(Clone, Copy)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    pub width: f64,
}

/// dark + share · (light − dark).
pub fn between(dark: [u8; 3], light: [u8; 3], share: f64) -> [f64; 3] {
    std::array::from_fn(|c| f64::from(dark[c]) + share * (f64::from(light[c]) - f64::from(dark[c])))
}

/// Paints the straight lines from point to point, their ends rounded: byte + opacity · cover · (colour − byte), rounded.
///
/// The cover of a pixel is how much of the unit interval about its distance d from the nearest line lies within half the
/// width r: [d − ½, d + ½] ∩ [−r, r]; what a straight edge along the pixels would cover.
pub fn stroke(image: &mut Image, points: &[Point], colour: [f64; 3], opacity: f64) {
    let reach = points.iter().map(|point| point.width).fold(0.0, f64::max) / 2.0 + 1.0;
    let span = |of: fn(&Point) -> f64, n: u32| {
        let (low, high) =
            points.iter().map(of).fold((f64::MAX, f64::MIN), |(l, h), at| (l.min(at), h.max(at)));
        pixels(low - reach, high + reach, n)
    };
    let (columns, rows) = (span(|point| point.x, image.width), span(|point| point.y, image.height));
    if columns.is_empty() || rows.is_empty() {
        return;
    }
    let mut cover = vec![0.0_f64; columns.len() * rows.len()];
    for pair in points.windows(2) {
        let span = |a: f64, b: f64, n: u32| pixels(a.min(b) - reach, a.max(b) + reach, n);
        for y in span(pair[0].y, pair[1].y, image.height) {
            for x in span(pair[0].x, pair[1].x, image.width) {
                let cell = &mut cover[(y - rows.start) * columns.len() + x - columns.start];
                *cell = cell.max(covered(pair, x as f64 + 0.5, y as f64 + 0.5));
            }
        }
    }
    let width = image.width as usize;
    let pixels = image.pixels.as_chunks_mut::<3>().0;
    for (y, row) in rows.zip(cover.chunks_exact(columns.len())) {
        for (pixel, cover) in
            pixels[y * width + columns.start..].iter_mut().zip(row).filter(|(_, c)| **c > 0.0)
        {
            for (byte, colour) in pixel.iter_mut().zip(colour) {
                let from = f64::from(*byte);
                *byte = (from + opacity * cover * (colour - from)).round() as u8;
            }
        }
    }
}

/// The pixels of 0..n that lie between two places.
fn pixels(from: f64, to: f64, n: u32) -> std::ops::Range<usize> {
    let cut = |place: f64| place.clamp(0.0, f64::from(n)) as usize;
    cut(from.floor())..cut(to.ceil())
}

/// How much of the pixel at (x, y) one line covers.
fn covered(line: &[Point], x: f64, y: f64) -> f64 {
    let (a, b) = (line[0], line[1]);
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let length = dx * dx + dy * dy;
    let along = if length > 0.0 { ((x - a.x) * dx + (y - a.y) * dy) / length } else { 0.0 };
    let along = along.clamp(0.0, 1.0);
    let distance = (x - a.x - along * dx).hypot(y - a.y - along * dy);
    let radius = (a.width + along * (b.width - a.width)) / 2.0;
    ((distance + 0.5).min(radius) - (distance - 0.5).max(-radius)).max(0.0)
}
