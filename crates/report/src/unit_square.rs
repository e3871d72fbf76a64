//! Curves of rates, both from 0 to 1, as a small SVG: a legend with a number for each, a dot where a decision lies.

use crate::markup::escape;
use crate::palette::LINES;
use crate::plot::{open, standalone, stroke};
use crate::table::ellipsis;
use std::fmt::Write;

/// Such as the ROC curves of the classes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnitSquare {
    pub title: String,
    pub x: String,
    pub y: String,
    /// What the numbers of the legend are.
    pub value: String,
    /// Whether the diagonal is drawn: what chance gives.
    pub diagonal: bool,
    pub curves: Vec<Curve>,
}

/// One of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    pub name: String,
    /// For the legend.
    pub value: String,
    /// (x, y) in the order in which they are joined, by straight lines.
    pub points: Vec<(f64, f64)>,
    /// Where a decision lies, and what it is.
    pub dot: Option<((f64, f64), String)>,
}

/// As wide as a phone shows it, so that letters keep their size.
pub(crate) const WIDTH: f64 = 340.;
pub(crate) const LEFT: f64 = 36.;
pub(crate) const RIGHT: f64 = WIDTH - 10.;
pub(crate) const TOP: f64 = 44.;
pub(crate) const SIDE: f64 = RIGHT - LEFT;
const ROW: f64 = 16.;
/// Units by which a line that is drawn may be off.
const TOLERANCE: f64 = 0.2;

impl UnitSquare {
    /// A whole SVG file, 340 units wide.
    pub fn svg(&self) -> String {
        standalone(&self.inline())
    }

    pub(crate) fn inline(&self) -> String {
        let bottom = TOP + SIDE;
        let rows = if self.curves.is_empty() { 0 } else { self.curves.len() + 1 };
        let mut out = open(WIDTH, bottom + 42. + ROW * rows as f64, &self.title);
        frame(&mut out, &self.title, &self.y, TOP, SIDE);
        ticks(&mut out, bottom, &self.x);
        if self.diagonal {
            let _ = write!(out, "<path class=\"mark\" d=\"M{LEFT} {bottom}L{RIGHT} {TOP}\"/>");
        }
        for (at, curve) in self.curves.iter().enumerate() {
            let points: Vec<(f64, f64)> =
                curve.points.iter().map(|&(x, y)| (LEFT + x * SIDE, bottom - y * SIDE)).collect();
            let mut path = String::new();
            for (at, (x, y)) in simplified(&points).iter().enumerate() {
                let _ = write!(path, "{}{x:.1} {y:.1}", if at == 0 { 'M' } else { 'L' });
            }
            let (name, value) = (escape(&curve.name), escape(&curve.value));
            let _ = write!(
                out,
                "<path {} d=\"{path}\"><title>{name}: {} {value}</title></path>",
                stroke(at % LINES),
                escape(&self.value)
            );
        }
        for (at, curve) in self.curves.iter().enumerate() {
            if let Some(((x, y), what)) = &curve.dot {
                let _ = write!(
                    out,
                    "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" style=\"fill:var(--c{});stroke:var(--paper);stroke-width:1\">\
                     <title>{}: {}</title></circle>",
                    LEFT + x * SIDE,
                    bottom - y * SIDE,
                    at % LINES,
                    escape(&curve.name),
                    escape(what)
                );
            }
        }
        self.legend(&mut out, bottom + 42.);
        out.push_str("</svg>");
        out
    }

    fn legend(&self, out: &mut String, top: f64) {
        if self.curves.is_empty() {
            return;
        }
        let _ = write!(
            out,
            "<text class=\"end\" x=\"{RIGHT}\" y=\"{}\">{}</text>",
            top + 8.,
            escape(&self.value)
        );
        for (at, curve) in self.curves.iter().enumerate() {
            let y = top + ROW * (at + 1) as f64 + 8.;
            let room = NAME.saturating_sub(curve.value.chars().count().saturating_sub(5));
            let _ = write!(
                out,
                "<path {} d=\"M4 {}h24\"/><text class=\"ink\" x=\"34\" y=\"{y}\">{}</text>\
                 <text class=\"end ink\" x=\"{RIGHT}\" y=\"{y}\">{}</text>",
                stroke(at % LINES),
                y - 4.,
                escape(&ellipsis(&curve.name, room)),
                escape(&curve.value)
            );
        }
    }
}

/// Letters of a name beside a number of five.
const NAME: usize = 36;

/// Title, what y is, and lines from 0 to 1 of a plot `tall` units high.
pub(crate) fn frame(out: &mut String, title: &str, y: &str, top: f64, tall: f64) {
    let _ = write!(
        out,
        "<text class=\"title\" x=\"4\" y=\"15\">{}</text><text x=\"4\" y=\"33\">{}</text>",
        escape(title),
        escape(y)
    );
    for tick in 0..=5 {
        let at = top + tall * (1. - f64::from(tick) / 5.);
        let _ = write!(
            out,
            "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/><text class=\"end\" x=\"{}\" y=\"{:.1}\">{}</text>",
            LEFT - 6.,
            at + 3.8,
            label(tick)
        );
    }
}

/// The axis of x at `bottom`, from 0 to 1, and what it is.
pub(crate) fn ticks(out: &mut String, bottom: f64, x: &str) {
    let _ = write!(out, "<path class=\"axis\" d=\"M{LEFT} {bottom}H{RIGHT}\"/>");
    for tick in 0..=5 {
        let at = LEFT + SIDE * f64::from(tick) / 5.;
        let _ = write!(
            out,
            "<path class=\"axis\" d=\"M{at:.1} {bottom}v4\"/><text class=\"mid\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
            bottom + 15.,
            label(tick)
        );
    }
    let _ = write!(
        out,
        "<text class=\"mid\" x=\"{}\" y=\"{:.1}\">{}</text>",
        (LEFT + RIGHT) / 2.,
        bottom + 30.,
        escape(x)
    );
}

/// Of fifths.
fn label(tick: i32) -> String {
    if tick == 0 || tick == 5 { (tick / 5).to_string() } else { format!("0.{}", 2 * tick) }
}

/// The points without those that a straight line between its neighbours passes by within the tolerance (Douglas and Peucker 1973).
fn simplified(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let Some(last) = points.len().checked_sub(1) else { return Vec::new() };
    let mut keep = vec![false; points.len()];
    (keep[0], keep[last]) = (true, true);
    let mut stretches = vec![(0, last)];
    while let Some((from, to)) = stretches.pop() {
        let farthest = (from + 1..to)
            .map(|at| (at, distance(points[at], points[from], points[to])))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((at, _)) = farthest.filter(|(_, far)| *far > TOLERANCE) {
            keep[at] = true;
            stretches.extend([(from, at), (at, to)]);
        }
    }
    points.iter().zip(keep).filter(|(_, keep)| *keep).map(|(point, _)| *point).collect()
}

/// From a point to the line between two.
fn distance(point: (f64, f64), from: (f64, f64), to: (f64, f64)) -> f64 {
    let (wide, tall) = (to.0 - from.0, to.1 - from.1);
    let squared = wide * wide + tall * tall;
    let along = ((point.0 - from.0) * wide + (point.1 - from.1) * tall) / squared;
    let along = if squared == 0. { 0. } else { along.clamp(0., 1.) };
    (point.0 - from.0 - along * wide).hypot(point.1 - from.1 - along * tall)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::check;

    fn square(curves: Vec<Curve>) -> UnitSquare {
        let [title, x, y, value] = ["a & b", "fpr", "tpr", "AUROC"].map(str::to_owned);
        UnitSquare { title, x, y, value, diagonal: true, curves }
    }

    #[test]
    fn curves_lie_where_they_are() {
        let curve = Curve {
            name: "<MEL>".into(),
            value: "0.875".into(),
            points: vec![(0., 0.), (0., 0.5), (0.5, 1.), (1., 1.)],
            dot: Some(((0.25, 0.5), "recall 0.5".into())),
        };
        let second =
            Curve { name: "of a name with far too many letters for one line".into(), ..curve.clone() };
        let svg = square(vec![curve, second]).svg();
        check(&svg).unwrap();
        // 294 units from 36 to 330 and from 44 to 338.
        assert!(svg.contains("d=\"M36.0 338.0L36.0 191.0L183.0 44.0L330.0 44.0\""), "{svg}");
        assert!(svg.contains("cx=\"109.5\" cy=\"191.0\""), "{svg}");
        assert!(svg.contains("<title>&lt;MEL&gt;: AUROC 0.875</title>"), "{svg}");
        assert!(svg.contains("<title>&lt;MEL&gt;: recall 0.5</title>"), "{svg}");
        assert!(svg.contains(">of a name with far too many letters…</text>"), "{svg}");
        assert_eq!(svg.matches("class=\"mark\"").count(), 1);
        check(&square(Vec::new()).svg()).unwrap();
    }

    /// Ten thousand steps become few, and none of the line's places is lost.
    #[test]
    fn long_curves_are_thin() {
        let n = 10_000;
        let at = |step: usize| step as f64 / n as f64;
        let rise = |x: f64| x.powf(0.3);
        let steps = (0..n).flat_map(|step| [(at(step), rise(at(step))), (at(step), rise(at(step + 1)))]);
        let points: Vec<(f64, f64)> = steps.chain([(1., 1.)]).map(|(x, y)| (x * SIDE, y * SIDE)).collect();
        let thin = simplified(&points);
        assert!(thin.len() < 150, "{}", thin.len());
        for &point in points.iter().step_by(7) {
            let near = thin.windows(2).map(|pair| distance(point, pair[0], pair[1])).fold(f64::MAX, f64::min);
            assert!(near <= TOLERANCE, "{point:?} is {near} away");
        }
        assert_eq!(simplified(&[(1., 1.)]), [(1., 1.)]);
        assert_eq!(simplified(&[(0., 0.), (1., 1.), (0., 0.)]).len(), 3, "there and back");
    }
}
