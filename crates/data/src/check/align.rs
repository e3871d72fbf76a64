//! Two small pictures laid over each other, and how alike their details are then.
//!
//! The first picture is turned and shifted, stretched and cut until it fits the second best: Gauss-Newton on the squared difference
//! a − (c · b(sx·u + tx, sy·v + ty) + d), with contrast c and brightness d free (Lucas and Kanade 1981; Evangelidis and Psarakis 2008).
//! Then both lose what is coarser than two pixels, what is left is divided by how much there is around each pixel, and the correlation
//! of that is the result. Pictures of one kind (a dark spot in the middle, a chest) are alike in what is coarse, and two small spots in
//! the steep border between dark and light: by neither are they copies. Copies agree in the skin too.

use super::look::SIDE;
use super::signature::{CROPS, Crop, Signature, Signer, Turn, best_turn};

/// How far sides may differ in scale: more than two crops of 10 % a side.
const MOST_STRETCH: f64 = 0.3;

/// Correlation of the details at half the size below which nothing is looked at closer.
const LEAST_COARSE: f64 = 0.55;

/// Standard deviation of details, of at most about 1, below which they are noise.
const LEAST_DETAIL: f64 = 0.15;

/// Where the second picture's pixels are in the first one, both from −1 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fit {
    scale: [f64; 2],
    shift: [f64; 2],
}

/// Square, of levels.
struct Plane {
    side: usize,
    levels: Vec<f32>,
}

/// Correlation, −1 to 1, of the details of two small pictures, laid over each other as well as they can be; 0 where they cannot.
pub fn correlation(signer: &Signer, first: &[u8], second: &[u8]) -> f64 {
    let whole = [signer.sign(first, CROPS[0]), signer.sign(second, CROPS[0])];
    let [there, back] = [best_cut(signer, first, &whole[1]), best_cut(signer, second, &whole[0])];
    // The one that is cut to be like the other is the source.
    let (source, target, (_, turn, crop)) =
        if there.0 >= back.0 { (first, second, there) } else { (second, first, back) };
    let source = Plane::new(&turn.apply(source, SIDE));
    let target = Plane::new(target);
    let [left, right, top, bottom] = turn.crop(crop);
    let start = Fit { scale: [1.0 - left - right, 1.0 - top - bottom], shift: [left - right, top - bottom] };
    let (small_source, small_target) = (source.halved(), target.halved());
    let Some(fit) = align(&small_target, &small_source, start, 6) else { return 0.0 };
    let bands = |plane: &Plane| plane.band(0.4, 1.5);
    if details(&small_target, &small_source, fit, bands) < LEAST_COARSE {
        return 0.0;
    }
    match align(&target, &source, fit, 4) {
        Some(fit) => details(&target, &source, fit, |plane| plane.band(0.7, 2.0).evened()),
        None => 0.0,
    }
}

/// The turn and crop of a picture that are most like another's signature.
fn best_cut(signer: &Signer, picture: &[u8], other: &Signature) -> (f32, Turn, Crop) {
    let cuts = CROPS.into_iter().map(|crop| {
        let (score, turn) = best_turn(&signer.sign(picture, crop), other);
        (score, turn, crop)
    });
    cuts.reduce(|best, cut| if cut.0 > best.0 { cut } else { best }).expect("some crops")
}

impl Plane {
    fn new(levels: &[u8]) -> Plane {
        Plane { side: SIDE, levels: levels.iter().map(|level| f32::from(*level)).collect() }
    }

    /// Means of 2 × 2.
    fn halved(&self) -> Plane {
        let side = self.side / 2;
        let level = |at: usize| {
            let above = &self.levels[(at / side * 2) * self.side + at % side * 2..];
            (above[0] + above[1] + above[self.side] + above[self.side + 1]) / 4.0
        };
        Plane { side, levels: (0..side * side).map(level).collect() }
    }

    /// Itself as `fit` says, linear between pixels and repeated beyond the border; and which columns and rows are inside of it.
    fn warped(&self, fit: Fit) -> (Plane, [std::ops::Range<usize>; 2]) {
        let side = self.side as f64;
        let along = |axis: usize| -> Vec<(f64, usize, f32)> {
            let place = |at: usize| {
                let unit = (2.0 * at as f64 + 1.0) / side - 1.0;
                let place = (fit.scale[axis] * unit + fit.shift[axis] + 1.0) / 2.0 * side - 0.5;
                let kept = place.clamp(0.0, side - 1.0);
                let before = (kept as usize).min(self.side - 2);
                (place, before, (kept - before as f64) as f32)
            };
            (0..self.side).map(place).collect()
        };
        let inside = |places: &[(f64, usize, f32)]| {
            let is_in = |place: &&(f64, usize, f32)| place.0 >= -0.5 && place.0 <= side - 0.5;
            let before = places.iter().take_while(|place| !is_in(place)).count();
            before..before + places[before..].iter().take_while(is_in).count()
        };
        let (columns, rows) = (along(0), along(1));
        let mut levels = Vec::with_capacity(self.levels.len());
        for (_, row, below) in &rows {
            let (upper, lower) = self.levels[row * self.side..].split_at(self.side);
            for (_, column, after) in &columns {
                let mix = |line: &[f32]| line[*column] + after * (line[column + 1] - line[*column]);
                let (above, under) = (mix(upper), mix(lower));
                levels.push(above + below * (under - above));
            }
        }
        let ranges = [inside(&columns), inside(&rows)];
        (Plane { side: self.side, levels }, ranges)
    }

    /// Each level divided by the standard deviation around it (a Gaussian of 4 pixels) and one level more, below which all is noise.
    fn evened(&self) -> Plane {
        let squares =
            Plane { side: self.side, levels: self.levels.iter().map(|level| level * level).collect() };
        let around = squares.blurred(4.0);
        let levels =
            self.levels.iter().zip(&around.levels).map(|(level, around)| level / (around.sqrt() + 1.0));
        Plane { side: self.side, levels: levels.collect() }
    }

    /// Without what is finer than `fine` and coarser than `coarse` pixels (standard deviations of Gaussians).
    fn band(&self, fine: f64, coarse: f64) -> Plane {
        let (fine, coarse) = (self.blurred(fine), self.blurred(coarse));
        let levels = fine.levels.iter().zip(&coarse.levels).map(|(fine, coarse)| fine - coarse).collect();
        Plane { side: self.side, levels }
    }

    fn blurred(&self, deviation: f64) -> Plane {
        let reach = (3.0 * deviation).ceil() as usize;
        let weight = |at: usize| (-((at as f64 - reach as f64) / deviation).powi(2) / 2.0).exp();
        let weights: Vec<f64> = (0..=2 * reach).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        let weights: Vec<f32> = weights.into_iter().map(|weight| (weight / sum) as f32).collect();
        let mirrored = |at: isize| {
            let last = self.side as isize - 1;
            let at = if at < 0 { -at - 1 } else { at };
            (if at > last { 2 * last + 1 - at } else { at }) as usize
        };
        let mut down = vec![0.0; self.levels.len()];
        let mut padded = vec![0.0; self.side + 2 * reach];
        let mut across = vec![0.0; self.levels.len()];
        for (row, line) in self.levels.chunks_exact(self.side).enumerate() {
            for (at, level) in padded.iter_mut().enumerate() {
                *level = line[mirrored(at as isize - reach as isize)];
            }
            let line = &mut across[row * self.side..][..self.side];
            for (at, weight) in weights.iter().enumerate() {
                line.iter_mut().zip(&padded[at..]).for_each(|(sum, level)| *sum += weight * level);
            }
        }
        for (row, line) in down.chunks_exact_mut(self.side).enumerate() {
            for (at, weight) in weights.iter().enumerate() {
                let from = mirrored((row + at) as isize - reach as isize);
                let levels = &across[from * self.side..][..self.side];
                line.iter_mut().zip(levels).for_each(|(sum, level)| *sum += weight * level);
            }
        }
        Plane { side: self.side, levels: down }
    }
}

/// The fit with the best correlation on the way, from `start`; `None` where it leaves what a crop can explain.
fn align(target: &Plane, source: &Plane, start: Fit, rounds: usize) -> Option<Fit> {
    let side = target.side;
    let unit = |at: usize| (2.0 * at as f32 + 1.0) / side as f32 - 1.0;
    let (mut fit, mut best) = (start, (-1.0, start));
    for round in 0..=rounds {
        if (0..2).any(|axis| (fit.scale[axis] - 1.0).abs() > MOST_STRETCH) {
            break;
        }
        let (warped, [columns, rows]) = source.warped(fit);
        let score = correlated(target, &warped, &columns, &rows).0;
        if score > best.0 {
            best = (score, fit);
        }
        if round == rounds {
            break;
        }
        let count = (columns.len() * rows.len()).max(1) as f32;
        let mean = |plane: &Plane| {
            let lines =
                rows.clone().map(|row| plane.levels[row * side..][columns.clone()].iter().sum::<f32>());
            lines.sum::<f32>() / count
        };
        let (mean_target, mean_warped) = (mean(target), mean(&warped));
        // Of the target: by the four numbers of the fit, contrast and brightness.
        let mut normal = [[0.0f64; 7]; 6];
        let steps = fit.scale.map(|scale| side as f32 / 4.0 / scale as f32);
        for row in rows {
            let mut sums = [[0.0f32; 7]; 6];
            let line = |row: usize| &warped.levels[row * side..][..side];
            let (above, here, below) =
                (line(row.saturating_sub(1)), line(row), line((row + 1).min(side - 1)));
            for column in columns.clone() {
                let across = (here[(column + 1).min(side - 1)] - here[column.saturating_sub(1)]) * steps[0];
                let down = (below[column] - above[column]) * steps[1];
                let by =
                    [across * unit(column), across, down * unit(row), down, here[column] - mean_warped, 1.0];
                let wanted = target.levels[row * side + column] - mean_target;
                for i in 0..6 {
                    (i..6).for_each(|j| sums[i][j] += by[i] * by[j]);
                    sums[i][6] += by[i] * wanted;
                }
            }
            for (total, sum) in normal.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
                *total += f64::from(*sum);
            }
        }
        let Some(step) = solved(normal) else { break };
        // A contrast of nearly nothing, or less, is no picture laid over another.
        if step[4] < 0.2 {
            break;
        }
        fit.scale = [fit.scale[0] + step[0] / step[4], fit.scale[1] + step[2] / step[4]];
        fit.shift = [fit.shift[0] + step[1] / step[4], fit.shift[1] + step[3] / step[4]];
    }
    (best.0 > 0.0).then_some(best.1)
}

/// Of symmetric equations, the upper half given; `None` where they do not determine a solution.
fn solved(upper: [[f64; 7]; 6]) -> Option<[f64; 6]> {
    let whole = |i: usize, j: usize| if j < i { upper[j][i] } else { upper[i][j] };
    let mut rows: [[f64; 7]; 6] = std::array::from_fn(|i| {
        std::array::from_fn(|j| if i == j { whole(i, i) * (1.0 + 1e-6) + 1e-6 } else { whole(i, j) })
    });
    for i in 0..6 {
        let pivot = rows[i];
        // NaN is no pivot either.
        if pivot[i].partial_cmp(&1e-9).is_none_or(|order| order.is_le()) {
            return None;
        }
        for (j, row) in rows.iter_mut().enumerate() {
            if j != i {
                let factor = row[i] / pivot[i];
                row.iter_mut().zip(pivot).for_each(|(value, above)| *value -= factor * above);
            }
        }
    }
    Some(std::array::from_fn(|i| rows[i][6] / rows[i][i]))
}

/// Correlation of the details where the pictures overlap; 0 where either has none.
fn details(target: &Plane, source: &Plane, fit: Fit, of: impl Fn(&Plane) -> Plane) -> f64 {
    let (warped, [columns, rows]) = source.warped(fit);
    let least = target.side / 2;
    if columns.len() < least || rows.len() < least {
        return 0.0;
    }
    let (target, warped) = (of(target), of(&warped));
    let (score, [first, second]) = correlated(&target, &warped, &columns, &rows);
    if first.min(second) < LEAST_DETAIL { 0.0 } else { score }
}

/// Correlation over some columns and rows, and the standard deviation of each.
fn correlated(
    first: &Plane,
    second: &Plane,
    columns: &std::ops::Range<usize>,
    rows: &std::ops::Range<usize>,
) -> (f64, [f64; 2]) {
    let mut sums = [0.0f64; 5];
    for row in rows.clone() {
        let line = |plane: &Plane| row * plane.side + columns.start..row * plane.side + columns.end;
        let mut of_row = [0.0f32; 5];
        for (a, b) in first.levels[line(first)].iter().zip(&second.levels[line(second)]) {
            let (a, b) = (*a, *b);
            of_row.iter_mut().zip([a, b, a * a, b * b, a * b]).for_each(|(sum, value)| *sum += value);
        }
        sums.iter_mut().zip(of_row).for_each(|(sum, value)| *sum += f64::from(value));
    }
    let count = (columns.len() * rows.len()).max(1) as f64;
    let [a, b, aa, bb, ab] = sums.map(|sum| sum / count);
    let (first, second) = ((aa - a * a).max(0.0).sqrt(), (bb - b * b).max(0.0).sqrt());
    ((ab - a * b) / (first * second).max(1e-9), [first, second])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blobs on a slope: the slope is the same for all.
    fn picture(seed: u64, cut: f64) -> Vec<u8> {
        let mut rng = tallow_seed::Seed::new(seed).rng();
        let blobs: Vec<[f64; 4]> = (0..60)
            .map(|_| [rng.uniform(), rng.uniform(), 0.01 + 0.03 * rng.uniform(), rng.uniform_in(-60.0, 60.0)])
            .collect();
        let level = |at: usize| {
            let place = |at: usize| cut + (1.0 - 2.0 * cut) * (at as f64 + 0.5) / SIDE as f64;
            let (x, y) = (place(at % SIDE), place(at / SIDE));
            let blob = |[a, b, size, height]: &[f64; 4]| {
                height * (-((x - a).powi(2) + (y - b).powi(2)) / (2.0 * size * size)).exp()
            };
            60.0 + 100.0 * (x + 0.5 * y) / 1.5 + blobs.iter().map(blob).sum::<f64>()
        };
        (0..SIDE * SIDE).map(|at| level(at).clamp(0.0, 255.0) as u8).collect()
    }

    #[test]
    fn copies_correlate_cut_and_turned_and_others_do_not() {
        let signer = Signer::new();
        let whole = picture(1, 0.0);
        let turn = Turn { transposed: true, mirrored: true, upside_down: false };
        let paler = |levels: Vec<u8>| levels.into_iter().map(|level| 40 + level / 2).collect::<Vec<u8>>();
        for copy in
            [whole.clone(), paler(whole.clone()), turn.apply(&whole, SIDE), picture(1, 0.07), picture(1, 0.1)]
        {
            let copy = turn.apply(&copy, SIDE);
            let found = [correlation(&signer, &whole, &copy), correlation(&signer, &copy, &whole)];
            assert!(found.iter().all(|found| *found > 0.9), "{found:?}");
        }
        for other in 2..12 {
            let found = correlation(&signer, &whole, &picture(other, 0.0));
            assert!(found < 0.5, "{other}: {found}");
        }
        assert_eq!(correlation(&signer, &whole, &[50; SIDE * SIDE]), 0.0);
    }

    #[test]
    fn equations_are_solved() {
        let mut rows = [[0.0; 7]; 6];
        for (i, row) in rows.iter_mut().enumerate() {
            row[i] = 2.0 + i as f64;
            row[6] = 3.0 * row[i];
        }
        // Of the first two unknowns: 2x + y = 7, x + 3y = 11.
        (rows[0][1], rows[0][6], rows[1][6]) = (1.0, 7.0, 11.0);
        let found = solved(rows).unwrap();
        assert!(
            found.iter().zip([2.0, 3.0, 3.0, 3.0, 3.0, 3.0]).all(|(a, b)| (a - b).abs() < 1e-4),
            "{found:?}"
        );
        assert_eq!(solved([[f64::NAN; 7]; 6]), None);
    }
}
