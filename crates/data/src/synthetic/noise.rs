//! Lattice noise and turns in exactly rounded arithmetic alone (+ − × ÷ √ ⌊⌋), so that pixels are the same on every platform.

/// A point or vector of the plane.
pub type Point = [f32; 2];

/// The point nearest lattice site of a jittered, staggered (hexagonal) lattice with spacing about 1.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// Distance to the nearest site.
    pub centre: f32,
    /// Distance to the border between the two nearest sites: lines of constant width.
    pub edge: f32,
    /// Random bits of the nearest site.
    pub hash: u32,
}

/// Random bits of a lattice site under a key (the finaliser of "lowbias32").
pub fn hash(key: u32, x: i32, y: i32) -> u32 {
    let mut h =
        key ^ (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77).rotate_left(13);
    h = (h ^ (h >> 16)).wrapping_mul(0x7feb_352d);
    h = (h ^ (h >> 15)).wrapping_mul(0x846c_a68b);
    h ^ (h >> 16)
}

/// Uniform in [0, 1) from random bits.
pub fn unit(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / (1u32 << 24) as f32)
}

/// 0 at or below `low`, 1 at or above `high`, smooth between; `low` may exceed `high` (then it falls).
pub fn ramp(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Value noise in [−1, 1] with features about 1 wide.
pub fn value(key: u32, p: Point) -> f32 {
    let (x, y) = (p[0].floor(), p[1].floor());
    let (u, v) = (ramp(0.0, 1.0, p[0] - x), ramp(0.0, 1.0, p[1] - y));
    let (x, y) = (x as i32, y as i32);
    let at = |dx, dy| unit(hash(key, x + dx, y + dy));
    let top = at(0, 0) + (at(1, 0) - at(0, 0)) * u;
    let bottom = at(0, 1) + (at(1, 1) - at(0, 1)) * u;
    2.0 * (top + (bottom - top) * v) - 1.0
}

/// Two octaves of [`value`], still within [−1, 1].
pub fn cloud(key: u32, p: Point) -> f32 {
    (value(key, p) + 0.5 * value(key ^ 0x5bd1_e995, [p[0] * 2.03 + 7.1, p[1] * 2.03 - 3.7])) / 1.5
}

/// The cell of `p`; `jitter` 0 is the regular honeycomb, 1 is nearly random.
pub fn cell(key: u32, p: Point, jitter: f32) -> Cell {
    const ROW: f32 = 0.866_025_4; // √3 / 2
    let row = (p[1] / ROW).floor() as i32;
    let (mut best, mut second) = ((f32::MAX, [0.0; 2], 0), (f32::MAX, [0.0; 2]));
    for y in row - 1..=row + 2 {
        let shift = if y & 1 == 0 { 0.0 } else { 0.5 };
        let column = (p[0] - shift).floor() as i32;
        for x in column - 1..=column + 2 {
            let bits = hash(key, x, y);
            let site = [
                x as f32 + shift + jitter * (unit(bits) - 0.5),
                y as f32 * ROW + jitter * (unit(bits.rotate_left(16)) - 0.5),
            ];
            let (dx, dy) = (site[0] - p[0], site[1] - p[1]);
            let square = dx * dx + dy * dy;
            if square < best.0 {
                second = (best.0, best.1);
                best = (square, site, bits);
            } else if square < second.0 {
                second = (square, site);
            }
        }
    }
    let (dx, dy) = (second.1[0] - best.1[0], second.1[1] - best.1[1]);
    let edge = (second.0 - best.0) / (2.0 * (dx * dx + dy * dy).sqrt());
    Cell { centre: best.0.sqrt(), edge, hash: hash(best.2, 1, 2) }
}

/// (cos, sin) of `turns` full turns, to 1e-5.
pub fn turn(turns: f32) -> Point {
    let t = turns - (turns + 0.5).floor(); // −½ … ½
    // sin on a quarter turn by Taylor, the rest by symmetry
    let sin = |t: f32| {
        let t = if t > 0.25 {
            0.5 - t
        } else if t < -0.25 {
            -0.5 - t
        } else {
            t
        };
        let x = t * std::f32::consts::TAU;
        let s = x * x;
        x * (1.0 - s / 6.0 * (1.0 - s / 20.0 * (1.0 - s / 42.0 * (1.0 - s / 72.0 * (1.0 - s / 110.0)))))
    };
    let quarter = t + 0.25;
    [sin(quarter - (quarter + 0.5).floor()), sin(t)]
}
