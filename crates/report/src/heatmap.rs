//! A confusion matrix as an SVG: counts, shaded by the share of their row. Long names stand whole beside their rows, in lines; the
//! columns then have the rows' numbers.

use crate::markup::escape;
use crate::plot::{open, standalone};
use crate::table::ellipsis;
use std::fmt::Write;

/// Row = true class, column = predicted class; `counts` is (C, C). Shading: count / row sum. Above 40 classes the cells
/// have no text, and empty ones are left out. Panics if `counts` has another shape.
pub fn heatmap(classes: &[String], counts: &[Vec<u64>]) -> String {
    standalone(&inline(classes, counts).0)
}

/// And how wide it is drawn.
pub(crate) fn inline(classes: &[String], counts: &[Vec<u64>]) -> (String, f64) {
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
    let is_numbered = !dense && classes.iter().any(|name| name.chars().count() > LONG);
    let label = |(at, name): (usize, &String)| match is_numbered {
        true => lines(&format!("{} {name}", at + 1), LETTERS, (cell / (text + 2.)) as usize),
        false => vec![ellipsis(name, LONG)],
    };
    let labels: Vec<Vec<String>> = classes.iter().enumerate().map(label).collect();
    let longest =
        labels.iter().flatten().map(|line| line.chars().count()).max().unwrap_or(0) as f64 * text * 0.6;
    let turned = !is_numbered && longest > cell - 4.;
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
                let class = match share {
                    _ if count == 0 => "mid",
                    _ => on_heat(share),
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
    for (at, label) in labels.iter().enumerate() {
        let middle = cell * (at as f64 + 0.5);
        let size = format!("style=\"font-size:{text}px\"");
        let first = top + middle + text * 0.35 - (label.len() - 1) as f64 * (text + 2.) / 2.;
        for (row, line) in label.iter().enumerate() {
            let y = first + row as f64 * (text + 2.);
            let line = escape(line);
            let _ = write!(
                out,
                "<text class=\"end ink\" x=\"{:.1}\" y=\"{y:.1}\" {size}>{line}</text>",
                left - 6.
            );
        }
        let (x, y) = (left + middle, top + side + 14.);
        let name = if is_numbered { (at + 1).to_string() } else { escape(&label[0]) };
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
    (out, width)
}

/// The class of text on a cell, so that it stands out by 4.5 to 1 in both themes: the ink no longer does where the cell is well
/// filled, and pure black and white change places where they stand out alike.
pub(crate) fn on_heat(share: f64) -> &'static str {
    match share {
        0.86.. => "mid over",
        0.6.. => "mid deep",
        _ => "mid ink",
    }
}

/// Names longer than this are numbered where cells have text.
const LONG: usize = 18;
/// Letters of a line of a name.
const LETTERS: usize = 30;

/// Words in lines of at most `letters`, at most `most` lines; an … where some are missing.
fn lines(text: &str, letters: usize, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= letters => {
                *line += &format!(" {word}")
            }
            _ => lines.push(ellipsis(word, letters)),
        }
    }
    if lines.len() > most.max(1) {
        let rest = lines.split_off(most.max(1) - 1).join(" ");
        lines.push(ellipsis(&rest, letters));
    }
    lines
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

    /// Nothing of nine long names is hidden.
    #[test]
    fn long_names_stand_beside_their_rows() {
        let name =
            |at: usize| format!("Melanocytic nevus of the acral skin, histologically confirmed <{at}>");
        let names: Vec<String> = (0..9).map(name).collect();
        let svg = heatmap(&names, &vec![vec![1; 9]; 9]);
        check(&svg).unwrap();
        let texts: Vec<&str> =
            svg.split("<text").skip(1).map(|text| text.split(['>', '<']).nth(1).unwrap()).collect();
        for at in 0..9 {
            let words = escape(&format!("{} {}", at + 1, name(at)));
            let end = format!("confirmed &lt;{at}&gt;");
            assert!(words.ends_with(&end) && texts.contains(&&*end), "{texts:?}");
        }
        assert!(!svg.contains('…') && !svg.contains("rotate(-45)"), "{svg}");
        assert_eq!(texts.iter().filter(|text| **text == "9").count(), 1, "the number of a column");
    }

    #[test]
    fn a_name_in_lines() {
        assert_eq!(lines("1 acral nevus, confirmed", 12, 3), ["1 acral", "nevus,", "confirmed"]);
        assert_eq!(lines("1 acral nevus, confirmed", 12, 2), ["1 acral", "nevus, conf…"]);
    }

    #[test]
    fn no_classes() {
        check(&heatmap(&[], &[])).unwrap();
    }
}
