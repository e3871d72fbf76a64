//! Colours: one theme for the report and every SVG, light and dark; one colour per class.

/// CSS variables. Dark only on a screen: print is light. Lines `--c0`…`--c7` keep a contrast of at least 3 to the paper.
pub(crate) const THEME: &str = "\
:root{color-scheme:light;--paper:#ffffff;--panel:#f6f7f9;--ink:#1c2430;--soft:#5b6675;--rule:#dfe3e8;--heat:#2463a8;\
--c0:#2f6db3;--c1:#c8443c;--c2:#2a8554;--c3:#a8710f;--c4:#7b4fb0;--c5:#137f8c;--c6:#95572f;--c7:#5f6874}\
@media screen and (prefers-color-scheme:dark){:root{color-scheme:dark;--paper:#14181d;--panel:#1c2128;--ink:#e4e8ee;\
--soft:#9aa5b3;--rule:#323a44;--heat:#4a8fd8;\
--c0:#79aef0;--c1:#f08a80;--c2:#6cc793;--c3:#dfb04e;--c4:#b795ec;--c5:#5ec6d3;--c6:#d29a70;--c7:#a4adb9}}";

pub(crate) const LINES: usize = 8;

/// The colour of a class, sRGB; readable on light and on dark. Eight are chosen, further ones go round the circle of hues by the
/// golden angle.
pub(crate) fn class(index: usize) -> [u8; 3] {
    const CHOSEN: [[u8; 3]; 8] = [
        [0x3d, 0x7e, 0xc9],
        [0xe0, 0x7b, 0x39],
        [0x3f, 0xa0, 0x6b],
        [0xd1, 0x4f, 0x6a],
        [0x8a, 0x63, 0xc7],
        [0xc9, 0xa2, 0x27],
        [0x2f, 0xa5, 0xb5],
        [0x8c, 0x8f, 0x96],
    ];
    CHOSEN.get(index).copied().unwrap_or_else(|| hue(index as f64 * 137.507_764))
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
