//! The table at the end of a run or an evaluation, as text of at most 80 columns.

use tallow_metrics::{ClassIntervals, ClassSummary, Summary};

/// A metric at the top of a report and at the end of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headline {
    pub name: String,
    pub value: f64,
    /// Low and high end.
    pub interval: Option<(f64, f64)>,
    /// What the interval is, such as `95 % percentile bootstrap over 123 lesions`.
    pub basis: String,
    /// What a reader must know to judge the value, such as `lower is better`.
    pub note: String,
}

/// What the intervals are, each once.
pub(crate) fn bases(headline: &[Headline]) -> Vec<&str> {
    let mut bases: Vec<&str> = Vec::new();
    for line in headline.iter().filter(|line| line.interval.is_some() && !line.basis.is_empty()) {
        if !bases.contains(&&*line.basis) {
            bases.push(&line.basis);
        }
    }
    bases
}

impl Headline {
    /// The metrics most reports are judged by, `select` first; without intervals.
    pub fn list(summary: &Summary, select: &str) -> Vec<Headline> {
        let known = [
            ("macro_f1", summary.macro_f1),
            ("balanced_accuracy", summary.balanced_accuracy),
            ("accuracy", summary.accuracy),
            ("weighted_f1", summary.weighted_f1),
            ("auroc", summary.auroc),
            ("average_precision", summary.average_precision),
            ("mcc", summary.mcc),
            ("log_loss", summary.log_loss),
        ];
        let mut list: Vec<_> =
            known.map(|(name, value)| Headline { name: name.into(), value, ..Headline::default() }).into();
        list.sort_by_key(|headline| headline.name != select);
        list
    }
}

/// Per-class precision, recall (the sensitivity), specificity, F1, AUROC and support, then the headline metrics with their
/// intervals and what those are, for stdout; below the classes, their intervals, where there are any. – where a number is undefined. Where
/// names are too long for a column of their own, classes are numbered and the names stand below, whole.
pub fn table(classes: &[ClassSummary], intervals: &[ClassIntervals], headline: &[Headline]) -> String {
    const NUMBERS: usize = 57;
    let longest =
        |names: &mut dyn Iterator<Item = &String>| names.map(|name| name.chars().count()).max().unwrap_or(0);
    let room = 80 - NUMBERS;
    let is_numbered = longest(&mut classes.iter().map(|class| &class.class)) > room;
    let width = if is_numbered { room } else { longest(&mut classes.iter().map(|class| &class.class)) };
    let width = width.max(longest(&mut headline.iter().map(|line| &line.name))).clamp(5, room);
    let number = |at: usize| if is_numbered { format!("{} ", at + 1) } else { String::new() };
    let mut out = format!(
        "{:<width$} {:>10} {:>7} {:>12} {:>7} {:>7} {:>8}\n",
        "class", "precision", "recall", "specificity", "f1", "auroc", "support"
    );
    for (at, class) in classes.iter().enumerate() {
        let [precision, recall, specificity, f1, auroc] =
            [class.precision, class.recall, class.specificity, class.f1, class.auroc].map(share);
        let (name, support) = (ellipsis(&(number(at) + &class.class), width), class.support);
        out += &format!(
            "{name:<width$} {precision:>10} {recall:>7} {specificity:>12} {f1:>7} {auroc:>7} {support:>8}\n"
        );
    }
    if !intervals.is_empty() {
        out += &of_classes(classes, intervals, is_numbered);
    }
    if is_numbered {
        out.push('\n');
        out += &numbered(classes.iter().map(|class| &*class.class));
    }
    out.push('\n');
    for line in headline {
        let interval =
            line.interval.map_or(String::new(), |(low, high)| format!("  [{}, {}]", share(low), share(high)));
        let note = if line.note.is_empty() { String::new() } else { format!("  {}", line.note) };
        out +=
            &format!("{:<width$} {:>10}{interval}{note}\n", ellipsis(&line.name, width), share(line.value));
    }
    bases(headline).iter().for_each(|basis| out += &format!("\nintervals: {basis}\n"));
    if intervals.iter().any(|class| !class.wilson.is_empty()) {
        out += "of a class's number that is 0 or 1: Wilson's interval\n";
    }
    out
}

/// The intervals of the numbers of each class, in the same order.
fn of_classes(classes: &[ClassSummary], intervals: &[ClassIntervals], is_numbered: bool) -> String {
    /// Beside five columns.
    const ROOM: usize = 20;
    let name = |(at, class): (usize, &ClassSummary)| {
        let number = if is_numbered { format!("{} ", at + 1) } else { String::new() };
        ellipsis(&(number + &class.class), ROOM)
    };
    let names: Vec<String> = classes.iter().enumerate().map(name).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("intervals".len());
    let row = |name: &str, cells: [String; 5]| {
        let [precision, recall, specificity, f1, auroc] = cells;
        format!("{name:<width$} {precision:>11} {recall:>11} {specificity:>11} {f1:>11} {auroc:>11}\n")
    };
    let head = ["precision", "recall", "specificity", "f1", "auroc"].map(str::to_owned);
    let mut out = format!("\n{}", row("intervals", head));
    for (name, class) in names.iter().zip(intervals) {
        let all = [class.precision, class.recall, class.specificity, class.f1, class.auroc];
        let ends = |ends: Option<(f64, f64)>| {
            ends.map_or("–".to_owned(), |(low, high)| format!("{low:.3}–{high:.3}"))
        };
        out += &row(name, all.map(ends));
    }
    out
}

/// Names from 1 on, each on lines of its own, of at most 80 columns where a word is not longer.
pub fn numbered<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::new();
    for (name, at) in names.into_iter().zip(1..) {
        let start = format!("{at} ");
        let (indent, mut column) = (start.len(), start.len());
        out += &start;
        for (place, word) in name.split_whitespace().enumerate() {
            let wide = word.chars().count();
            if place > 0 && column + 1 + wide > 80 {
                out += &format!("\n{:indent$}", "");
                column = indent;
            } else if place > 0 {
                out.push(' ');
                column += 1;
            }
            out += word;
            column += wide;
        }
        out.push('\n');
    }
    out
}

/// Three decimals; – where there is no number.
pub(crate) fn share(value: f64) -> String {
    if value.is_nan() { "–".into() } else { format!("{value:.3}") }
}

/// At most `width` characters, the last an … where some are missing.
pub fn ellipsis(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.into();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallow_metrics::Predictions;

    /// Two images of a, both right; one of b, taken for a; none of c.
    fn summary(classes: &[String]) -> Summary {
        let mut predictions = Predictions::new(classes);
        predictions.push("1", None, 0, &[0.8, 0.1, 0.1]).unwrap();
        predictions.push("2", None, 0, &[0.5, 0.25, 0.25]).unwrap();
        predictions.push("3", None, 1, &[0.6, 0.3, 0.1]).unwrap();
        Summary::of(&predictions)
    }

    #[test]
    fn as_text() {
        let summary = summary(&["MEL", "NV", "VASC"].map(String::from));
        let mut headline = Headline::list(&summary, "accuracy");
        headline.truncate(2);
        headline[1].interval = Some((0.2, 0.4));
        headline[1].basis = "95 %, bootstrap over 3 images".into();
        headline[1].note = "higher is better".into();
        // Precision of MEL 2/3, F1 2 · (2/3) / (5/3) = 0.8; MEL outranks the other once of two times; macro F1 0.8 / 2 or / 3.
        let text = table(&summary.per_class, &[], &headline);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[..3],
            [
                "class     precision  recall  specificity      f1   auroc  support",
                "MEL           0.667   1.000        0.000   0.800   0.500        2",
                "NV            0.000   0.000        1.000   0.000   1.000        1",
            ]
        );
        assert!(lines[3].starts_with("VASC  ") && lines[3].ends_with("      –        0"), "{text}");
        assert_eq!(lines[4], "");
        assert_eq!(lines[5], "accuracy      0.667");
        assert!(
            lines[6].starts_with("macro_f1  ") && lines[6].ends_with("  [0.200, 0.400]  higher is better"),
            "{text}"
        );
        assert_eq!(lines[7..], ["", "intervals: 95 %, bootstrap over 3 images"]);
    }

    #[test]
    fn intervals_of_classes_stand_below_them() {
        let names = ["Melanocytic nevus of the skin", "NV", "VASC"].map(String::from);
        let of = |low: f64, high: f64| Some((low, high));
        let intervals = [
            ClassIntervals {
                recall: of(0.25, 1.),
                f1: of(0.1, 0.9),
                wilson: vec!["recall"],
                ..Default::default()
            },
            ClassIntervals::default(),
            ClassIntervals { auroc: of(0.5, 0.75), ..Default::default() },
        ];
        let text = table(&summary(&names).per_class, &intervals, &[]);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[5..9],
            [
                "intervals              precision      recall specificity          f1       auroc",
                "1 Melanocytic nevus…           – 0.250–1.000           – 0.100–0.900           –",
                "2 NV                           –           –           –           –           –",
                "3 VASC                         –           –           –           – 0.500–0.750",
            ]
        );
        assert!(text.ends_with("of a class's number that is 0 or 1: Wilson's interval\n"), "{text}");
    }

    /// The columns stay at 80, and no name is lost.
    #[test]
    fn long_names_are_numbered_and_whole_below() {
        let long = |kind: &str| {
            format!("Melanocytic nevus of the {kind} skin, histologically confirmed and followed for years")
        };
        let text = table(&summary(&[long("acral"), long("nodular"), "c".into()]).per_class, &[], &[]);
        assert_eq!(text.lines().map(|line| line.chars().count()).max(), Some(80), "{text}");
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[1].starts_with("1 Melanocytic nevus of… ") && lines[3].starts_with("3 c  "), "{text}");
        let below = lines[5..].join(" ");
        let words = below.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words, format!("1 {} 2 {} 3 c", long("acral"), long("nodular")));
        // Lines that go on are indented below the name.
        assert!(lines[6].starts_with("  ") && lines[7].starts_with("2 Melanocytic"), "{text}");
    }

    #[test]
    fn what_intervals_are_is_said_once() {
        let line =
            |basis: &str| Headline { interval: Some((0., 1.)), basis: basis.into(), ..Headline::default() };
        let (a, b) = ("95 % over 3 lesions", "95 % over 4 images");
        assert_eq!(
            bases(&[
                line(a),
                line(b),
                line(a),
                Headline { basis: "no interval".into(), ..Headline::default() }
            ]),
            [a, b]
        );
        assert_eq!(table(&[], &[], &[line(a), line(a)]).matches(a).count(), 1);
    }

    #[test]
    fn ellipsis_counts_characters() {
        assert_eq!([ellipsis("abc", 3), ellipsis("abcd", 3), ellipsis("", 0)], ["abc", "ab…", ""]);
    }
}
