//! What a lesion is, whatever the camera does: class, border, marks, pattern, colours.
//!
//! A class shows in border and relief (pattern and marks) alone; colours are drawn without regard to it.

use tallow_seed::{Rng, Seed};

use super::noise::{Point, cloud, ramp, turn, value};
use super::pattern::Pattern;
use super::structure;

/// The seven classes of ISIC 2018 Task 3, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Melanoma,
    Nevus,
    BasalCell,
    Keratosis,
    BenignKeratosis,
    Dermatofibroma,
    Vascular,
}

pub const CLASSES: [Class; 7] = [
    Class::Melanoma,
    Class::Nevus,
    Class::BasalCell,
    Class::Keratosis,
    Class::BenignKeratosis,
    Class::Dermatofibroma,
    Class::Vascular,
];

/// A tapering stroke with round ends (a disc where `from == to`) that replaces what is below it.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    pub from: Point,
    pub to: Point,
    pub radius: [f32; 2],
    /// Width of its blurred edge, beyond antialiasing.
    pub soft: f32,
    /// What is painted (relative darkness, like a pattern's), and how opaquely.
    pub tone: f32,
    pub strength: f32,
    /// The stroke belongs to the lesion even outside its border.
    pub grows: bool,
}

/// The outline: radius 1 + Σ harmonics + noise, in the direction of the point.
#[derive(Clone, Debug)]
pub struct Border {
    /// (cosine, sine) amplitude of harmonics 1, 2, ….
    pub harmonics: Vec<Point>,
    /// Amplitude and frequency of the ragged part.
    pub ragged: [f32; 2],
    /// Width of the transition to skin.
    pub soft: f32,
}

/// Colours, drawn alike for all classes.
#[derive(Clone, Debug)]
pub struct Palette {
    pub skin: [f32; 3],
    /// Two families of four stops, from the lightest to the darkest relief.
    pub stops: [[[f32; 3]; 4]; 2],
    /// Share and grain of the second family.
    pub second: [f32; 2],
    /// Mean darkness, and its standard deviation over the lesion.
    pub level: [f32; 2],
    /// Share of structureless clouds in that variance.
    pub clouds: f32,
    /// Darkening across the lesion and from the rim to the centre.
    pub slope: Point,
    pub dome: f32,
    /// Reddening of the skin around.
    pub halo: f32,
}

#[derive(Clone, Debug)]
pub struct Lesion {
    pub border: Border,
    pub pattern: Pattern,
    pub marks: Vec<Mark>,
    pub palette: Palette,
    /// How far the tissue is bent out of the drawing's straight lines.
    pub bend: f32,
    /// Key of the lattice noises.
    pub key: u32,
}

impl Mark {
    /// An opaque, sharp stroke.
    pub fn stroke(from: Point, to: Point, radius: [f32; 2], tone: f32) -> Mark {
        Mark { from, to, radius, soft: 0.0, tone, strength: 1.0, grows: false }
    }
}

impl Lesion {
    pub fn draw(class: Class, seed: Seed) -> Lesion {
        let mut rng = seed.fold("structure", 0).rng();
        let key = rng.bits() as u32;
        let (border, pattern, marks) = structure::draw(class, &mut rng);
        let palette = Palette::draw(&mut seed.fold("palette", 0).rng());
        Lesion { border, pattern, marks, palette, bend: rng.uniform_in(0.05, 0.11) as f32, key }
    }

    /// Where the drawing's point comes to lie under `p`: a smooth displacement.
    pub fn warp(&self, p: Point) -> Point {
        let by = |key: u32| {
            self.bend * value(self.key ^ key, [p[0] * 1.9, p[1] * 1.9])
                + 0.3 * self.bend * value(self.key ^ key ^ 0x77, [p[0] * 5.3, p[1] * 5.3])
        };
        [p[0] + by(0x3a9), p[1] + by(0xc04)]
    }

    /// Structureless variation of darkness, standard deviation about 0.4.
    pub fn clouds(&self, p: Point) -> f32 {
        cloud(self.key ^ 0xb107, [p[0] * 1.6, p[1] * 1.6])
            + 0.5 * value(self.key ^ 0xf19e, [p[0] * 7.0, p[1] * 7.0])
    }

    /// Distance from the centre over the border's in that direction: 1 on the border.
    pub fn depth(&self, p: Point) -> f32 {
        let r = (p[0] * p[0] + p[1] * p[1]).sqrt();
        if r < 1e-4 {
            return 0.0;
        }
        let (c, s) = (p[0] / r, p[1] / r);
        let (mut ck, mut sk, mut radius) = (c, s, 1.0);
        for [a, b] in &self.border.harmonics {
            radius += a * ck + b * sk;
            (ck, sk) = (ck * c - sk * s, ck * s + sk * c);
        }
        let [amplitude, frequency] = self.border.ragged;
        if amplitude > 0.0 {
            radius += amplitude * cloud(self.key ^ 0x0b0d, [c * frequency, s * frequency]);
        }
        r / radius.max(0.3)
    }

    /// Coverage of the lesion at a depth, with samples `pixel` apart.
    pub fn cover(&self, depth: f32, pixel: f32) -> f32 {
        let half = 0.5 * self.border.soft + 0.7 * pixel;
        ramp(1.0 + half, 1.0 - half, depth)
    }

    /// The colour at a point of darkness `tone` (0 light … 1 dark).
    pub fn colour(&self, p: Point, depth: f32, tone: f32) -> [f32; 3] {
        let Palette { stops, second, slope, dome, .. } = &self.palette;
        let tone = tone + slope[0] * p[0] + slope[1] * p[1] + dome * (0.5 - depth);
        let at = tone.clamp(0.0, 1.0) * 3.0;
        let stop = (at as usize).min(2);
        let place = value(self.key ^ 0xfa41, [p[0] * second[1], p[1] * second[1]]);
        let family = ramp(-0.35, 0.35, place + 2.0 * second[0] - 1.0);
        std::array::from_fn(|channel| {
            let shade = |stops: &[[f32; 3]; 4]| {
                stops[stop][channel] + (stops[stop + 1][channel] - stops[stop][channel]) * (at - stop as f32)
            };
            let (one, two) = (shade(&stops[0]), shade(&stops[1]));
            one + (two - one) * family
        })
    }
}

impl Palette {
    fn draw(rng: &mut Rng) -> Palette {
        // From pale pink through tan to brown skin, as in the archive: mostly pale.
        const SKIN: [[f32; 3]; 4] =
            [[0.89, 0.71, 0.65], [0.86, 0.67, 0.58], [0.78, 0.58, 0.47], [0.64, 0.45, 0.35]];
        // Light, middle and dark stop of brown, red to purple, blue-grey and black lesions.
        const FAMILIES: [[[f32; 3]; 3]; 4] = [
            [[0.73, 0.52, 0.40], [0.54, 0.34, 0.25], [0.28, 0.16, 0.13]],
            [[0.81, 0.52, 0.48], [0.68, 0.33, 0.33], [0.42, 0.12, 0.18]],
            [[0.66, 0.57, 0.55], [0.46, 0.42, 0.44], [0.23, 0.21, 0.26]],
            [[0.60, 0.43, 0.35], [0.34, 0.23, 0.19], [0.11, 0.08, 0.09]],
        ];
        let mut jitter = |colour: [f32; 3], by: f64| {
            let light = rng.uniform_in(-by, by) as f32;
            colour.map(|c| (c + light + rng.uniform_in(-0.012, 0.012) as f32).clamp(0.02, 0.97))
        };
        let jittered = FAMILIES.map(|family| family.map(|c| jitter(c, 0.03)));
        let skins = SKIN.map(|c| jitter(c, 0.04));
        let skin = skins[rng.weighted(&[0.45, 0.3, 0.17, 0.08])];
        let mut family = || {
            let mix = |a: [f32; 3], b: [f32; 3], t: f32| std::array::from_fn(|c| a[c] + (b[c] - a[c]) * t);
            let [light, middle, dark] = jittered[rng.weighted(&[0.5, 0.24, 0.09, 0.17])];
            // thin pigment lets the skin through; scale, scar and keratin are nearly white
            let pale: [f32; 3] = mix(mix(light, skin, 0.5), [0.95, 0.88, 0.85], 0.5);
            [pale, mix(light, skin, 0.3), middle, dark]
        };
        let stops = [family(), family()];
        let slope = turn(rng.uniform() as f32).map(|c| c * rng.uniform_in(0.0, 0.12) as f32);
        Palette {
            skin,
            stops,
            second: [rng.uniform_in(0.0, 0.7) as f32, rng.uniform_in(0.9, 1.6) as f32],
            level: [rng.uniform_in(0.44, 0.6) as f32, rng.uniform_in(0.15, 0.22) as f32],
            clouds: rng.uniform_in(0.05, 0.3) as f32,
            slope,
            dome: rng.uniform_in(-0.1, 0.25) as f32,
            halo: if rng.bernoulli(0.35) { rng.uniform_in(0.03, 0.1) as f32 } else { 0.0 },
        }
    }
}
