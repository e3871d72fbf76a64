//! A curve the size of a word.

use crate::markup::escape;
use std::fmt::Write;

const WIDTH: f64 = 96.;
const HEIGHT: f64 = 24.;
/// More are not told apart, and pages have many curves.
const POINTS: usize = 48;

/// An SVG of its own size, named for those who do not see it; nothing where there are no two points.
pub fn spark(name: &str, points: &[(f64, f64)]) -> String {
    let stride = points.len().div_ceil(POINTS).max(1);
    let is_drawn = |at: usize| at.is_multiple_of(stride) || at + 1 == points.len();
    let drawn = points.iter().enumerate().filter(|(at, (_, y))| is_drawn(*at) && y.is_finite());
    let finite: Vec<(f64, f64)> = drawn.map(|(_, point)| *point).collect();
    let (Some(first), Some(last)) = (finite.first(), finite.last()) else { return String::new() };
    if first.0 >= last.0 {
        return String::new();
    }
    let low = finite.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let high = finite.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
    let span = if high > low { high - low } else { 1. };
    let x = |value: f64| 2. + (value - first.0) / (last.0 - first.0) * (WIDTH - 6.);
    let y = |value: f64| HEIGHT - 3. - (value - low) / span * (HEIGHT - 6.);
    let mut path = String::new();
    for (at, point) in finite.iter().enumerate() {
        let _ = write!(path, "{}{:.1} {:.1}", if at == 0 { 'M' } else { 'L' }, x(point.0), y(point.1));
    }
    let said = format!("{name}: from {:.3} to {:.3}", first.1, last.1);
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\"><path d=\"{path}\"/>\
         <circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2\"/></svg>",
        escape(&said),
        x(last.0),
        y(last.1)
    )
}
