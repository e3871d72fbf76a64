//! Histograms as small SVGs.

use crate::markup::escape;
use crate::plot::{open, standalone};
use std::fmt::Write;

/// Shares of bins of equal width, as bars up to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bars {
    pub title: String,
    /// What the bins are of, and its unit.
    pub x: String,
    /// Where the first bin begins and the last ends.
    pub range: (f64, f64),
    /// 0 to 1 each.
    pub shares: Vec<f64>,
}

const WIDTH: f64 = 320.;
const LEFT: f64 = 34.;
const RIGHT: f64 = WIDTH - 12.;
const TOP: f64 = 28.;
const PLOT: f64 = 110.;

impl Bars {
    /// A whole SVG file, 320 units wide.
    pub fn svg(&self) -> String {
        standalone(&self.inline())
    }

    pub(crate) fn inline(&self) -> String {
        let bottom = TOP + PLOT;
        let mut out = open(WIDTH, bottom + 36., &self.title);
        let _ = write!(out, "<text class=\"title\" x=\"4\" y=\"15\">{}</text>", escape(&self.title));
        for tick in [0., 0.5, 1.] {
            let y = bottom - tick * PLOT;
            let _ = write!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {y}H{RIGHT}\"/>\
                 <text class=\"end\" x=\"{}\" y=\"{:.1}\">{tick}</text>",
                LEFT - 6.,
                y + 3.8
            );
        }
        let (low, high) = self.range;
        let wide = (RIGHT - LEFT) / self.shares.len().max(1) as f64;
        for (bin, share) in self.shares.iter().enumerate().filter(|(_, share)| share.is_finite()) {
            let edge = |bin: usize| low + (high - low) * bin as f64 / self.shares.len() as f64;
            let tall = PLOT * share.clamp(0., 1.);
            let _ = write!(
                out,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{tall:.1}\" style=\"fill:var(--c0)\">\
                 <title>{} to {}: {share:.3}</title></rect>",
                LEFT + wide * bin as f64 + 0.5,
                bottom - tall,
                (wide - 1.).max(0.5),
                edge(bin),
                edge(bin + 1)
            );
        }
        for (part, value) in [(0., low), (0.5, (low + high) / 2.), (1., high)] {
            let x = LEFT + part * (RIGHT - LEFT);
            let _ = write!(out, "<text class=\"mid\" x=\"{x:.1}\" y=\"{}\">{value}</text>", bottom + 14.);
        }
        let _ = write!(
            out,
            "<path class=\"axis\" d=\"M{LEFT} {bottom}H{RIGHT}\"/><text class=\"mid\" x=\"{}\" y=\"{}\">{}</text></svg>",
            (LEFT + RIGHT) / 2.,
            bottom + 30.,
            escape(&self.x)
        );
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::check;

    #[test]
    fn bars_are_as_tall_as_their_shares() {
        let shares = vec![0.25, 0.75, f64::NAN, 0.];
        let svg = Bars { title: "a & b".into(), x: "%".into(), range: (0., 100.), shares }.svg();
        check(&svg).unwrap();
        // Of 110 units: 27.5 and 82.5; the bins are 274 / 4 wide.
        assert!(svg.contains("height=\"27.5\"") && svg.contains("height=\"82.5\""), "{svg}");
        assert!(svg.contains("width=\"67.5\"") && svg.contains("<title>25 to 50: 0.750</title>"), "{svg}");
        assert_eq!(svg.matches("<title>").count(), 3); // NaN has no bar
        check(&Bars::default().svg()).unwrap();
    }
}
