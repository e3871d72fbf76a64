//! The table of a comparison: for a terminal of 80 columns, in Markdown, in LaTeX.

use super::{Against, Found};
use crate::commands::compare::runs::Model;
use crate::wrap::{WIDTH, lines};
use std::fmt::Write;

/// Characters of a name that a terminal has room for.
const NAME: usize = 22;

/// Columns, and a row of texts for each model, the first without a difference.
pub fn rows(found: &Found) -> (Vec<String>, Vec<Vec<String>>) {
    let several = found.against.len() > 1;
    let mut columns = vec!["model", &found.metric.name, "difference", "interval", "p"];
    if several {
        columns.push("Holm");
    }
    let c = &found.against[0].comparison;
    let mut first = vec![found.models[0].name.clone(), value(c.a, c.sd_a)];
    first.resize(columns.len(), String::new());
    let row = |(model, against): (&Model, &Against)| {
        let c = &against.comparison;
        let mut row = vec![
            model.name.clone(),
            value(c.b, c.sd_b),
            number(c.difference, true),
            interval(c.low, c.high),
            p(c.p_permutation),
        ];
        row.extend(against.p_holm.map(p));
        row
    };
    let others = found.models[1..].iter().zip(&found.against).map(row);
    (columns.into_iter().map(str::to_owned).collect(), std::iter::once(first).chain(others).collect())
}

pub fn text(found: &Found) -> String {
    let (columns, rows) = rows(found);
    let way = if found.is_lower_better() { "lower is better" } else { "higher is better" };
    let mut out = format!("{}, {way}\n\n", found.units());
    let all = || std::iter::once(&columns).chain(&rows);
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| all().map(|row| row[at].chars().count()).max().unwrap_or(0))
        .enumerate()
        .map(|(at, width)| if at == 0 { width.min(NAME) } else { width })
        .collect();
    for row in all() {
        let name = shortened(&row[0], widths[0]);
        let mut line = format!("{name:<width$}", width = widths[0]);
        for (text, width) in row.iter().zip(&widths).skip(1) {
            let _ = write!(line, "  {text:>width$}");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    for (model, against) in found.models[1..].iter().zip(&found.against) {
        out.push('\n');
        for note in found.notes(model, against) {
            let several = if found.against.len() > 1 { format!("{}: ", model.name) } else { String::new() };
            out += &wrapped(&format!("{several}{note}"));
        }
    }
    out.push('\n');
    found.method().iter().for_each(|line| out += &wrapped(line));
    out
}

pub fn markdown(found: &Found) -> String {
    let (columns, rows) = rows(found);
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut out = line(&columns);
    out += &format!("|---|{}\n", "---:|".repeat(columns.len() - 1));
    rows.iter().for_each(|row| out += &line(row));
    for (name, note) in found.all_notes() {
        let _ = writeln!(out, "\n{name}: {note}.");
    }
    let _ = writeln!(out, "\n{}.", found.method().join("; "));
    out
}

pub fn latex(found: &Found) -> String {
    let (columns, rows) = rows(found);
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
        format!("{} \\\\\n", cells.join(" & "))
    };
    let method: Vec<String> = found.method().iter().map(|line| escaped(line)).collect();
    let mut out = format!("% {}.\n", method.join("; "));
    for (name, note) in found.all_notes() {
        let _ = writeln!(out, "% {}: {}.", escaped(&name), escaped(&note));
    }
    let _ = writeln!(out, "\\begin{{tabular}}{{l{}}}\n\\toprule", "r".repeat(columns.len() - 1));
    out += &line(&columns);
    out += "\\midrule\n";
    rows.iter().for_each(|row| out += &line(row));
    out += "\\bottomrule\n\\end{tabular}\n";
    out
}

/// A p-value: three digits, and no more certainty than that.
pub fn p(value: f64) -> String {
    match value {
        value if value.is_nan() => "–".to_owned(),
        value if value < 0.0001 => "<0.0001".to_owned(),
        value if value < 0.01 => format!("{value:.4}"),
        value => format!("{value:.3}"),
    }
}

/// With the standard deviation over runs, where there are several.
fn value(mean: f64, deviation: f64) -> String {
    let mean = number(mean, false);
    if deviation.is_nan() { mean } else { format!("{mean} ± {}", number(deviation, false)) }
}

/// The ends of an interval, where there is one.
pub fn interval(low: f64, high: f64) -> String {
    if low.is_nan() && high.is_nan() {
        return "–".to_owned();
    }
    format!("{} to {}", number(low, true), number(high, true))
}

/// Four digits, with a sign where it is a difference.
pub fn number(value: f64, sign: bool) -> String {
    match sign {
        _ if value.is_nan() => "–".to_owned(),
        true => format!("{value:+.4}").replace('-', "−"),
        false => format!("{value:.4}"),
    }
}

/// What LaTeX would read otherwise.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out += "\\textbackslash{}",
            '~' => out += "\\textasciitilde{}",
            '^' => out += "\\textasciicircum{}",
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            '<' => out += "$<$",
            '±' => out += "$\\pm$",
            '−' => out += "$-$",
            '–' => out += "--",
            '…' => out += "\\dots{}",
            _ => out.push(c),
        }
    }
    out
}

/// The end of a name, where names differ.
fn shortened(text: &str, width: usize) -> String {
    match text.chars().count().checked_sub(width) {
        None | Some(0) => text.to_owned(),
        Some(over) => ['…'].into_iter().chain(text.chars().skip(over + 1)).collect(),
    }
}

/// Lines of at most 80 columns, further ones indented.
fn wrapped(text: &str) -> String {
    lines(text, WIDTH - 2).join("\n  ") + "\n"
}

#[cfg(test)]
mod tests {
    use super::{escaped, number, p, shortened};

    #[test]
    fn numbers_as_text() {
        assert_eq!(
            [f64::NAN, 0.00001, 0.00123, 0.04567, 1.0].map(p),
            ["–", "<0.0001", "0.0012", "0.046", "1.000"]
        );
        assert_eq!(
            [number(-0.01234, true), number(0.5, true), number(0.5, false)],
            ["−0.0123", "+0.5000", "0.5000"]
        );
        assert_eq!(escaped("a_b & 5 % ± −1 <x>"), "a\\_b \\& 5 \\% $\\pm$ $-$1 $<$x>");
    }

    #[test]
    fn long_names_keep_the_end_that_differs() {
        let names =
            ["isic2018_resnet50_none", "isic2018_resnet50_zeta_mixup"].map(|name| shortened(name, 22));
        assert_eq!(names, ["isic2018_resnet50_none", "…8_resnet50_zeta_mixup"]);
    }
}
