//! Colours: one theme for the report and every SVG, light and dark; one colour per class. All can be told apart with any kind of
//! colour vision, as a test holds.

/// CSS variables. `--deep` and `--over` are text on `--heat` that fills a place in part and nearly whole. Dark only on a screen: print is light. Lines `--c0`…`--c7` keep a contrast of at least 3 to the paper.
pub(crate) const THEME: &str = "\
:root{color-scheme:light;--paper:#ffffff;--panel:#f6f7f9;--ink:#1c2430;--soft:#5b6675;--rule:#dfe3e8;--heat:#2463a8;--deep:#000000;--over:#ffffff;\
--c0:#0945e4;--c1:#da5607;--c2:#168a71;--c3:#963fa0;--c4:#9d4000;--c5:#2a98cf;--c6:#5e2d10;--c7:#4d515d}\
@media screen and (prefers-color-scheme:dark){:root{color-scheme:dark;--paper:#14181d;--panel:#1c2128;--ink:#e4e8ee;\
--soft:#9aa5b3;--rule:#323a44;--heat:#4789ce;--deep:#ffffff;--over:#000000;\
--c0:#6f93ff;--c1:#ff6c21;--c2:#43ca96;--c3:#cd6bb4;--c4:#e9ca30;--c5:#90d8ff;--c6:#a16a60;--c7:#eaf8ed}}";

pub(crate) const LINES: usize = 8;

/// How each line is dashed, beside its colour.
pub(crate) const DASHES: [&str; LINES] = ["", "7 3", "2 3", "9 3 2 3", "12 4", "5 2 1 2", "1 4", "4 4"];

/// Eight that stand out from light and from dark paper.
const CHOSEN: [[u8; 3]; 8] = [
    [0x00, 0x69, 0xbf],
    [0xf0, 0x5d, 0x0d],
    [0x00, 0xa3, 0x6d],
    [0xf5, 0x78, 0xb4],
    [0xe4, 0xb0, 0x1d],
    [0x53, 0xb3, 0xf7],
    [0xb0, 0x40, 0x20],
    [0x74, 0x68, 0x7b],
];

/// The colour of a class, sRGB. Eight are chosen, further ones go round the circle of hues by the golden angle.
pub(crate) fn class(index: usize) -> [u8; 3] {
    CHOSEN.get(index).copied().unwrap_or_else(|| hue(index as f64 * 137.507_764))
}

/// Viridis (van der Walt and Smith 2015) at every eighth, sRGB: its lightness rises evenly.
const VIRIDIS: [[u8; 3]; 9] = [
    [68, 1, 84],
    [71, 45, 123],
    [59, 82, 139],
    [44, 114, 142],
    [33, 145, 140],
    [40, 174, 128],
    [94, 201, 98],
    [173, 220, 48],
    [253, 231, 37],
];

/// The colour of a number from 0 to 1: dark violet, blue, green, yellow.
pub(crate) fn heat(value: f64) -> [u8; 3] {
    let at = value.clamp(0., 1.) * (VIRIDIS.len() - 1) as f64;
    let below = (at as usize).min(VIRIDIS.len() - 2);
    std::array::from_fn(|c| {
        let [low, high] = [below, below + 1].map(|at| f64::from(VIRIDIS[at][c]));
        (low + (high - low) * (at - below as f64)).round() as u8
    })
}

/// HSL(degrees, 50 %, 52 %).
fn hue(degrees: f64) -> [u8; 3] {
    let (light, spread) = (0.52, 0.5 * (1. - f64::abs(2. * 0.52 - 1.)) / 2.);
    [0., 8., 4.].map(|offset| {
        let k = (offset + degrees / 30.) % 12.;
        (255. * (light - spread * (k - 3.).min(9. - k).clamp(-1., 1.))).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Matrix = [[f64; 3]; 3];
    /// Of linear sRGB: no cones for red, for green, for blue (Machado, Oliveira and Fernandes 2009, severity 1).
    const PROTAN: Matrix =
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]];
    const DEUTAN: Matrix =
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]];
    const TRITAN: Matrix =
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]];
    const NORMAL: Matrix = [[1., 0., 0.], [0., 1., 0.], [0., 0., 1.]];

    fn times(matrix: &Matrix, v: [f64; 3]) -> [f64; 3] {
        matrix.map(|row| row.iter().zip(v).map(|(m, v)| m * v).sum())
    }

    fn linear(colour: [u8; 3]) -> [f64; 3] {
        colour.map(|c| {
            let c = f64::from(c) / 255.;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// Oklab (Ottosson 2020): a distance of 0.02 is just seen.
    fn oklab(linear: [f64; 3]) -> [f64; 3] {
        let cones = [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ];
        let lab = [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ];
        times(&lab, times(&cones, linear.map(|c| c.clamp(0., 1.))).map(f64::cbrt))
    }

    /// The eight lines of the light theme, then of the dark one.
    fn lines() -> [Vec<[u8; 3]>; 2] {
        let hex = |at: usize| u8::from_str_radix(&THEME[at..at + 2], 16).unwrap();
        let of = |n: usize| -> Vec<[u8; 3]> {
            let name = format!("--c{n}:#");
            THEME.match_indices(&name).map(|(at, _)| [6, 8, 10].map(|digits| hex(at + digits))).collect()
        };
        let all: Vec<_> = (0..LINES).map(of).collect();
        [0, 1].map(|theme| all.iter().map(|line| line[theme]).collect())
    }

    #[test]
    fn colours_are_told_apart_with_any_colour_vision() {
        let [light, dark] = lines();
        for (name, colours) in [("light", light), ("dark", dark), ("classes", CHOSEN.to_vec())] {
            for (kind, least) in [(NORMAL, 0.1), (PROTAN, 0.1), (DEUTAN, 0.1), (TRITAN, 0.08)] {
                let seen: Vec<_> = colours.iter().map(|c| oklab(times(&kind, linear(*c)))).collect();
                for (i, j) in (0..seen.len()).flat_map(|i| (0..i).map(move |j| (i, j))) {
                    let distance = (0..3).map(|c| (seen[i][c] - seen[j][c]).powi(2)).sum::<f64>().sqrt();
                    assert!(distance >= least, "{name}: {i} and {j} are {distance:.3} apart");
                }
            }
        }
    }

    #[test]
    fn lines_stand_out_from_the_paper() {
        let light = |colour| times(&[[0.2126, 0.7152, 0.0722]; 3], linear(colour))[0] + 0.05;
        let [lines_light, lines_dark] = lines();
        for colour in lines_light {
            assert!(1.05 / light(colour) >= 3., "{colour:?}");
        }
        for colour in lines_dark {
            assert!(light(colour) / light([0x14, 0x18, 0x1d]) >= 3., "{colour:?}");
        }
    }

    /// Of a place that is filled with any share of the heat.
    #[test]
    fn text_stands_out_from_the_heat() {
        let of = |name: &str| -> Vec<[f64; 3]> {
            let name = format!("--{name}:#");
            let hex = |at: usize| f64::from(u8::from_str_radix(&THEME[at..at + 2], 16).unwrap());
            THEME
                .match_indices(&name)
                .map(|(at, _)| [0, 2, 4].map(|digits| hex(at + name.len() + digits)))
                .collect()
        };
        let light = |colour: [f64; 3]| {
            times(&[[0.2126, 0.7152, 0.0722]; 3], linear(colour.map(|c| c.round() as u8)))[0] + 0.05
        };
        for theme in 0..2 {
            let [paper, heat, ink, deep, over] =
                ["paper", "heat", "ink", "deep", "over"].map(|name| of(name)[theme]);
            for percent in 0..=100 {
                let share = f64::from(percent) / 100.;
                let text = match crate::heatmap::on_heat(share) {
                    "mid over" => over,
                    "mid deep" => deep,
                    _ => ink,
                };
                let ground = light(std::array::from_fn(|c| paper[c] + share * (heat[c] - paper[c])));
                let ratio = ground.max(light(text)) / ground.min(light(text));
                assert!(ratio >= 4.5, "theme {theme}, {percent} %: {ratio:.2}");
            }
        }
    }

    /// Brighter is more, in print and with any colour vision.
    #[test]
    fn heat_becomes_lighter() {
        let steps: Vec<_> = (0..=64).map(|step| linear(heat(f64::from(step) / 64.))).collect();
        for kind in [NORMAL, PROTAN, DEUTAN, TRITAN] {
            let light: Vec<f64> = steps.iter().map(|colour| oklab(times(&kind, *colour))[0]).collect();
            assert!(light.windows(2).all(|pair| pair[0] < pair[1]), "{light:?}");
        }
        assert_eq!((heat(0.), heat(0.0625), heat(1.)), ([68, 1, 84], [70, 23, 104], [253, 231, 37]));
    }

    #[test]
    fn hues() {
        assert_eq!(hue(0.), [0xc2, 0x47, 0x47]); // light ± 0.24: 0.76 · 255 = 194, 0.28 · 255 = 71
        assert_eq!(hue(120.), [0x47, 0xc2, 0x47]);
        assert_eq!(hue(240.), [0x47, 0x47, 0xc2]);
    }

    #[test]
    fn a_hundred_classes_differ() {
        let all: std::collections::HashSet<_> = (0..100).map(class).collect();
        assert!(all.len() > 95, "{}", all.len());
    }
}
