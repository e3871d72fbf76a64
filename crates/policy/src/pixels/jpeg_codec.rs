//! What JPEG compression loses, after libjpeg: chroma of half the resolution, cosine transforms, quantisation, and back. Bits are
//! not written: the rest of the format is without loss.

use tallow_data::Image;

/// The image after compression at `quality`, 1 to 100, and decompression.
pub fn compressed(image: &Image, quality: u32) -> Image {
    let (width, height) = (image.width as usize, image.height as usize);
    let planes = ycc(image);
    let [luma, blue, red] = [0, 1, 2].map(|channel| Plane {
        width,
        height,
        values: planes.iter().map(|pixel| pixel[channel]).collect(),
    });
    let luma = luma.quantised(&scaled(&LUMINANCE, quality));
    let chrominance = scaled(&CHROMINANCE, quality);
    let chroma = |plane: Plane| plane.halved().quantised(&chrominance).doubled(width, height);
    let (blue, red) = (chroma(blue), chroma(red));
    let triples = luma.values.iter().zip(&blue.values).zip(&red.values);
    let pixels = triples.flat_map(|((y, cb), cr)| rgb(*y, *cb, *cr)).collect();
    Image { width: image.width, height: image.height, pixels }
}

/// Tables of the standard's annex K, row by row.
#[rustfmt::skip]
const LUMINANCE: [u32; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];
#[rustfmt::skip]
const CHROMINANCE: [u32; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
];

/// The steps of a quality: 50 has the table, 25 twice its steps, 75 half, 100 steps of 1.
fn scaled(table: &[u32; 64], quality: u32) -> [i32; 64] {
    let percent = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    table.map(|step| ((step * percent + 50) / 100).clamp(1, 255) as i32)
}

/// Bytes, row by row.
struct Plane {
    width: usize,
    height: usize,
    values: Vec<u8>,
}

impl Plane {
    /// Of the byte at (x, y); beyond the right and the lower border are the last column and row.
    fn at(&self, x: usize, y: usize) -> u8 {
        self.values[y.min(self.height - 1) * self.width + x.min(self.width - 1)]
    }

    /// Means of two by two bytes; ties go down in even columns and up in odd ones.
    fn halved(&self) -> Plane {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        // The bytes beyond the right border are halved too: they fill the last block.
        let padded = width.next_multiple_of(8);
        let mean = |x: usize, y: usize| {
            let four =
                [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| u32::from(self.at(2 * x + dx, 2 * y + dy)));
            ((four.iter().sum::<u32>() + 1 + (x as u32 & 1)) >> 2) as u8
        };
        let values =
            (0..height).flat_map(|y| (0..padded).map(move |x| (x, y))).map(|(x, y)| mean(x, y)).collect();
        Plane { width: padded, height, values }
    }

    /// Every block of eight by eight transformed, divided by its steps, rounded, and back.
    fn quantised(&self, steps: &[i32; 64]) -> Plane {
        let mut values = vec![0; self.values.len()];
        for top in (0..self.height).step_by(8) {
            for left in (0..self.width).step_by(8) {
                let mut block: [i32; 64] =
                    std::array::from_fn(|i| i32::from(self.at(left + i % 8, top + i / 8)) - 128);
                forward(&mut block);
                for (value, step) in block.iter_mut().zip(steps) {
                    let divisor = step * 8; // the transform is eight times the orthonormal one
                    *value = value.signum() * ((value.abs() + divisor / 2) / divisor) * step;
                }
                inverse(&mut block);
                for (y, row) in block.as_chunks::<8>().0.iter().enumerate().take(self.height - top) {
                    let to = &mut values[(top + y) * self.width + left..];
                    let inside = (self.width - left).min(8);
                    for (to, value) in to[..inside].iter_mut().zip(row) {
                        *to = (value + 128).clamp(0, 255) as u8;
                    }
                }
            }
        }
        Plane { width: self.width, height: self.height, values }
    }

    /// Twice as large, cut to this size: in each direction ¾ of the nearer and ¼ of the farther byte; where the half is at most
    /// two bytes wide, every byte four times.
    fn doubled(&self, width: usize, height: usize) -> Plane {
        let half = width.div_ceil(2);
        let mut values = Vec::with_capacity(width * height);
        for y in 0..height {
            let near = &self.values[y / 2 * self.width..][..half];
            if half <= 2 {
                values.extend((0..width).map(|x| near[x / 2]));
                continue;
            }
            let other = if y % 2 == 0 { (y / 2).saturating_sub(1) } else { (y / 2 + 1).min(self.height - 1) };
            let far = &self.values[other * self.width..][..half];
            let sum = |x: usize| 3 * u32::from(near[x]) + u32::from(far[x]);
            values.extend((0..width).map(|x| {
                let next = if x % 2 == 0 { (x / 2).saturating_sub(1) } else { (x / 2 + 1).min(half - 1) };
                let bias = if x % 2 == 0 { 8 } else { 7 };
                ((3 * sum(x / 2) + sum(next) + bias) >> 4) as u8
            }));
        }
        Plane { width, height, values }
    }
}

/// ITU-R 601 luma, and blue and red less luma about 128, in 16 bits of fraction.
fn ycc(image: &Image) -> Vec<[u8; 3]> {
    let middle = (128 << 16) + (1 << 15) - 1;
    let of = |pixel: &[u8; 3]| {
        let [r, g, b] = pixel.map(i32::from);
        [
            ((19595 * r + 38470 * g + 7471 * b + (1 << 15)) >> 16) as u8,
            ((-11059 * r - 21709 * g + (b << 15) + middle) >> 16) as u8,
            (((r << 15) - 27439 * g - 5329 * b + middle) >> 16) as u8,
        ]
    };
    image.pixels.as_chunks::<3>().0.iter().map(of).collect()
}

fn rgb(y: u8, blue: u8, red: u8) -> [u8; 3] {
    let (y, blue, red) = (i32::from(y), i32::from(blue) - 128, i32::from(red) - 128);
    let half = 1 << 15;
    let channels = [
        y + ((91881 * red + half) >> 16),
        y + ((-22554 * blue - 46802 * red + half) >> 16),
        y + ((116130 * blue + half) >> 16),
    ];
    channels.map(|channel| channel.clamp(0, 255) as u8)
}

/// Eight times the cosine transform, rows first, with 13 bits of fraction and 2 between the passes (Loeffler, Ligtenberg and
/// Moschytz 1989, libjpeg's `jfdctint`).
fn forward(block: &mut [i32; 64]) {
    for row in block.as_chunks_mut::<8>().0 {
        *row = forward_line(*row, |sum| sum << 2, 11);
    }
    columns(block, |column| forward_line(column, |sum| rounded(sum, 2), 15));
}

/// Columns first: libjpeg's `jidctint`.
fn inverse(block: &mut [i32; 64]) {
    columns(block, |column| inverse_line(column, 11));
    for row in block.as_chunks_mut::<8>().0 {
        *row = inverse_line(*row, 18);
    }
}

fn columns(block: &mut [i32; 64], line: impl Fn([i32; 8]) -> [i32; 8]) {
    for x in 0..8 {
        let column = line(std::array::from_fn(|y| block[y * 8 + x]));
        column.into_iter().enumerate().for_each(|(y, value)| block[y * 8 + x] = value);
    }
}

fn rounded(value: i32, bits: u32) -> i32 {
    (value + (1 << (bits - 1))) >> bits
}

fn forward_line(d: [i32; 8], even: impl Fn(i32) -> i32, bits: u32) -> [i32; 8] {
    let [s0, s1, s2, s3] = [d[0] + d[7], d[1] + d[6], d[2] + d[5], d[3] + d[4]];
    let odd = [d[3] - d[4], d[2] - d[5], d[1] - d[6], d[0] - d[7]];
    let (a, b, c, e) = (s0 + s3, s1 + s2, s0 - s3, s1 - s2);
    let z = (e + c) * 4433;
    let [d7, d5, d3, d1] = odd_part(odd);
    let round = |value| rounded(value, bits);
    [
        even(a + b),
        round(d1),
        round(z + c * 6270),
        round(d3),
        even(a - b),
        round(d5),
        round(z - e * 15137),
        round(d7),
    ]
}

fn inverse_line(d: [i32; 8], bits: u32) -> [i32; 8] {
    let z = (d[2] + d[6]) * 4433;
    let (low, high) = (z - d[6] * 15137, z + d[2] * 6270);
    let (sum, less) = ((d[0] + d[4]) << 13, (d[0] - d[4]) << 13);
    let even = [sum + high, less + low, less - low, sum - high];
    let odd = odd_part([d[7], d[5], d[3], d[1]]);
    std::array::from_fn(|i| match i {
        0..4 => rounded(even[i] + odd[3 - i], bits),
        _ => rounded(even[7 - i] - odd[i - 4], bits),
    })
}

/// The rotations that both directions share, √2 times the cosines, in 13 bits of fraction.
fn odd_part([a, b, c, d]: [i32; 4]) -> [i32; 4] {
    let z5 = (a + c + b + d) * 9633;
    let (z1, z2) = ((a + d) * -7373, (b + c) * -20995);
    let (z3, z4) = ((a + c) * -16069 + z5, (b + d) * -3196 + z5);
    [a * 2446 + z1 + z3, b * 16819 + z2 + z4, c * 25172 + z2 + z3, d * 12299 + z1 + z4]
}
