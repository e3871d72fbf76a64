//! A confusion matrix as an SVG: counts, shaded by the share of their row.

use crate::markup::escape;
use crate::plot::{open, standalone};
use crate::table::ellipsis;
use std::fmt::Write;

/// Row = true class, column = predicted class; `counts` is (C, C). Shading: count / row sum. Above 40 classes the cells
/// have no text, and empty ones are left out. Panics if `counts` has another shape.
pub fn heatmap(classes: &[String], counts: &[Vec<u64>]) -> String {
    standalone(&inline(classes, counts))
}

pub(crate) fn inline(classes: &[String], counts: &[Vec<u64>]) -> String {
    let n = classes.len();
    assert!(counts.len() == n && counts.iter().all(|row| row.len() == n), "counts of {n} classes");
    let dense = n > 40;
    let cell = match n {
        0..=10 => 46.,
        11..=20 => 34.,
        21..=40 => 26.,
        _ => 8.,
    };
    let text = if dense { 7. } else { 11. };
    let names: Vec<_> = classes.iter().map(|name| ellipsis(name, 18)).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0) as f64 * text * 0.6;
    let turned = longest > cell - 4.;
    let (left, top) = (26. + longest, 6.);
    let below = if turned { longest * 0.72 + 30. } else { 38. };
    let side = cell * n as f64;
    let (width, height) = ((left + side + 8.).max(160.), top + side + below);
    let mut out = open(width.ceil(), height.ceil(), "confusion matrix");

    out.push_str("<g class=\"cells\">");
    for (row, counts) in counts.iter().enumerate() {
        let sum: u64 = counts.iter().sum();
        for (column, &count) in counts.iter().enumerate() {
            if dense && count == 0 {
                continue;
            }
            let share = if sum == 0 { 0. } else { count as f64 / sum as f64 };
            let (x, y) = (left + cell * column as f64, top + cell * row as f64);
            let (truth, guess) = (escape(&classes[row]), escape(&classes[column]));
            let _ = write!(
                out,
                "<g><rect class=\"cell\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{cell}\" height=\"{cell}\" fill-opacity=\"{share:.3}\"/>\
                 <rect class=\"frame\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{cell}\" height=\"{cell}\" pointer-events=\"all\"/>\
                 <title>{truth} taken for {guess}: {count} of {sum}, {:.1} %</title>",
                100. * share
            );
            if !dense {
                let class = if share > 0.55 {
                    "mid onheat"
                } else if count == 0 {
                    "mid"
                } else {
                    "mid ink"
                };
                let (x, y) = (x + cell / 2., y + cell / 2. + 4.);
                let _ = write!(
                    out,
                    "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" pointer-events=\"none\">{count}</text>"
                );
            }
            out.push_str("</g>");
        }
    }
    out.push_str("</g>");
    for (at, name) in names.iter().enumerate() {
        let middle = cell * (at as f64 + 0.5);
        let (name, y) = (escape(name), top + middle + text * 0.35);
        let size = format!("style=\"font-size:{text}px\"");
        let _ =
            write!(out, "<text class=\"end ink\" x=\"{:.1}\" y=\"{y:.1}\" {size}>{name}</text>", left - 6.);
        let (x, y) = (left + middle, top + side + 14.);
        let _ = if turned {
            write!(
                out,
                "<text class=\"end ink\" transform=\"translate({:.1} {y:.1}) rotate(-45)\" {size}>{name}</text>",
                x + 4.
            )
        } else {
            write!(out, "<text class=\"mid ink\" x=\"{x:.1}\" y=\"{y:.1}\" {size}>{name}</text>")
        };
    }
    let middle = top + side / 2.;
    let _ = write!(
        out,
        "<text class=\"mid\" transform=\"translate(12 {middle:.1}) rotate(-90)\">true class</text>"
    );
    let _ = write!(
        out,
        "<text class=\"mid\" x=\"{:.1}\" y=\"{:.1}\">predicted class</text></svg>",
        left + side / 2.,
        height - 6.
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::check;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|at| format!("class & {at}")).collect()
    }

    #[test]
    fn cells_and_shares() {
        let svg = heatmap(&names(2), &[vec![3, 1], vec![0, 0]]);
        check(&svg).unwrap();
        assert!(svg.contains("class &amp; 0 taken for class &amp; 1: 1 of 4, 25.0 %"), "{svg}");
        assert!(
            svg.contains("fill-opacity=\"0.750\"") && svg.contains("0 of 0, 0.0 %"),
            "an empty row is not NaN: {svg}"
        );
        assert_eq!(svg.matches("class=\"cell\"").count(), 4);
    }

    #[test]
    fn many_classes_stay_small() {
        let mut counts = vec![vec![0; 100]; 100];
        (0..100).for_each(|at| counts[at][at] = 5);
        let svg = heatmap(&names(100), &counts);
        check(&svg).unwrap();
        assert_eq!(svg.matches("class=\"cell\"").count(), 100);
        assert!(svg.len() < 80_000, "{}", svg.len());
    }

    #[test]
    fn no_classes() {
        check(&heatmap(&[], &[])).unwrap();
    }
}
