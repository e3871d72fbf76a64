//! What tells the classes apart: outline, pattern and marks of each, after the pattern analysis of dermoscopy.
//!
//! Lengths are in radii of the lesion. Tones are relative: the renderer brings mean and spread to the palette's.

use tallow_seed::Rng;

use super::lesion::{Border, Class, Mark};
use super::noise::{Point, turn};
use super::pattern::Pattern;

/// Outline, pattern and marks of a lesion of the class.
pub fn draw(class: Class, rng: &mut Rng) -> (Border, Pattern, Vec<Mark>) {
    match class {
        Class::Melanoma => melanoma(rng),
        Class::Nevus => nevus(rng),
        Class::BasalCell => basal_cell(rng),
        Class::Keratosis => keratosis(rng),
        Class::BenignKeratosis => benign_keratosis(rng),
        Class::Dermatofibroma => dermatofibroma(rng),
        Class::Vascular => vascular(rng),
    }
}

/// Uniform in [low, high).
pub fn between(rng: &mut Rng, low: f32, high: f32) -> f32 {
    rng.uniform_in(f64::from(low), f64::from(high)) as f32
}

/// Atypical network, an eccentric blotch, streaks over a part of the rim, a notched outline.
fn melanoma(rng: &mut Rng) -> (Border, Pattern, Vec<Mark>) {
    let border = border(rng, 0.07, 0.14, 0.08);
    let pattern = Pattern::Network {
        spacing: between(rng, 0.4, 0.52),
        width: between(rng, 0.12, 0.16),
        irregular: between(rng, 0.7, 1.0),
    };
    let mut marks = Vec::new();
    let blotch = polar(between(rng, 0.0, 1.0), between(rng, 0.25, 0.55));
    for _ in 0..5 {
        let off = polar(between(rng, 0.0, 1.0), between(rng, 0.0, 0.16));
        let at = [blotch[0] + off[0], blotch[1] + off[1]];
        marks.push(Mark { soft: 0.1, strength: 0.8, ..disc(at, between(rng, 0.12, 0.24), 0.95) });
    }
    if rng.bernoulli(0.8) {
        let (start, span) = (between(rng, 0.0, 1.0), between(rng, 0.35, 0.8));
        let count = (span * between(rng, 16.0, 22.0)) as u32;
        for i in 0..count {
            let at = start + span * (i as f32 + between(rng, -0.3, 0.3)) / count as f32;
            let (from, tip) = (between(rng, 0.65, 0.85), between(rng, 1.06, 1.28));
            let radius = [between(rng, 0.04, 0.07), between(rng, 0.025, 0.06)];
            let to = polar(at + between(rng, -0.015, 0.015), tip);
            let stroke = Mark::stroke(polar(at, from), to, radius, 1.0);
            marks.push(Mark { soft: 0.05, strength: between(rng, 0.7, 1.0), grows: true, ..stroke });
        }
    }
    for _ in 0..3 + rng.below(6) {
        let at = polar(between(rng, 0.0, 1.0), between(rng, 0.2, 0.95));
        marks.push(Mark { soft: 0.04, ..disc(at, between(rng, 0.03, 0.09), 1.0) });
    }
    (border, pattern, marks)
}

/// A smooth oval with a regular network, or with even globules.
fn nevus(rng: &mut Rng) -> (Border, Pattern, Vec<Mark>) {
    let border = border(rng, 0.03, 0.02, 0.2);
    if rng.bernoulli(0.7) {
        let (spacing, irregular) = (between(rng, 0.3, 0.4), between(rng, 0.0, 0.25));
        return (border, Pattern::Network { spacing, width: 0.1, irregular }, Vec::new());
    }
    let spacing = between(rng, 0.28, 0.36);
    let mut marks = Vec::new();
    for row in -4..=4 {
        for column in -4..=4 {
            let shift = if row & 1 == 0 { 0.0 } else { 0.5 };
            let x = spacing * (column as f32 + shift + between(rng, -0.14, 0.14));
            let y = spacing * (row as f32 * 0.866 + between(rng, -0.14, 0.14));
            if x * x + y * y < 0.95 {
                let strength = between(rng, 0.6, 1.0);
                let radius = spacing * between(rng, 0.2, 0.3);
                marks.push(Mark { soft: 0.05, strength, ..disc([x, y], radius, 1.0) });
            }
        }
    }
    (border, Pattern::Cloudy, marks)
}

/// Vessels that branch and taper inwards from the rim, and some ovoid nests.
fn basal_cell(rng: &mut Rng) -> (Border, Pattern, Vec<Mark>) {
    let border = border(rng, 0.05, 0.06, 0.12);
    let mut marks = Vec::new();
    for _ in 0..rng.below(4) {
        let at = polar(between(rng, 0.0, 1.0), between(rng, 0.5, 0.8));
        let long = polar(between(rng, 0.0, 1.0), 0.08);
        let nest = Mark::stroke(at, [at[0] + long[0], at[1] + long[1]], [0.1; 2], 0.7);
        marks.push(Mark { soft: 0.08, strength: 0.8, ..nest });
    }
    let trunks = 2 + rng.below(2);
    let first = between(rng, 0.0, 1.0);
    for trunk in 0..trunks {
        let at = first + (trunk as f32 + between(rng, -0.2, 0.2)) / trunks as f32;
        let heading = at + 0.5 + between(rng, -0.08, 0.08);
        let radius = between(rng, 0.045, 0.06);
        vessel(rng, polar(at, 1.0), heading, radius, 1.5, &mut marks);
    }
    (border, Pattern::Cloudy, marks)
}

/// A vessel that begins at `at`, heads for `heading` (turns), and forks as it goes.
fn vessel(
    rng: &mut Rng,
    mut at: Point,
    mut heading: f32,
    mut radius: f32,
    length: f32,
    marks: &mut Vec<Mark>,
) {
    const STEP: f32 = 0.11;
    let mut bend = between(rng, -0.02, 0.02);
    for step in 0..(length / STEP) as u32 {
        bend = (bend + between(rng, -0.04, 0.04)).clamp(-0.04, 0.04);
        heading += bend;
        let go = polar(heading, STEP);
        let to = [at[0] + go[0], at[1] + go[1]];
        let thin = radius * 0.95;
        marks.push(Mark { soft: 0.025, ..Mark::stroke(at, to, [radius, thin], 1.0) });
        (at, radius) = (to, thin);
        if step % 3 == 2 && radius > 0.026 {
            let side = if rng.bernoulli(0.5) { 1.0 } else { -1.0 };
            let fork = heading + side * between(rng, 0.09, 0.17);
            vessel(rng, at, fork, radius * 0.75, length * 0.5, marks);
        }
    }
}

/// The strawberry pattern under flecks of scale.
fn keratosis(rng: &mut Rng) -> (Border, Pattern, Vec<Mark>) {
    let border = border(rng, 0.05, 0.08, 0.16);
    let pattern = Pattern::Strawberry { spacing: between(rng, 0.42, 0.54) };
    let mut marks = Vec::new();
    for _ in 0..3 + rng.below(5) {
        let at = polar(between(rng, 0.0, 1.0), between(rng, 0.1, 0.9));
        let long = polar(between(rng, 0.0, 1.0), between(rng, 0.05, 0.16));
        let radius = [between(rng, 0.03, 0.07), 0.02];
        let scale = Mark::stroke(at, [at[0] + long[0], at[1] + long[1]], radius, -0.3);
        marks.push(Mark { soft: 0.06, strength: 0.8, ..scale });
    }
    (border, pattern, marks)
}

/// Stuck on: a sharp outline, folds, milia-like cysts and comedo-like openings.
fn benign_keratosis(rng: &mut Rng) -> (Border, Pattern, Vec<Mark>) {
    let border = border(rng, 0.05, 0.08, 0.0);
    let folded = rng.bernoulli(0.55);
    let pattern = if folded {
        Pattern::Ridges {
            spacing: between(rng, 0.34, 0.44),
            along: turn(rng.uniform() as f32),
            wander: between(rng, 0.25, 0.45),
        }
    } else {
        Pattern::Cloudy
    };
    let mut marks: Vec<Mark> = Vec::new();
    let count = if folded { 4 } else { 12 } + rng.below(5);
    for i in 0..count {
        // spread by rejection: at most 8 tries
        let mut at = [0.0; 2];
        for _ in 0..8 {
            at = polar(between(rng, 0.0, 1.0), between(rng, 0.0, 0.8).sqrt());
            let near = |m: &Mark| (m.from[0] - at[0]).powi(2) + (m.from[1] - at[1]).powi(2) < 0.07;
            if !marks.iter().any(near) {
                break;
            }
        }
        // cyst, opening
        let tone = if i % 2 == 0 { -0.8 } else { 1.1 };
        let long = polar(between(rng, 0.0, 1.0), between(rng, 0.0, 0.06));
        let radius = [between(rng, 0.07, 0.12), 0.07];
        let mark = Mark::stroke(at, [at[0] + long[0], at[1] + long[1]], radius, tone);
        marks.push(Mark { soft: 0.05, ..mark });
    }
    (border, pattern, marks)
}

/// A pale scar amid a delicate network.
fn dermatofibroma(rng: &mut Rng) -> (Border, Pattern, Vec<Mark>) {
    let border = border(rng, 0.035, 0.02, 0.22);
    let off = polar(between(rng, 0.0, 1.0), between(rng, 0.0, 0.14));
    let (radius, spacing) = (between(rng, 0.36, 0.52), between(rng, 0.26, 0.34));
    (border, Pattern::Scar { radius, spacing, off }, Vec::new())
}

/// Red lagoons: round lakes between pale septa.
fn vascular(rng: &mut Rng) -> (Border, Pattern, Vec<Mark>) {
    let border = border(rng, 0.05, 0.04, 0.08);
    let (spacing, septum) = (between(rng, 0.46, 0.6), between(rng, 0.05, 0.08));
    (border, Pattern::Lacunes { spacing, septum }, Vec::new())
}

/// An oval with harmonics 3 … 7 of the given amplitude, and a ragged part.
fn border(rng: &mut Rng, amplitude: f32, ragged: f32, soft: f32) -> Border {
    let mut harmonic = |a: f32| {
        let [c, s] = turn(rng.uniform() as f32);
        [c * a, s * a]
    };
    let mut harmonics = vec![[0.0; 2], harmonic(0.08)];
    harmonics.extend((3..=7).map(|k| harmonic(amplitude * 1.3 / (k as f32).sqrt())));
    Border { harmonics, ragged: [ragged, between(rng, 2.5, 4.0)], soft: soft + between(rng, 0.03, 0.12) }
}

fn disc(at: Point, radius: f32, tone: f32) -> Mark {
    Mark::stroke(at, at, [radius; 2], tone)
}

fn polar(turns: f32, radius: f32) -> Point {
    turn(turns).map(|c| c * radius)
}
