//! Numbers with their intervals as a small SVG: one row each, by a common axis.

use crate::markup::escape;
use crate::plot::{Axis, open, standalone};
use crate::table::ellipsis;
use std::fmt::Write;

/// Values with intervals, such as the differences of models.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Intervals {
    pub title: String,
    /// What the values are of, and its unit.
    pub x: String,
    /// Each: a name, the value, the low and the high end. What is not finite is not drawn.
    pub rows: Vec<(String, f64, f64, f64)>,
    /// Vertical lines with their labels, such as 0 and a margin.
    pub marks: Vec<(f64, String)>,
}

const WIDTH: f64 = 440.;
const LEFT: f64 = 150.;
const RIGHT: f64 = WIDTH - 16.;
const TOP: f64 = 44.;
const ROW: f64 = 26.;
/// Characters of a name that have room.
const NAME: usize = 22;

impl Intervals {
    /// A whole SVG file, 440 units wide.
    pub fn svg(&self) -> String {
        standalone(&self.inline())
    }

    pub(crate) fn inline(&self) -> String {
        let bottom = TOP + ROW * self.rows.len().max(1) as f64;
        let mut out = open(WIDTH, bottom + 38., &self.title);
        let _ = write!(out, "<text class=\"title\" x=\"4\" y=\"15\">{}</text>", escape(&self.title));
        let values = self.rows.iter().flat_map(|row| [row.1, row.2, row.3]);
        let marks = self.marks.iter().map(|mark| mark.0);
        let Some(axis) = Axis::over(values.chain(marks), 5, false) else {
            let _ = write!(
                out,
                "<text class=\"mid\" x=\"{}\" y=\"{bottom}\">no finite values</text></svg>",
                WIDTH / 2.
            );
            return out;
        };
        let px = |value: f64| LEFT + axis.share(value) * (RIGHT - LEFT);
        for tick in axis.ticks() {
            let (at, label) = (px(tick), axis.label(tick));
            let _ = write!(
                out,
                "<path class=\"grid\" d=\"M{at:.1} {TOP}V{bottom}\"/>\
                 <text class=\"mid\" x=\"{at:.1}\" y=\"{}\">{label}</text>",
                bottom + 14.
            );
        }
        for (at, label) in self.marks.iter().filter(|mark| mark.0.is_finite()) {
            let at = px(*at);
            let _ = write!(
                out,
                "<path class=\"mark\" d=\"M{at:.1} {TOP}V{bottom}\"/>\
                 <text class=\"mid\" x=\"{at:.1}\" y=\"{}\">{}</text>",
                TOP - 6.,
                escape(label)
            );
        }
        for (at, (name, value, low, high)) in self.rows.iter().enumerate() {
            let y = TOP + ROW * (at as f64 + 0.5);
            let _ = write!(
                out,
                "<text class=\"end ink\" x=\"{}\" y=\"{:.1}\">{}</text>",
                LEFT - 8.,
                y + 3.8,
                escape(&ellipsis(name, NAME))
            );
            if ![value, low, high].into_iter().all(|number| number.is_finite()) {
                continue;
            }
            let _ = write!(
                out,
                "<g style=\"stroke:var(--c0);fill:var(--c0)\"><path style=\"stroke-width:1.8;fill:none\" \
                 d=\"M{from:.1} {y:.1}H{to:.1}M{from:.1} {:.1}v8M{to:.1} {:.1}v8\"/>\
                 <circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"3.6\"/>\
                 <title>{}: {value:.4} ({low:.4} to {high:.4})</title></g>",
                y - 4.,
                y - 4.,
                px(*value),
                escape(name),
                from = px(*low),
                to = px(*high)
            );
        }
        let _ = write!(
            out,
            "<path class=\"axis\" d=\"M{LEFT} {bottom}H{RIGHT}\"/><text class=\"mid\" x=\"{}\" y=\"{}\">{}</text></svg>",
            (LEFT + RIGHT) / 2.,
            bottom + 32.,
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
    fn rows_lie_by_the_axis() {
        let rows = vec![
            ("a & b".to_owned(), 0.1, 0.0, 0.2),
            ("one whose name has no end to speak of".to_owned(), -0.1, -0.2, 0.0),
            ("undefined".to_owned(), f64::NAN, f64::NAN, f64::NAN),
        ];
        let marks = vec![(0.0, "0".to_owned())];
        let svg = Intervals { title: "<t>".into(), x: "b − a".into(), rows, marks }.svg();
        check(&svg).unwrap();
        // From −0.2 to 0.2 over 150 … 424: 0 is in the middle, 0.1 three quarters to the right.
        for part in [
            "d=\"M287.0 57.0H424.0",
            "cx=\"355.5\"",
            "d=\"M150.0 83.0H287.0",
            "cx=\"218.5\"",
            "M287.0 44V122",
        ] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        assert!(svg.contains("<title>a &amp; b: 0.1000 (0.0000 to 0.2000)</title>"), "{svg}");
        assert!(svg.contains(">one whose name has no…<") && svg.matches("<circle").count() == 2, "{svg}");
        assert!(Intervals::default().svg().contains("no finite values"));
        check(&Intervals::default().svg()).unwrap();
    }
}
