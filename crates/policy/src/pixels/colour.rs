//! What operations on colours share: blending, grey, tables, histograms; Pillow's to the last bit.

use tallow_data::Image;

/// Pillow's `Image.blend`: `from + factor · (to − from)` in single precision, cut to bytes without rounding.
pub fn mix(from: u8, to: u8, factor: f32) -> u8 {
    (f32::from(from) + factor * (f32::from(to) - f32::from(from))) as u8
}

/// ITU-R 601 luma in 16 bits of fraction, as Pillow's mode L.
pub fn grey([red, green, blue]: [u8; 3]) -> u8 {
    ((u32::from(red) * 19595 + u32::from(green) * 38470 + u32::from(blue) * 7471 + 0x8000) >> 16) as u8
}

/// What becomes of each byte.
pub type Table = [u8; 256];

/// The table of a function of bytes.
pub fn table(of: impl Fn(u8) -> u8) -> Table {
    std::array::from_fn(|byte| of(byte as u8))
}

/// Looks all channels up in one table.
pub fn apply_table(image: &mut Image, table: &Table) {
    image.pixels.iter_mut().for_each(|byte| *byte = table[usize::from(*byte)]);
}

/// Looks each channel up in its own table.
pub fn apply_tables(image: &mut Image, [red, green, blue]: &[Table; 3]) {
    for [r, g, b] in image.pixels.as_chunks_mut::<3>().0 {
        (*r, *g, *b) = (red[usize::from(*r)], green[usize::from(*g)], blue[usize::from(*b)]);
    }
}

/// How often each byte occurs in each channel.
pub fn histograms(image: &Image) -> [[u32; 256]; 3] {
    let mut counts = [[0; 256]; 3];
    for pixel in image.pixels.as_chunks::<3>().0 {
        counts.iter_mut().zip(pixel).for_each(|(counts, byte)| counts[usize::from(*byte)] += 1);
    }
    counts
}
