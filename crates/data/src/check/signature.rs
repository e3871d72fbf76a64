//! The coarse form of a small picture as 51 numbers, which are compared under the eight symmetries of a square at the price of two.
//!
//! Coefficient (i, j) of the cosine transform, 0 < i² + j² ≤ 7.5², times √(i² + j²): natural pictures have about as much at each
//! frequency then. All together are of length 1, so that brightness and contrast play no part, and a score is a cosine. A mirrored
//! picture has coefficients of odd i (or j) negated, a transposed one has i and j exchanged: of each parity of (i, j) the products are
//! summed apart, and the best of four signs follows from the four sums.

use super::look::SIDE;

/// Coefficients that are kept.
pub const KEPT: usize = 51;

/// Frequencies each way, with 0.
const WAVES: usize = 8;

pub type Signature = [f32; KEPT];

/// Parts of a picture's sides that are cut away: left, right, top, bottom.
pub type Crop = [f64; 4];

/// What the other picture may have been cut to. Crops of up to 10 % a side lie within 3 % of one of them, mostly.
pub const CROPS: [Crop; 7] = [
    [0.0; 4],
    [0.06; 4],
    [0.09; 4],
    [0.08, 0.04, 0.08, 0.04],
    [0.04, 0.08, 0.08, 0.04],
    [0.08, 0.04, 0.04, 0.08],
    [0.04, 0.08, 0.04, 0.08],
];

/// Frequencies (i across, j down) by parity: both even, i odd, j odd, both odd.
const ORDER: [(usize, usize); KEPT] = order();

/// Where each parity ends in [`ORDER`].
pub const ENDS: [usize; 4] = [14, 27, 40, 51];

const TRANSPOSED: [usize; KEPT] = transposed();

const fn order() -> [(usize, usize); KEPT] {
    let mut order = [(0, 0); KEPT];
    let (mut parity, mut next) = (0, 0);
    while parity < 4 {
        let mut at = 1;
        while at < WAVES * WAVES {
            let (i, j) = (at % WAVES, at / WAVES);
            if i * i + j * j <= 56 && i % 2 + 2 * (j % 2) == parity {
                order[next] = (i, j);
                next += 1;
            }
            at += 1;
        }
        parity += 1;
    }
    assert!(next == KEPT);
    order
}

const fn transposed() -> [usize; KEPT] {
    let mut found = [0; KEPT];
    let mut at = 0;
    while at < KEPT {
        let mut other = 0;
        while ORDER[other].0 != ORDER[at].1 || ORDER[other].1 != ORDER[at].0 {
            other += 1;
        }
        found[at] = other;
        at += 1;
    }
    found
}

/// Of the transposed picture.
pub fn transpose(signature: &Signature) -> Signature {
    TRANSPOSED.map(|at| signature[at])
}

/// Makes signatures: the cosines of each way to cut a side.
pub struct Signer {
    cuts: Vec<(Cut, [[f32; SIDE]; WAVES])>,
}

/// What is cut off a side at its begin and its end.
type Cut = (f64, f64);

impl Signer {
    pub fn new() -> Signer {
        let mut cuts: Vec<(Cut, _)> = Vec::new();
        for [left, right, top, bottom] in CROPS {
            for cut in [(left, right), (top, bottom)] {
                if cuts.iter().all(|(known, _)| *known != cut) {
                    cuts.push((cut, cosines(cut)));
                }
            }
        }
        Signer { cuts }
    }

    /// All zeros where the cut picture is flat: it resembles nothing.
    pub fn sign(&self, small: &[u8], [left, right, top, bottom]: Crop) -> Signature {
        let cosines = |cut| &self.cuts.iter().find(|(known, _)| *known == cut).expect("one of CROPS").1;
        let (across, down) = (cosines((left, right)), cosines((top, bottom)));
        // Down the columns, then along the rows.
        let mut columns = [[0.0f32; SIDE]; WAVES];
        for (row, pixels) in small.chunks_exact(SIDE).enumerate() {
            for (sums, cosine) in columns.iter_mut().zip(down) {
                let factor = cosine[row];
                sums.iter_mut().zip(pixels).for_each(|(sum, pixel)| *sum += factor * f32::from(*pixel));
            }
        }
        let coefficient = |(i, j): (usize, usize)| {
            let sum: f32 = columns[j].iter().zip(&across[i]).map(|(a, b)| a * b).sum();
            sum * ((i * i + j * j) as f32).sqrt()
        };
        let found = ORDER.map(coefficient);
        let length = found.iter().map(|value| value * value).sum::<f32>().sqrt();
        if length < FLAT { [0.0; KEPT] } else { found.map(|value| value / length) }
    }
}

/// Grey levels: what a picture of one colour has after compression.
const FLAT: f32 = 1.0;

/// √2 · cos(π i x), or 1, integrated over each pixel's share of what is left of a side; x runs from 0 to 1 over what is left.
fn cosines((before, after): (f64, f64)) -> [[f32; SIDE]; WAVES] {
    let width = 1.0 - before - after;
    let at = |pixel: usize| ((pixel as f64 / SIDE as f64 - before) / width).clamp(0.0, 1.0);
    std::array::from_fn(|wave| {
        let wave = wave as f64 * std::f64::consts::PI;
        let integral = |x: f64| if wave == 0.0 { x } else { 2.0f64.sqrt() * (wave * x).sin() / wave };
        std::array::from_fn(|pixel| (integral(at(pixel + 1)) - integral(at(pixel))) as f32)
    })
}

/// How a picture is turned into another: transposed or not, then mirrored left to right, then top to bottom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    pub transposed: bool,
    pub mirrored: bool,
    pub upside_down: bool,
}

/// The best score over the eight turns of the first picture, and the turn.
pub fn best_turn(first: &Signature, second: &Signature) -> (f32, Turn) {
    let mut best = (f32::MIN, Turn::default());
    for transposed in [false, true] {
        let first = if transposed { transpose(first) } else { *first };
        let mut sums = [0.0f32; 4];
        let mut from = 0;
        for (sum, end) in sums.iter_mut().zip(ENDS) {
            *sum = (from..end).map(|at| first[at] * second[at]).sum();
            from = end;
        }
        for (mirrored, upside_down) in [(false, false), (true, false), (false, true), (true, true)] {
            let (across, down) = (if mirrored { -1.0 } else { 1.0 }, if upside_down { -1.0 } else { 1.0 });
            let score = sums[0] + across * sums[1] + down * sums[2] + across * down * sums[3];
            if score > best.0 {
                best = (score, Turn { transposed, mirrored, upside_down });
            }
        }
    }
    best
}

impl Turn {
    /// A picture of `side` × `side`, turned.
    pub fn apply<T: Copy>(self, picture: &[T], side: usize) -> Vec<T> {
        let at = |row: usize, column: usize| {
            let row = if self.upside_down { side - 1 - row } else { row };
            let column = if self.mirrored { side - 1 - column } else { column };
            if self.transposed { picture[column * side + row] } else { picture[row * side + column] }
        };
        (0..side * side).map(|pixel| at(pixel / side, pixel % side)).collect()
    }

    /// What is cut of the turned picture.
    pub fn crop(self, [left, right, top, bottom]: Crop) -> Crop {
        let [left, right, top, bottom] =
            if self.transposed { [top, bottom, left, right] } else { [left, right, top, bottom] };
        let [left, right] = if self.mirrored { [right, left] } else { [left, right] };
        let [top, bottom] = if self.upside_down { [bottom, top] } else { [top, bottom] };
        [left, right, top, bottom]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn noisy(seed: u64) -> Vec<u8> {
        let mut rng = tallow_seed::Seed::new(seed).rng();
        let waves: Vec<[f64; 4]> = (0..12)
            .map(|_| [rng.uniform() * 12.0, rng.uniform() * 12.0, rng.uniform() * 6.3, rng.uniform()])
            .collect();
        let level = |at: usize| {
            let (x, y) = ((at % SIDE) as f64 / SIDE as f64, (at / SIDE) as f64 / SIDE as f64);
            waves.iter().map(|[a, b, c, d]| d * (a * x + b * y + c).sin()).sum::<f64>()
        };
        (0..SIDE * SIDE).map(|at| (128.0 + 15.0 * level(at)) as u8).collect()
    }

    #[test]
    fn every_turn_is_found() {
        let signer = Signer::new();
        let (picture, other) = (noisy(1), noisy(2));
        let signature = signer.sign(&picture, CROPS[0]);
        for bits in 0..8 {
            let turn = Turn { transposed: bits & 4 > 0, mirrored: bits & 2 > 0, upside_down: bits & 1 > 0 };
            let turned = signer.sign(&turn.apply(&picture, SIDE), CROPS[0]);
            let (score, found) = best_turn(&signature, &turned);
            assert!(score > 0.9999 && found == turn, "{turn:?}: {score}, {found:?}");
        }
        assert!(best_turn(&signature, &signer.sign(&other, CROPS[0])).0 < 0.9);
        assert_eq!(signer.sign(&[7; SIDE * SIDE], CROPS[0]), [0.0; KEPT]);
    }

    #[test]
    fn contrast_and_brightness_play_no_part_and_a_crop_is_one() {
        let signer = Signer::new();
        let picture = noisy(3);
        let brighter: Vec<u8> = picture.iter().map(|level| level / 2 + 90).collect();
        assert!(best_turn(&signer.sign(&picture, CROPS[0]), &signer.sign(&brighter, CROPS[0])).0 > 0.999);
        // 4 pixels of 64 away at each side, by nearest neighbours; turned, the crop turns too.
        let from = |at: usize| 4 + (at * 2 + 1) * (SIDE - 8) / (2 * SIDE);
        let cut: Vec<u8> =
            (0..SIDE * SIDE).map(|at| picture[from(at / SIDE) * SIDE + from(at % SIDE)]).collect();
        let full = best_turn(&signer.sign(&picture, CROPS[0]), &signer.sign(&cut, CROPS[0])).0;
        let same = best_turn(&signer.sign(&picture, CROPS[1]), &signer.sign(&cut, CROPS[0])).0;
        assert!(same > 0.99 && full < same - 0.02, "{same}, whole {full}");
        let turn = Turn { transposed: true, mirrored: true, upside_down: false };
        let turned = signer.sign(&turn.apply(&picture, SIDE), CROPS[5]);
        assert!(turn.crop([0.08, 0.04, 0.08, 0.04]) == [0.04, 0.08, 0.08, 0.04]);
        let back = CROPS.into_iter().find(|crop| turn.crop(*crop) == CROPS[5]).unwrap();
        assert!(best_turn(&signer.sign(&picture, back), &turned).0 > 0.999);
    }
}
