//! The table at the end of a run or an evaluation, as text of at most 80 columns.

use tallow_metrics::{ClassSummary, Summary};

/// A metric at the top of a report and at the end of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headline {
    pub name: String,
    pub value: f64,
    /// Low and high end.
    pub interval: Option<(f64, f64)>,
    /// What the interval is, or anything else, such as `95 %, bootstrap over lesions`.
    pub note: String,
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
/// intervals and what those are, for stdout. – where a number is undefined.
pub fn table(classes: &[ClassSummary], headline: &[Headline]) -> String {
    let names = classes.iter().map(|class| &class.class).chain(headline.iter().map(|line| &line.name));
    let width = names.map(|name| name.chars().count()).max().unwrap_or(0).clamp(5, 80 - 57);
    let mut out = format!(
        "{:<width$} {:>10} {:>7} {:>12} {:>7} {:>7} {:>8}\n",
        "class", "precision", "recall", "specificity", "f1", "auroc", "support"
    );
    for class in classes {
        let [precision, recall, specificity, f1, auroc] =
            [class.precision, class.recall, class.specificity, class.f1, class.auroc].map(share);
        let (name, support) = (ellipsis(&class.class, width), class.support);
        out += &format!(
            "{name:<width$} {precision:>10} {recall:>7} {specificity:>12} {f1:>7} {auroc:>7} {support:>8}\n"
        );
    }
    out.push('\n');
    for line in headline {
        let interval =
            line.interval.map_or(String::new(), |(low, high)| format!("  [{}, {}]", share(low), share(high)));
        out += &format!("{:<width$} {:>10}{interval}\n", ellipsis(&line.name, width), share(line.value));
    }
    let mut notes: Vec<&str> =
        headline.iter().filter(|line| line.interval.is_some()).map(|line| &*line.note).collect();
    notes.dedup();
    notes.retain(|note| !note.is_empty());
    notes.iter().for_each(|note| out += &format!("\nintervals: {note}\n"));
    out
}

/// Three decimals; – where there is no number.
pub(crate) fn share(value: f64) -> String {
    if value.is_nan() { "–".into() } else { format!("{value:.3}") }
}

/// At most `width` characters, the last an … where some are missing.
pub(crate) fn ellipsis(text: &str, width: usize) -> String {
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
        headline[1].note = "95 %, bootstrap over 3 images".into();
        // Precision of MEL 2/3, F1 2 · (2/3) / (5/3) = 0.8; MEL outranks the other once of two times; macro F1 0.8 / 2 or / 3.
        let text = table(&summary.per_class, &headline);
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
        assert!(lines[6].starts_with("macro_f1  ") && lines[6].ends_with("  [0.200, 0.400]"), "{text}");
        assert_eq!(lines[7..], ["", "intervals: 95 %, bootstrap over 3 images"]);
    }

    #[test]
    fn long_names_stay_within_80_columns() {
        let text = table(&summary(&["γ".repeat(99), "b".into(), "c".into()]).per_class, &[]);
        assert_eq!(text.lines().map(|line| line.chars().count()).max(), Some(80));
        assert!(text.contains("γ…"), "{text}");
    }

    #[test]
    fn ellipsis_counts_characters() {
        assert_eq!([ellipsis("abc", 3), ellipsis("abcd", 3), ellipsis("", 0)], ["abc", "ab…", ""]);
    }
}
