//! Draws of many rows from one stream, on all threads.

use rayon::prelude::*;
use std::ops::Range;
use tallow_seed::Rng;

/// Fewer words than these are drawn sooner than another thread wakes.
const FEW: usize = 4096;

/// `draw(rows, rng)`, to the bit, in pieces of `rows` that all threads draw, where every row takes `words` words of the stream
/// but for those that an unlikely refused word moves.
pub(crate) fn draw_in_chunks<T: Send>(
    rng: &mut Rng,
    rows: Range<usize>,
    words: usize,
    draw: impl Fn(Range<usize>, &mut Rng) -> Vec<T> + Sync,
) -> Vec<T> {
    if rows.len() * words < FEW {
        return draw(rows, rng);
    }
    let size = (FEW / 4 / words).max(1);
    let piece = |first: usize| first..(first + size).min(rows.end);
    let ahead = |first: usize| ((first - rows.start) * words) as u64;
    let begun = rng.position();
    let starts: Vec<usize> = rows.clone().step_by(size).collect();
    let pieces: Vec<(Vec<T>, Rng)> = starts
        .par_iter()
        .with_max_len(1)
        .map(|&first| {
            let mut rng = rng.ahead(ahead(first));
            (draw(piece(first), &mut rng), rng)
        })
        .collect();
    let mut all = Vec::with_capacity(rows.len());
    for (&first, (drawn, after)) in starts.iter().zip(pieces) {
        if rng.position() == begun + u128::from(ahead(first)) {
            all.extend(drawn);
            *rng = after;
        } else {
            // A refused word before this piece: it began too early.
            all.extend(draw(piece(first), rng));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallow_seed::Seed;

    #[test]
    fn pieces_are_one_stream() {
        // A row takes 100 words; the odd ones of these one more, which moves all after them.
        for odd in [&[][..], &[0], &[77], &[3, 4, 120, 121], &[199]] {
            let draw = |rows: Range<usize>, rng: &mut Rng| -> Vec<Vec<u32>> {
                let row =
                    |row| (0..100 + u32::from(odd.contains(&row))).map(|_| rng.below(1 << 31)).collect();
                rows.map(row).collect()
            };
            let (mut one, mut many) =
                (Seed::new(1).fold("rows", 0).rng(), Seed::new(1).fold("rows", 0).rng());
            let expected = draw(3..200, &mut one);
            assert!(draw_in_chunks(&mut many, 3..200, 100, draw) == expected, "{odd:?}");
            assert_eq!(one.position(), many.position());
        }
    }
}
