//! Pixels of a lesion in a view, at any size, antialiased; no randomness.

use super::lesion::{Lesion, Mark, Palette};
use super::noise::{Point, cloud, hash, ramp, unit, value};
use super::view::View;
use crate::Image;

/// Below this size every pixel is the mean of 2 × 2 samples; above it, edges a pixel wide are enough.
const SUPERSAMPLE_BELOW: u32 = 96;

/// The picture, `size` × `size`.
pub fn render(lesion: &Lesion, view: &View, size: u32) -> Image {
    let per_pixel = if size < SUPERSAMPLE_BELOW { 2 } else { 1 };
    let canvas = Canvas::new(view, (size * per_pixel) as usize);
    let lit = canvas.paint(lesion, view);
    let blurred = blur(lit, canvas.n, view.blur * canvas.n as f32);
    let image = develop(&blurred, view, size as usize, per_pixel as usize);
    Image { width: size, height: size, pixels: image }
}

/// The grid of samples, n × n, and its map to the lesion.
struct Canvas {
    n: usize,
    inverse: [[f32; 2]; 2],
    /// Radius of the lesion in image units: the scale of the map.
    scale: f32,
}

impl Canvas {
    fn new(view: &View, n: usize) -> Canvas {
        let [[a, b], [c, d]] = view.matrix;
        let det = a * d - b * c;
        let inverse = [[d / det, -b / det], [-c / det, a / det]];
        Canvas { n, inverse, scale: det.abs().sqrt() }
    }

    fn place(&self, index: usize) -> Point {
        let n = self.n as f32;
        [((index % self.n) as f32 + 0.5) / n, ((index / self.n) as f32 + 0.5) / n]
    }

    fn to_lesion(&self, view: &View, at: Point) -> Point {
        let (x, y) = (at[0] - view.centre[0], at[1] - view.centre[1]);
        let [[a, b], [c, d]] = self.inverse;
        [a * x + b * y, c * x + d * y]
    }

    /// Colours of all samples under white light.
    fn paint(&self, lesion: &Lesion, view: &View) -> Vec<[f32; 3]> {
        let pixel = 1.0 / (self.n as f32 * self.scale); // in lesion units
        let count = self.n * self.n;
        let (mut cover, mut tone) = (vec![0.0f32; count], vec![0.0f32; count]);
        let mut clouds = vec![0.0f32; count];
        let mut depths = vec![0.0f32; count];
        let points: Vec<Point> =
            (0..count).map(|i| lesion.warp(self.to_lesion(view, self.place(i)))).collect();
        for (i, &p) in points.iter().enumerate() {
            let depth = lesion.depth(p);
            depths[i] = depth;
            cover[i] = lesion.cover(depth, pixel);
            if depth < 1.5 {
                tone[i] = lesion.pattern.tone(lesion.key, p, depth, pixel);
                clouds[i] = lesion.clouds(p);
            }
        }
        for mark in &lesion.marks {
            self.stamp(lesion, view, mark, &points, |i, alpha| {
                tone[i] += (mark.tone - tone[i]) * alpha * mark.strength;
                if mark.grows {
                    cover[i] = cover[i].max(alpha);
                }
            });
        }
        let Palette { level, clouds: share, .. } = lesion.palette;
        standardise(&mut tone, &cover, level[0], level[1] * (1.0 - share).sqrt());
        standardise(&mut clouds, &cover, 0.0, level[1] * share.sqrt());
        let mut colours: Vec<[f32; 3]> = (0..count)
            .map(|i| {
                let skin = skin(lesion, view, points[i], depths[i]);
                if cover[i] == 0.0 {
                    return skin;
                }
                let colour = lesion.colour(points[i], depths[i], tone[i] + clouds[i]);
                std::array::from_fn(|c| skin[c] + (colour[c] - skin[c]) * cover[i])
            })
            .collect();
        self.overlay(view, &mut colours);
        colours
    }

    /// What lies on the skin: hairs, ruler, bubbles.
    fn overlay(&self, view: &View, colours: &mut [[f32; 3]]) {
        let pixel = 1.0 / self.n as f32;
        for (mark, colour) in &view.strokes {
            self.cover(
                mark,
                pixel,
                |i| self.place(i),
                (mark.from, mark.to, mark.reach(pixel)),
                |i, alpha| {
                    colours[i] = std::array::from_fn(|c| colours[i][c] + (colour[c] - colours[i][c]) * alpha);
                },
            );
        }
        for &(centre, radius) in &view.bubbles {
            let disc = Mark::stroke(centre, centre, [radius; 2], 0.0);
            self.cover(
                &disc,
                pixel,
                |i| self.place(i),
                (centre, centre, disc.reach(pixel)),
                |i, alpha| {
                    let [x, y] = self.place(i);
                    let (x, y) = ((x - centre[0]) / radius, (y - centre[1]) / radius);
                    // a bright rim, and the lamp's reflection on the upper left
                    let rim = ramp(0.6, 0.95, x * x + y * y) * 0.35;
                    let lamp = ramp(0.3, 0.15, (x + 0.35).powi(2) + (y + 0.35).powi(2)) * 0.6;
                    let alpha = alpha * (rim + lamp).min(0.8);
                    colours[i] = colours[i].map(|c| c + (0.97 - c) * alpha);
                },
            );
        }
    }

    /// Calls `paint` with the coverage of a mark given in lesion units; `points` are the samples in them.
    fn stamp(
        &self,
        lesion: &Lesion,
        view: &View,
        mark: &Mark,
        points: &[Point],
        paint: impl FnMut(usize, f32),
    ) {
        let to_image = |p: Point| {
            let [[a, b], [c, d]] = view.matrix;
            [view.centre[0] + a * p[0] + b * p[1], view.centre[1] + c * p[0] + d * p[1]]
        };
        let pixel = 1.0 / (self.n as f32 * self.scale);
        // the tilt lengthens by 14 % / 2 at most, the tissue's bending moves by 1.3 times √2 `bend`
        let reach = 1.1 * self.scale * (mark.reach(pixel) + 1.9 * lesion.bend);
        let (from, to) = (to_image(mark.from), to_image(mark.to));
        self.cover(mark, pixel, |i| points[i], (from, to, reach), paint);
    }

    /// Coverage of a mark over the samples within `reach` of the segment; `point` is a sample in the mark's units.
    fn cover(
        &self,
        mark: &Mark,
        pixel: f32,
        point: impl Fn(usize) -> Point,
        (from, to, reach): (Point, Point, f32),
        mut paint: impl FnMut(usize, f32),
    ) {
        let n = self.n as f32;
        let range = |axis: usize| {
            let low = ((from[axis].min(to[axis]) - reach) * n).floor().clamp(0.0, n) as usize;
            let high = ((from[axis].max(to[axis]) + reach) * n + 1.0).floor().clamp(0.0, n) as usize;
            low..high
        };
        for y in range(1) {
            for x in range(0) {
                let i = y * self.n + x;
                let alpha = mark.coverage(point(i), pixel);
                if alpha > 0.0 {
                    paint(i, alpha);
                }
            }
        }
    }
}

impl Mark {
    fn reach(&self, pixel: f32) -> f32 {
        self.radius[0].max(self.radius[1]) + pixel + 0.5 * self.soft
    }

    /// Share of a sample at `p` that the stroke covers; strokes thinner than a sample grow pale, not thinner.
    fn coverage(&self, p: Point, pixel: f32) -> f32 {
        let (dx, dy) = (self.to[0] - self.from[0], self.to[1] - self.from[1]);
        let (x, y) = (p[0] - self.from[0], p[1] - self.from[1]);
        let square = dx * dx + dy * dy;
        let t = if square > 0.0 { ((x * dx + y * dy) / square).clamp(0.0, 1.0) } else { 0.0 };
        let (x, y) = (x - t * dx, y - t * dy);
        let radius = self.radius[0] + (self.radius[1] - self.radius[0]) * t;
        let distance = (x * x + y * y).sqrt();
        (0.5 + (radius - distance) / (pixel + self.soft)).clamp(0.0, 1.0) * (2.0 * radius / pixel).min(1.0)
    }
}

/// Brings the mean and the standard deviation of `tone` over the lesion to the given ones.
fn standardise(tone: &mut [f32], cover: &[f32], level: f32, spread: f32) {
    let area = cover.iter().sum::<f32>().max(1.0);
    let mean = tone.iter().zip(cover).map(|(t, c)| t * c).sum::<f32>() / area;
    let variance = tone.iter().zip(cover).map(|(t, c)| c * (t - mean) * (t - mean)).sum::<f32>() / area;
    let gain = spread / variance.sqrt().max(1e-3);
    for t in tone {
        *t = level + (*t - mean) * gain;
    }
}

/// Mottled, furrowed skin, reddened near the lesion.
fn skin(lesion: &Lesion, view: &View, p: Point, depth: f32) -> [f32; 3] {
    let mottle = 0.035 * cloud(lesion.key ^ 0x5c1, [p[0] * 1.1, p[1] * 1.1]);
    let fine = [p[0] * 9.0, p[1] * 9.0];
    let furrow = 0.02 * (value(view.key, fine).abs() - 0.5);
    let halo = lesion.palette.halo * ramp(1.7, 0.9, depth);
    let [r, g, b] = lesion.palette.skin;
    [r + mottle + furrow - 0.3 * halo, g + mottle + furrow - halo, b + mottle + furrow - halo]
}

/// Repeated binomial passes along both axes: a Gaussian of standard deviation `sigma` samples.
fn blur(mut colours: Vec<[f32; 3]>, n: usize, sigma: f32) -> Vec<[f32; 3]> {
    let variance = sigma * sigma;
    let passes = (variance / 0.5).ceil() as usize; // a pass [w, 1 − 2w, w] adds 2w ≤ ½
    if variance < 0.01 {
        return colours;
    }
    let w = variance / passes as f32 / 2.0;
    let mut line = vec![[0.0; 3]; n];
    for _ in 0..passes {
        for stride in [1, n] {
            let across = n + 1 - stride.min(n); // the other axis' stride: n or 1
            for start in 0..n {
                let at = |i: usize| start * across + i * stride;
                for (i, out) in line.iter_mut().enumerate() {
                    let (before, here, after) = (at(i.saturating_sub(1)), at(i), at((i + 1).min(n - 1)));
                    *out = std::array::from_fn(|c| {
                        colours[here][c] * (1.0 - 2.0 * w) + w * (colours[before][c] + colours[after][c])
                    });
                }
                for (i, value) in line.iter().enumerate() {
                    colours[at(i)] = *value;
                }
            }
        }
    }
    colours
}

/// Light, dark corners, sensor: samples to bytes.
fn develop(colours: &[[f32; 3]], view: &View, size: usize, per_pixel: usize) -> Vec<u8> {
    let n = size * per_pixel;
    let mut pixels = Vec::with_capacity(size * size * 3);
    for y in 0..size {
        for x in 0..size {
            let (u, v) = ((x as f32 + 0.5) / size as f32 - 0.5, (y as f32 + 0.5) / size as f32 - 0.5);
            let mut light = 1.0 + 2.0 * (u * view.slope[0] + v * view.slope[1]);
            if let Some(radius) = view.vignette {
                light *= 1.0 - 0.94 * ramp(radius - 0.03, radius + 0.03, (u * u + v * v).sqrt());
            }
            for (c, gain) in view.gain.iter().enumerate() {
                let mut sum = 0.0;
                for dy in 0..per_pixel {
                    for dx in 0..per_pixel {
                        sum += colours[(y * per_pixel + dy) * n + x * per_pixel + dx][c];
                    }
                }
                // the sum of three uniforms of variance 1/12 has variance 1/4
                let bits = hash(view.key ^ c as u32, x as i32, y as i32);
                let grain =
                    unit(bits) + unit(bits.wrapping_mul(0x9e37_79b1)) + unit(bits.rotate_left(15)) - 1.5;
                let value = sum / (per_pixel * per_pixel) as f32 * light * gain * 255.0;
                pixels.push((value + 2.0 * view.noise * grain + 0.5).clamp(0.0, 255.0) as u8);
            }
        }
    }
    pixels
}
