//! Planes padded with zeros, one row of vectors after the other: the kernel's loops then meet no border.
//!
//! Narrow planes of several images lie side by side, `pitch` outputs apart, with the zeros between them shared. At
//! stride 2 a row is its even columns, then its odd ones, so that every tap reads numbers that follow each other. Where
//! `step` is 2, zeros are put between rows and columns: the input gradient of a convolution at stride 2.

use super::row::Row;

/// A correlation of planes with a kernel k×k at stride 1 or 2.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub images: usize,
    pub channels: usize,
    /// The planes read, and the distance of their numbers in the frame, 1 or 2.
    pub h: usize,
    pub w: usize,
    pub step: usize,
    /// Zeros before the first row and column; less than none cuts rows and columns away.
    pub padding: isize,
    pub k: usize,
    pub stride: usize,
    /// The planes written.
    pub oh: usize,
    pub ow: usize,
}

/// Lanes `start..end` of a vector, whose lane 0 would be `at` numbers from the first number of image 0.
#[derive(Debug, Clone, Copy)]
struct Part {
    image: usize,
    at: isize,
    start: usize,
    end: usize,
}

/// What part of which planes a vector has.
#[derive(Debug)]
pub(super) struct Parts(Vec<Part>);

impl Parts {
    /// Vector `position..position + lanes` of planes `width` wide, image i's from `first` + i·`pitch` on.
    fn new(
        (images, apart): (usize, usize),
        (position, lanes): (usize, usize),
        (first, pitch): (isize, usize),
        width: usize,
    ) -> Parts {
        let part = |image: usize| {
            let begin = first + (image * pitch) as isize - position as isize;
            let lane = |at: isize| at.clamp(0, lanes as isize) as usize;
            let (start, end) = (lane(begin), lane(begin + width as isize));
            Part { image, at: (image * apart) as isize - begin, start, end }
        };
        Parts((0..images).map(part).filter(|part| part.start < part.end).collect())
    }

    /// # Safety
    /// `base` is number 0 of a row in the first of `images` planes that are valid for reads.
    #[inline(always)]
    pub unsafe fn load<V: Row>(&self, base: *const f32, images: usize) -> V {
        unsafe {
            let mut x = V::splat(0.0);
            for part in &self.0 {
                if part.image < images {
                    x = x.patch(base.wrapping_offset(part.at), part.start, part.end);
                }
            }
            x
        }
    }

    /// # Safety
    /// As for [`Self::load`], for writes.
    #[inline(always)]
    pub unsafe fn store<V: Row>(&self, x: V, base: *mut f32, images: usize) {
        unsafe {
            for part in &self.0 {
                if part.image < images {
                    x.store_part(base.wrapping_offset(part.at), part.start, part.end);
                }
            }
        }
    }
}

/// Rows of outputs that are computed together.
pub(super) const ROWS: usize = 4;

/// How the planes of a correlation lie in frames.
#[derive(Debug)]
pub(super) struct Frames {
    pub sizes: Sizes,
    /// Images side by side.
    pub together: usize,
    /// Rows of outputs of one frame, a multiple of [`ROWS`] where it is not all.
    pub strip: usize,
    /// Numbers of one of the `stride` parts of a row.
    pub phase: usize,
    /// Parts of the source in the vectors of a frame's row.
    source: Vec<Parts>,
    /// Parts of the result in the vectors of its row.
    pub result: Vec<Parts>,
}

impl Frames {
    pub fn new(sizes: Sizes, lanes: usize) -> Frames {
        let Sizes { images, channels, h, w, step, padding, k, stride, oh, ow } = sizes;
        let wide = ((w - 1) * step + 1) as isize;
        // The next image's numbers begin where no tap of this one's outputs reads, and after this one's own.
        let reach = (((ow - 1) * stride + k) as isize - padding).max(padding + wide).max(1) as usize;
        let pitch = reach.div_ceil(stride).max(ow).next_multiple_of(step);
        let together = if ow < lanes { (1 + (lanes - ow) / pitch).min(images) } else { 1 };
        let width = (together - 1) * pitch + ow;
        let phase = (width + (k - 1) / stride).next_multiple_of(lanes * step);
        let row = phase * stride;
        let strip = match 6144 / (row * stride) / ROWS * ROWS {
            strip if strip >= oh => oh,
            strip => strip.max(ROWS),
        };
        // With zeros between the columns, a vector of the source makes two of the frame.
        let odd = (padding.rem_euclid(step as isize)) as usize;
        let source = (0..row / lanes / step).map(|i| {
            let first = (padding - odd as isize) / step as isize;
            Parts::new((together, channels * h * w), (i * lanes, lanes), (first, pitch * stride / step), w)
        });
        let result = (0..width.div_ceil(lanes))
            .map(|i| Parts::new((together, channels * oh * ow), (i * lanes, lanes), (0, pitch), ow));
        Frames { sizes, together, strip, phase, source: source.collect(), result: result.collect() }
    }

    /// Numbers of a frame; the last row's vectors may be read a vector too far.
    pub fn len(&self, lanes: usize) -> usize {
        (self.rows(self.strip) * self.sizes.stride) * self.phase + lanes
    }

    /// Rows of the frame of `rows` rows of outputs.
    fn rows(&self, rows: usize) -> usize {
        (rows - 1) * self.sizes.stride + self.sizes.k
    }

    /// Fills the frame of output rows `i0..i1` from `images` planes, the first at `from`.
    ///
    /// # Safety
    /// The planes are valid for reads, and `frame` is [`Self::len`] numbers valid for writes.
    #[inline(always)]
    pub unsafe fn fill<V: Row>(
        &self,
        from: *const f32,
        images: usize,
        (i0, i1): (usize, usize),
        frame: *mut f32,
    ) {
        let Sizes { h, w, step, padding, stride, .. } = self.sizes;
        let (rows, row) = (self.rows(i1 - i0), self.phase * stride);
        let odd = padding.rem_euclid(step as isize) == 1;
        unsafe {
            let zero = V::splat(0.0);
            zero.store(frame.add(rows * row));
            for y in 0..rows {
                let to = frame.add(y * row);
                let at = (i0 * stride + y) as isize - padding;
                let line = at.div_euclid(step as isize);
                if at.rem_euclid(step as isize) != 0 || line < 0 || line >= h as isize {
                    for x in (0..row).step_by(V::LANES) {
                        zero.store(to.add(x));
                    }
                    continue;
                }
                let from = from.add(line as usize * w);
                if step == 2 {
                    for (i, parts) in self.source.iter().enumerate() {
                        let x = parts.load::<V>(from, images);
                        let (a, b) = if odd { zero.merge(x) } else { x.merge(zero) };
                        a.store(to.add(2 * i * V::LANES));
                        b.store(to.add((2 * i + 1) * V::LANES));
                    }
                } else if stride == 2 {
                    for (i, pair) in self.source.chunks_exact(2).enumerate() {
                        let (a, b) = (pair[0].load::<V>(from, images), pair[1].load::<V>(from, images));
                        let (even, odd) = a.split(b);
                        even.store(to.add(i * V::LANES));
                        odd.store(to.add(self.phase + i * V::LANES));
                    }
                } else {
                    for (i, parts) in self.source.iter().enumerate() {
                        parts.load::<V>(from, images).store(to.add(i * V::LANES));
                    }
                }
            }
        }
    }
}
