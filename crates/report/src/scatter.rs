//! Points in the plane as a small SVG, coloured between two classes.

use crate::markup::escape;
use crate::plot::{open, standalone};
use std::fmt::Write;

/// Points (x, y, share): the share of the second class, 0 to 1, is the colour. Both axes have the same unit if `square`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scatter {
    pub title: String,
    /// Below the title.
    pub note: String,
    pub points: Vec<(f64, f64, f64)>,
    pub square: bool,
}

const WIDTH: f64 = 320.;
const HEIGHT: f64 = 220.;
const TOP: f64 = 40.;
const MARGIN: f64 = 8.;
/// Steps of colour.
const COLOURS: usize = 10;

impl Scatter {
    /// A whole SVG file, 320 units wide.
    pub fn svg(&self) -> String {
        standalone(&self.inline())
    }

    pub(crate) fn inline(&self) -> String {
        let mut out = open(WIDTH, TOP + HEIGHT, &self.title);
        let _ = write!(
            out,
            "<text class=\"title\" x=\"4\" y=\"15\">{}</text><text x=\"4\" y=\"31\">{}</text>",
            escape(&self.title),
            escape(&self.note)
        );
        let finite = || self.points.iter().filter(|(x, y, _)| x.is_finite() && y.is_finite());
        let span = |of: fn(&(f64, f64, f64)) -> f64| {
            let (low, high) = finite().map(of).fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
            (low, (high - low).max(1e-12))
        };
        let ((left, wide), (low, tall)) = (span(|p| p.0), span(|p| p.1));
        let (mut sx, mut sy) = ((WIDTH - 2. * MARGIN) / wide, (HEIGHT - 2. * MARGIN) / tall);
        if self.square {
            sx = sx.min(sy);
            sy = sx;
        }
        let mut paths = vec![String::new(); COLOURS + 1];
        for (x, y, share) in finite() {
            let (x, y) =
                (WIDTH / 2. + (x - left - wide / 2.) * sx, TOP + HEIGHT / 2. - (y - low - tall / 2.) * sy);
            let colour = (share.clamp(0., 1.) * COLOURS as f64).round() as usize;
            let _ = write!(paths[colour], "M{x:.1} {y:.1}h0");
        }
        for (colour, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
            let share = 100 * colour / COLOURS;
            let _ = write!(
                out,
                "<path style=\"fill:none;stroke-width:2.6;stroke-linecap:round;stroke-opacity:.75;\
                 stroke:color-mix(in srgb,var(--c1) {share}%,var(--c0))\" d=\"{path}\"/>"
            );
        }
        out.push_str("</svg>");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::check;

    #[test]
    fn points_lie_where_they_are() {
        let points = vec![(0., 0., 0.), (1., 0., 1.), (0., 1., 0.5), (f64::NAN, 0., 0.)];
        let svg = Scatter { title: "a & b".into(), note: "<n>".into(), points, square: true }.svg();
        check(&svg).unwrap();
        // Square: 204 units for 1, around (160, 150).
        for path in ["M58.0 252.0h0", "M262.0 252.0h0", "M58.0 48.0h0"] {
            assert!(svg.contains(path), "{path}: {svg}");
        }
        assert!(svg.contains("50%") && svg.contains("100%") && !svg.contains("NaN"), "{svg}");
        check(&Scatter::default().svg()).unwrap();
    }
}
