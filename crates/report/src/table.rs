//! The table at the end of a run or an evaluation, as text of at most 80 columns.

use crate::Headline;

/// What a confusion says of one class. NaN where it is undefined, shown as –.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassRow {
    pub name: String,
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    /// Images of this class.
    pub support: u64,
}

/// Per-class precision, recall, F1 and support, then the headline metrics with their intervals, for stdout.
pub fn table(classes: &[ClassRow], headline: &[Headline]) -> String {
    let names = classes.iter().map(|class| &class.name).chain(headline.iter().map(|line| &line.name));
    let width = names.map(|name| name.chars().count()).max().unwrap_or(0).clamp(5, 80 - 41);
    let mut out =
        format!("{:<width$} {:>10} {:>9} {:>9} {:>9}\n", "class", "precision", "recall", "f1", "support");
    for class in classes {
        let [precision, recall, f1] = [class.precision, class.recall, class.f1].map(share);
        let name = ellipsis(&class.name, width);
        out += &format!("{name:<width$} {precision:>10} {recall:>9} {f1:>9} {:>9}\n", class.support);
    }
    out.push('\n');
    for line in headline {
        let interval =
            line.interval.map_or(String::new(), |(low, high)| format!("  [{}, {}]", share(low), share(high)));
        out += &format!("{:<width$} {:>10}{interval}\n", ellipsis(&line.name, width), share(line.value));
    }
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

    fn row(name: &str, precision: f64, recall: f64, f1: f64, support: u64) -> ClassRow {
        ClassRow { name: name.into(), precision, recall, f1, support }
    }

    #[test]
    fn as_text() {
        let classes = [
            row("MEL", 0.5, 0.25, 1. / 3., 223),
            row("NV", 0.9, 0.95, 0.924, 1341),
            row("VASC", f64::NAN, 0., 0., 0),
        ];
        let headline = [
            Headline {
                name: "macro_f1".into(),
                value: 0.4191,
                interval: Some((0.39, 0.45)),
                ..Headline::default()
            },
            Headline { name: "accuracy".into(), value: 0.8235, ..Headline::default() },
        ];
        assert_eq!(
            table(&classes, &headline),
            "class     precision    recall        f1   support\n\
             MEL           0.500     0.250     0.333       223\n\
             NV            0.900     0.950     0.924      1341\n\
             VASC              –     0.000     0.000         0\n\
             \n\
             macro_f1      0.419  [0.390, 0.450]\n\
             accuracy      0.824\n"
        );
    }

    #[test]
    fn long_names_stay_within_80_columns() {
        let classes = [row(&"γ".repeat(99), 1., 1., 1., 123_456_789)];
        let text = table(&classes, &[]);
        assert_eq!(text.lines().map(|line| line.chars().count()).max(), Some(80));
        assert!(text.contains("γ…"), "{text}");
    }

    #[test]
    fn ellipsis_counts_characters() {
        assert_eq!([ellipsis("abc", 3), ellipsis("abcd", 3), ellipsis("", 0)], ["abc", "ab…", ""]);
    }
}
