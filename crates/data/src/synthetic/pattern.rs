//! The grounds of lesions: fields of relative darkness.

use super::noise::{Point, cell, cloud, ramp, unit, value};

/// What lies below a lesion's marks. Lengths are in radii of the lesion.
#[derive(Clone, Copy, Debug)]
pub enum Pattern {
    /// Pigment without structure.
    Cloudy,
    /// Dark lines around light holes: spacing, width and irregularity (0 honeycomb … 1 atypical).
    Network { spacing: f32, width: f32, irregular: f32 },
    /// A pale, ragged scar of the given radius amid a delicate network.
    Scar { radius: f32, spacing: f32, off: Point },
    /// Dark round lakes between light septa.
    Lacunes { spacing: f32, septum: f32 },
    /// Pale rings with a dark plug on a dark ground, like the seeds of a strawberry.
    Strawberry { spacing: f32 },
    /// Brain-like folds: light ridges between dark fissures.
    Ridges { spacing: f32, along: Point, wander: f32 },
}

impl Pattern {
    /// Darkness at a point of the lesion, in any unit; edges are at least `pixel` wide.
    pub fn tone(&self, key: u32, p: Point, depth: f32, pixel: f32) -> f32 {
        match *self {
            Pattern::Cloudy => 0.15 * cloud(key, [p[0] * 2.5, p[1] * 2.5]),
            Pattern::Network { spacing, width, irregular } => {
                let line = network(key, p, spacing, width, irregular, pixel);
                let broken = irregular * ramp(0.1, 0.5, value(key ^ 0xb0e, [p[0] * 1.9, p[1] * 1.9]));
                // typical networks thin out towards the border
                let fade = 1.0 - (1.0 - irregular) * 0.6 * ramp(0.7, 1.0, depth);
                line * fade * (1.0 - broken) + 0.35 * broken
            }
            Pattern::Scar { radius, spacing, off } => {
                let [x, y] = [p[0] - off[0], p[1] - off[1]];
                let ragged = 0.3 * cloud(key ^ 0x5ca2, [p[0] * 4.0, p[1] * 4.0]);
                let scar = ramp(radius + 0.14, radius - 0.14, (x * x + y * y).sqrt() + ragged);
                let line = network(key, p, spacing, 0.09, 0.15, pixel);
                // white strands cross the scar
                let strand = 0.3 * value(key ^ 0x57a, [p[0] * 9.0, p[1] * 3.0]);
                (0.35 + 0.65 * line) * (1.0 - scar) + (strand - 0.35) * scar
            }
            Pattern::Lacunes { spacing, septum } => {
                let at = cell(key, [p[0] / spacing, p[1] / spacing], 0.6);
                let soft = 0.5 * pixel + 0.04;
                // the distance to the septa and to the centre together round the corners off
                let inner = at.edge * spacing - septum * (1.0 + 2.5 * ramp(0.36, 0.62, at.centre));
                let lake = ramp(-soft, soft, inner);
                lake * (0.55 + 0.45 * unit(at.hash))
            }
            Pattern::Strawberry { spacing } => {
                let at = cell(key, [p[0] / spacing, p[1] / spacing], 0.45);
                let (r, soft) = (at.centre * spacing, 0.5 * pixel + 0.04);
                let size = (0.3 + 0.1 * unit(at.hash)) * spacing;
                let ring = ramp(size + soft, size - soft, r);
                let plug = ramp(0.13 * spacing + soft, 0.13 * spacing - soft, r);
                let open = unit(at.hash.rotate_left(8)) < 0.85;
                let net = 0.75 + 0.35 * cloud(key, [p[0] * 4.0, p[1] * 4.0]);
                if open {
                    net * (1.0 - ring) + plug * (0.4 + 0.6 * unit(at.hash.rotate_left(16)))
                } else {
                    net
                }
            }
            Pattern::Ridges { spacing, along, wander } => {
                let bend = wander * value(key, [p[0] * 1.2, p[1] * 1.2])
                    + 0.3 * wander * value(key ^ 7, [p[0] * 3.1, p[1] * 3.1]);
                let x = (p[0] * along[0] + p[1] * along[1] + bend) / spacing;
                let wave = 2.0 * (x - (x + 0.5).floor()).abs(); // 0 in the fissure, 1 on the ridge
                let soft = pixel / spacing + 0.2;
                let width = 0.36 + 0.22 * value(key ^ 0x21d, [p[0] * 2.6, p[1] * 2.6]);
                1.0 - ramp(width - soft, width + soft, wave)
            }
        }
    }
}

/// Lines of a network, 0 … 1, of uneven darkness, wider at the nodes.
fn network(key: u32, p: Point, spacing: f32, width: f32, irregular: f32, pixel: f32) -> f32 {
    let at = cell(key, [p[0] / spacing, p[1] / spacing], 0.3 + 0.7 * irregular);
    let swell = 1.0 + 1.2 * irregular * value(key ^ 0x11e5, [p[0] * 2.2, p[1] * 2.2]);
    let node = 1.0 + 0.8 * ramp(0.45, 0.7, at.centre);
    let (half, soft) = (0.5 * width * swell.max(0.2) * node, 0.5 * pixel + 0.035);
    let ink = 0.8 + 0.3 * value(key ^ 0x1c4, [p[0] * 3.3, p[1] * 3.3]);
    ramp(half + soft, half - soft, at.edge * spacing) * ink
}
