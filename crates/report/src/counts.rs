//! Images of each class in each part, as text of at most 80 columns.

use crate::table::ellipsis;
use tallow_data::counted;

/// Classes that are shown; of more, the commonest and the rarest.
const SHOWN: usize = 24;
const COLUMN: usize = 11;

/// A line for each class, of images in each part (name, images per class), below a heading; two columns further in.
pub fn counts(classes: &[String], parts: &[(&str, &[u64])]) -> String {
    let room = 78_usize.saturating_sub(COLUMN * parts.len());
    let longest = classes.iter().map(|class| class.chars().count()).max().unwrap_or(0);
    let width = longest.clamp(5, room.max(5));
    let numbers =
        |cells: Vec<String>| cells.iter().map(|cell| format!("{cell:>COLUMN$}")).collect::<String>();
    let heading = numbers(parts.iter().map(|(name, _)| (*name).to_owned()).collect());
    let mut text = format!("  {:<width$}{heading}\n", "class");
    let line = |class: usize| {
        let cells = parts.iter().map(|(_, counts)| counts[class].to_string()).collect();
        format!("  {:<width$}{}\n", ellipsis(&classes[class], width), numbers(cells))
    };
    if classes.len() <= SHOWN {
        (0..classes.len()).for_each(|class| text += &line(class));
        return text;
    }
    let images = |class: &usize| parts.iter().map(|(_, counts)| counts[*class]).sum::<u64>();
    let mut order: Vec<usize> = (0..classes.len()).collect();
    order.sort_by_key(|class| std::cmp::Reverse(images(class)));
    let half = SHOWN / 2;
    order[..half].iter().for_each(|class| text += &line(*class));
    text += &format!("  … {} between these …\n", counted(classes.len() - 2 * half, "class"));
    order[classes.len() - half..].iter().for_each(|class| text += &line(*class));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_line_of_80_columns() {
        let names =
            ["MEL".to_owned(), "a name that is longer than any terminal would have room for: ".repeat(2)];
        let text = counts(&names, &[("train", &[12, 3]), ("validation", &[4, 0])]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
        assert!(lines[0].ends_with("      train validation"), "{text}");
        assert!(lines[1].starts_with("  MEL ") && lines[1].ends_with("         12          4"), "{text}");
        assert!(lines[2].contains('…') && lines[2].ends_with("          3          0"), "{text}");
    }

    #[test]
    fn of_many_classes_the_commonest_and_the_rarest_are_shown() {
        let names: Vec<String> = (0..100).map(|class| format!("c{class}")).collect();
        let images: Vec<u64> = (0..100).collect();
        let text = counts(&names, &[("train", &images)]);
        assert_eq!(text.lines().count(), 1 + 12 + 1 + 12);
        assert!(text.contains("c99 ") && text.contains("c0 ") && !text.contains("c50 "), "{text}");
        assert!(text.contains("… 76 classes between these …"), "{text}");
    }
}
