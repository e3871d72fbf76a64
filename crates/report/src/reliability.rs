//! How often a confidence is right, as a small SVG: the share predicted right over the confidence, and how many images have it.

use crate::plot::{open, standalone};
use crate::table::share;
use crate::unit_square::{LEFT, RIGHT, SIDE, TOP, WIDTH, frame, ticks};
use std::fmt::Write;
use tallow_metrics::{ReliabilityBin, wilson};

/// A reliability diagram.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reliability {
    pub title: String,
    /// Of equal width, from 0 to 1.
    pub bins: Vec<ReliabilityBin>,
}

const GAP: f64 = 24.;
/// How tall the histogram is.
const TALL: f64 = 64.;

impl Reliability {
    /// A whole SVG file, 340 units wide.
    pub fn svg(&self) -> String {
        standalone(&self.inline())
    }

    pub(crate) fn inline(&self) -> String {
        let bottom = TOP + SIDE;
        let (above, below) = (bottom + GAP, bottom + GAP + TALL);
        let mut out = open(WIDTH, below + 36., &self.title);
        frame(&mut out, &self.title, "predicted right", TOP, SIDE);
        let _ = write!(
            out,
            "<path class=\"axis\" d=\"M{LEFT} {bottom}H{RIGHT}\"/><path class=\"mark\" d=\"M{LEFT} {bottom}L{RIGHT} {TOP}\"/>"
        );
        let all: u64 = self.bins.iter().map(|bin| bin.images).sum();
        let most = self.bins.iter().map(|bin| bin.images).max().unwrap_or(0);
        let wide = SIDE / self.bins.len().max(1) as f64;
        for (at, bin) in self.bins.iter().enumerate().filter(|(_, bin)| bin.images > 0) {
            let left = LEFT + wide * at as f64 + 0.5;
            let (right, tall) = (SIDE * bin.accuracy(), TALL * bin.images as f64 / most as f64);
            let (x, y) = (LEFT + SIDE * bin.confidence, bottom - right);
            let (low, high) = wilson(bin.right, bin.images, 0.95).unwrap_or((f64::NAN, f64::NAN));
            let edge = |edge: usize| edge as f64 / self.bins.len() as f64;
            let _ = write!(
                out,
                "<g style=\"fill:var(--c0);stroke:var(--c0)\">\
                 <rect x=\"{left:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{right:.1}\" style=\"fill-opacity:.2;stroke:none\"/>\
                 <rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{tall:.1}\" style=\"stroke:none\"/>\
                 <path style=\"stroke-width:1.4\" d=\"M{x:.1} {:.1}V{:.1}\"/><circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.4\"/></g>\
                 <rect class=\"hover\" x=\"{left:.1}\" y=\"{TOP}\" width=\"{wide:.1}\" height=\"{:.1}\"><title>{} to {}: {} of {} right, \
                 {} [{}, {}]; mean confidence {}</title></rect>",
                wide - 1.,
                below - tall,
                wide - 1.,
                bottom - SIDE * low,
                bottom - SIDE * high,
                below - TOP,
                share(edge(at)),
                share(edge(at + 1)),
                bin.right,
                bin.images,
                share(bin.accuracy()),
                share(low),
                share(high),
                share(bin.confidence),
            );
        }
        let _ = write!(
            out,
            "<path class=\"grid\" d=\"M{LEFT} {above}H{RIGHT}\"/><text class=\"end\" x=\"{x}\" y=\"{:.1}\">{most}</text>\
             <text class=\"end\" x=\"{x}\" y=\"{:.1}\">0</text><text class=\"end\" x=\"{RIGHT}\" y=\"{:.1}\">images, of {all}</text>",
            above + 3.8,
            below + 3.8,
            above - 6.,
            x = LEFT - 6.,
        );
        ticks(&mut out, below, "confidence: the largest probability");
        out.push_str("</svg>");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::check;

    #[test]
    fn bins_lie_where_they_are() {
        let mut bins = vec![ReliabilityBin { images: 0, right: 0, confidence: f64::NAN }; 15];
        bins[14] = ReliabilityBin { images: 20, right: 15, confidence: 0.95 };
        bins[9] = ReliabilityBin { images: 5, right: 0, confidence: 0.65 };
        let svg = Reliability { title: "a & b".into(), bins }.svg();
        check(&svg).unwrap();
        // 36 + 294 · 0.95 and 338 − 294 · 0.75; the histogram ends at 426, 64 high of 20 images and 16 of 5.
        assert!(svg.contains("<circle cx=\"315.3\" cy=\"117.5\""), "{svg}");
        assert!(
            svg.contains("y=\"362.0\"") && svg.contains("y=\"410.0\" width=\"18.6\" height=\"16.0\""),
            "{svg}"
        );
        // Wilson's: statsmodels' proportion_confint(15, 20, method="wilson").
        assert!(
            svg.contains("0.933 to 1.000: 15 of 20 right, 0.750 [0.531, 0.888]; mean confidence 0.950"),
            "{svg}"
        );
        assert!(svg.contains("of 25<") && !svg.contains("NaN"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 2, "an empty bin has no dot");
        check(&Reliability::default().svg()).unwrap();
    }
}
