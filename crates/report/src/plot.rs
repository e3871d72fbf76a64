//! Line charts as small SVGs: grid, ticks, legend; values on hover through `<title>`; light and dark.

use crate::markup::escape;
use crate::palette::{DASHES, LINES, THEME};
use crate::table::ellipsis;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Lines over a common axis, such as the losses over the epochs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    pub title: String,
    /// What x counts, such as `epoch`.
    pub x: String,
    pub lines: Vec<Line>,
    /// A vertical line with a label: the epoch that was kept.
    pub mark: Option<(f64, String)>,
}

/// Points (x, y) by increasing x. A y that is not finite interrupts the line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

pub(crate) const STYLE: &str = "\
.tl{font:11px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:var(--soft);font-variant-numeric:tabular-nums}\
.tl .title{font-size:13px;font-weight:600;fill:var(--ink)}.tl .ink{fill:var(--ink)}.tl .end{text-anchor:end}.tl .mid{text-anchor:middle}\
.tl .grid{stroke:var(--rule);stroke-width:1;fill:none}.tl .axis{stroke:var(--soft);stroke-width:1;fill:none}\
.tl .mark{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 3;fill:none}\
.tl .line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}\
.tl .hover{fill:var(--ink);fill-opacity:0}.tl .hover:hover{fill-opacity:.07}\
.tl .cell{fill:var(--heat)}.tl .deep{fill:var(--deep)}.tl .over{fill:var(--over)}.tl .frame{fill:none;stroke:var(--rule)}.tl g.cells>g:hover>.frame{stroke:var(--ink)}";

const WIDTH: f64 = 440.;
const LEFT: f64 = 52.;
const RIGHT: f64 = WIDTH - 12.;
const PLOT: f64 = 172.; // height of the plot itself

/// At most this many points of a line are drawn: the lowest and the highest of every stretch.
const DRAWN: usize = 440;
/// At most this many places of x have a tooltip.
const TIPS: usize = 220;

impl Chart {
    /// A whole SVG file, 440 units wide.
    pub fn svg(&self) -> String {
        standalone(&self.inline())
    }

    /// Writes the plot as SVG.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.svg()).map_err(Error::io(path))
    }

    /// For a page that has [`THEME`] and [`STYLE`] already.
    pub(crate) fn inline(&self) -> String {
        let (legend, legend_height) = self.legend();
        let top = 38. + legend_height;
        let bottom = top + PLOT;
        let height = bottom + 38.;
        let mut out = open(WIDTH, height, &self.title);
        let _ = write!(out, "<text class=\"title\" x=\"4\" y=\"15\">{}</text>{legend}", escape(&self.title));

        let all = || self.lines.iter().flat_map(|line| &line.points).filter(|(_, y)| y.is_finite());
        let (Some(x), Some(y)) =
            (Axis::over(all().map(|p| p.0), 7, true), Axis::over(all().map(|p| p.1), 5, false))
        else {
            let middle = top + PLOT / 2.;
            let _ = write!(
                out,
                "<text class=\"mid\" x=\"{}\" y=\"{middle}\">no finite values</text></svg>",
                WIDTH / 2.
            );
            return out;
        };
        let px = |value: f64| LEFT + x.share(value) * (RIGHT - LEFT);
        let py = |value: f64| bottom - y.share(value) * PLOT;
        for tick in y.ticks() {
            let (at, label) = (py(tick), y.label(tick));
            let _ = write!(out, "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/>");
            let _ =
                write!(out, "<text class=\"end\" x=\"{}\" y=\"{:.1}\">{label}</text>", LEFT - 6., at + 3.8);
        }
        for tick in x.ticks() {
            let (at, label) = (px(tick), x.label(tick));
            let _ = write!(out, "<path class=\"axis\" d=\"M{at:.1} {bottom}v4\"/>");
            let _ = write!(out, "<text class=\"mid\" x=\"{at:.1}\" y=\"{}\">{label}</text>", bottom + 16.);
        }
        let _ = write!(out, "<path class=\"axis\" d=\"M{LEFT} {bottom}H{RIGHT}\"/>");
        let middle = (LEFT + RIGHT) / 2.;
        let _ = write!(
            out,
            "<text class=\"mid\" x=\"{middle}\" y=\"{}\">{}</text>",
            bottom + 32.,
            escape(&self.x)
        );
        if let Some((at, label)) = &self.mark {
            let at = px(*at);
            let (class, beside) = if at > middle { ("end", at - 4.) } else { ("start", at + 4.) };
            let _ = write!(out, "<path class=\"mark\" d=\"M{at:.1} {top}V{bottom}\"/>");
            let _ = write!(
                out,
                "<text class=\"{class}\" x=\"{beside:.1}\" y=\"{}\">{}</text>",
                top - 3.,
                escape(label)
            );
        }
        for (at, line) in self.lines.iter().enumerate() {
            draw(&mut out, &thinned(&line.points), at % LINES, px, py);
        }
        self.tooltips(&mut out, px, top);
        out.push_str("</svg>");
        out
    }

    /// Of a line alone the title is enough.
    fn legend(&self) -> (String, f64) {
        if self.lines.len() < 2 {
            return (String::new(), 0.);
        }
        let (mut out, mut x, mut y) = (String::new(), 4., 33.);
        for (at, line) in self.lines.iter().enumerate() {
            let name = ellipsis(&line.name, 40);
            let width = 30. + 6.4 * name.chars().count() as f64;
            if x > 4. && x + width > RIGHT {
                (x, y) = (4., y + 16.);
            }
            let _ = write!(out, "<path {} d=\"M{x} {}h20\"/>", stroke(at % LINES), y - 4.);
            let _ = write!(out, "<text x=\"{}\" y=\"{y}\">{}</text>", x + 25., escape(&name));
            x += width + 10.;
        }
        (out, y - 17.)
    }

    /// Invisible columns, one per x, that name the values there.
    fn tooltips(&self, out: &mut String, px: impl Fn(f64) -> f64, top: f64) {
        let mut columns = BTreeMap::<i64, (f64, String)>::new();
        let points = self.lines.iter().map(|line| line.points.len()).max().unwrap_or(0);
        let stride = points.div_ceil(TIPS).max(1);
        for line in &self.lines {
            for (x, y) in line.points.iter().step_by(stride).filter(|point| point.0.is_finite()) {
                let key = (px(*x) * 1000.) as i64;
                let (_, text) = columns.entry(key).or_insert_with(|| (*x, String::new()));
                let _ = write!(text, "\n{}: {}", escape(&line.name), significant(*y));
            }
        }
        let columns: Vec<_> = columns.into_values().map(|(x, text)| (px(x), x, text)).collect();
        for (at, (here, x, text)) in columns.iter().enumerate() {
            let from = if at == 0 { LEFT } else { (columns[at - 1].0 + here) / 2. };
            let to = columns.get(at + 1).map_or(RIGHT, |next| (here + next.0) / 2.);
            let _ = write!(
                out,
                "<rect class=\"hover\" x=\"{from:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{PLOT}\"><title>{} {}{text}</title></rect>",
                (to - from).max(0.),
                escape(&self.x),
                significant(*x)
            );
        }
    }
}

/// The first tag of an SVG that scales with its place and names itself to a screen reader.
pub(crate) fn open(width: f64, height: f64, title: &str) -> String {
    format!(
        "<svg class=\"tl\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">",
        escape(title)
    )
}

/// A file of its own: theme, style and paper inside.
pub(crate) fn standalone(svg: &str) -> String {
    let (head, body) = svg.split_at(svg.find('>').map_or(0, |at| at + 1));
    format!(
        "{head}<style>{THEME}{STYLE}</style><rect width=\"100%\" height=\"100%\" style=\"fill:var(--paper)\"/>{body}\n"
    )
}

fn draw(
    out: &mut String,
    points: &[(f64, f64)],
    colour: usize,
    px: impl Fn(f64) -> f64,
    py: impl Fn(f64) -> f64,
) {
    let mut path = String::new();
    for run in points.split(|(_, y)| !y.is_finite()).filter(|run| !run.is_empty()) {
        for (at, (x, y)) in run.iter().enumerate() {
            let _ = write!(path, "{}{:.1} {:.1}", if at == 0 { 'M' } else { 'L' }, px(*x), py(*y));
        }
        if run.len() == 1 || points.len() <= 40 {
            for (x, y) in run {
                let (x, y) = (px(*x), py(*y));
                let _ = write!(
                    out,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.2\" style=\"fill:var(--c{colour})\"/>"
                );
            }
        }
    }
    if !path.is_empty() {
        let _ = write!(out, "<path {} d=\"{path}\"/>", stroke(colour));
    }
}

/// A line is known by its colour and by its dashes.
pub(crate) fn stroke(colour: usize) -> String {
    let dashes = DASHES[colour];
    let dashes = if dashes.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dashes}\"") };
    format!("class=\"line\" style=\"stroke:var(--c{colour})\"{dashes}")
}

/// The lowest and the highest point of every stretch, in their order, so that no spike is lost.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= DRAWN {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(DRAWN / 2);
    let mut out = Vec::new();
    for part in points.chunks(stretch) {
        let by_height = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let (Some(low), Some(high)) = (part.iter().min_by(by_height), part.iter().max_by(by_height)) else {
            continue;
        };
        let mut pair = [*low, *high];
        pair.sort_by(|a, b| a.0.total_cmp(&b.0));
        out.extend(pair);
        out.dedup();
    }
    out
}

/// The numbers along a side of a plot.
pub(crate) struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    /// Around all finite values; steps of 1, 2 or 5 times a power of ten, about `count` of them. `tight`: from the first to the
    /// last value, in whole steps of at least 1; a single one is in the middle and has the only tick.
    pub(crate) fn over(values: impl Iterator<Item = f64>, count: usize, tight: bool) -> Option<Axis> {
        let (mut low, mut high) =
            values.filter(|v| v.is_finite()).fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            return None;
        }
        if high - low <= 1e-12 * high.abs() {
            if tight {
                return Some(Axis { low: low - 0.5, high: high + 0.5, step: 1. });
            }
            let around = if high == 0. { 1. } else { 0.1 * high.abs() };
            (low, high) = (low - around, high + around);
        }
        let raw = (high - low) / count as f64;
        let power = 10f64.powf(raw.log10().floor());
        let step =
            [1., 2., 5., 10.].into_iter().map(|m| m * power).find(|step| *step >= raw * 0.999).unwrap_or(raw);
        Some(if tight {
            Axis { low, high, step: step.max(1.) }
        } else {
            Axis { low: (low / step).floor() * step, high: (high / step).ceil() * step, step }
        })
    }

    pub(crate) fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    pub(crate) fn ticks(&self) -> impl Iterator<Item = f64> {
        let (first, last) =
            ((self.low / self.step - 1e-9).ceil() as i64, (self.high / self.step + 1e-9).floor() as i64);
        (first..=last).map(|at| at as f64 * self.step)
    }

    pub(crate) fn label(&self, tick: f64) -> String {
        if tick == 0. {
            return "0".into();
        }
        if self.step < 1e-4 {
            // As many digits as tell neighbouring ticks apart: 1.5e-4, 2.0e-4.
            let digits = tick.abs().log10().floor() - (self.step.log10() + 1e-9).floor();
            return format!("{tick:.*e}", digits.max(0.) as usize);
        }
        if self.step >= 1000. {
            return format!("{}k", tick / 1000.);
        }
        format!("{tick:.*}", (-self.step.log10() - 1e-9).ceil().max(0.) as usize)
    }
}

/// Four significant digits.
fn significant(value: f64) -> String {
    if value.is_nan() {
        return "–".into();
    }
    if value == 0. || value.is_infinite() {
        return value.to_string();
    }
    let digits = 3 - value.abs().log10().floor() as i32;
    match digits {
        8.. => format!("{value:.3e}"),
        _ if value.fract() == 0. => format!("{value:.0}"),
        _ => format!("{value:.*}", digits.max(0) as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::check;

    fn chart(lines: &[&[(f64, f64)]]) -> Chart {
        let lines = lines
            .iter()
            .enumerate()
            .map(|(at, points)| Line { name: format!("<{at}>"), points: points.to_vec() });
        Chart {
            title: "a & b".into(),
            x: "epoch".into(),
            lines: lines.collect(),
            mark: Some((2., "best".into())),
        }
    }

    #[test]
    fn well_formed() {
        let svg = chart(&[&[(1., 0.5), (2., f64::NAN), (3., 0.25)], &[(1., 1.), (2., 2.), (3., 3.)]]).svg();
        check(&svg).unwrap();
        assert!(svg.contains("a &amp; b") && svg.contains("&lt;0&gt;"));
        assert_eq!(svg.matches("<circle").count(), 5); // the NaN is not drawn
        assert_eq!(svg.matches("class=\"hover\"").count(), 3);
        // The second line is dashed, in its legend and in the plot.
        assert_eq!(svg.matches("style=\"stroke:var(--c1)\" stroke-dasharray=\"7 3\"").count(), 2);
        assert!(!svg.contains("stroke:var(--c0)\" stroke-dasharray"));
        assert!(svg.contains("<title>epoch 3\n&lt;0&gt;: 0.2500\n&lt;1&gt;: 3</title>"), "{svg}");
        assert!(!svg.contains(">NaN<") && !svg.contains("NaN ") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn nothing_and_next_to_nothing() {
        for points in [&[][..], &[(1., f64::NAN)][..], &[(1., 2.)][..], &[(1., 0.), (2., 0.)][..]] {
            let svg = chart(&[points]).svg();
            check(&svg).unwrap();
            assert_eq!(
                svg.contains("no finite values"),
                points.iter().all(|(_, y)| y.is_nan()),
                "{points:?}"
            );
        }
        check(&chart(&[]).svg()).unwrap();
        // One line has no legend, two have.
        let named = |count: usize| {
            let svg = chart(&vec![&[(1., 2.), (2., 1.)][..]; count]).svg();
            svg.contains(">&lt;0&gt;</text>")
        };
        assert_eq!((named(1), named(2)), (false, true));
    }

    #[test]
    fn ticks_are_round() {
        let labels = |low: f64, high: f64, count, tight| {
            let axis = Axis::over([low, high].into_iter(), count, tight).unwrap();
            axis.ticks().map(|tick| axis.label(tick)).collect::<Vec<_>>()
        };
        assert_eq!(labels(0.12, 0.93, 5, false), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(1., 20., 7, true), ["5", "10", "15", "20"]);
        assert_eq!(labels(1., 3., 7, true), ["1", "2", "3"]);
        assert_eq!(labels(1., 1., 7, true), ["1"]);
        assert_eq!(labels(0., 0.00021, 5, false), ["0", "5e-5", "1.0e-4", "1.5e-4", "2.0e-4", "2.5e-4"]);
        assert_eq!(labels(0., 30000., 5, false).last().unwrap(), "30k");
    }

    #[test]
    fn long_lines_keep_their_spikes() {
        let mut points: Vec<_> = (0..100_000).map(|at| (at as f64, (at % 7) as f64)).collect();
        points[54_321].1 = 99.;
        let thin = thinned(&points);
        assert!(thin.len() <= DRAWN + 2 && thin.contains(&(54_321., 99.)), "{}", thin.len());
        assert!(thin.is_sorted_by(|a, b| a.0 <= b.0));
        let svg = chart(&[&points]).svg();
        assert!(svg.len() < 60_000, "{}", svg.len());
    }
}
