//! Text in lines of whole words, for terminals of 80 columns.

/// Columns of what is printed for people.
pub const WIDTH: usize = 80;

/// Lines of whole words, at most `width` characters where a word is not longer.
pub fn lines(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The same within [`WIDTH`], indented.
pub fn wrapped(text: &str, indent: usize) -> String {
    let space = " ".repeat(indent);
    let lines: Vec<String> =
        lines(text, WIDTH - indent).into_iter().map(|line| format!("{space}{line}")).collect();
    lines.join("\n")
}

/// A message of several lines: those beyond [`WIDTH`] go on below, two columns further in than they began.
pub fn message(text: &str) -> String {
    let fold = |line: &str| {
        let began = line.chars().take_while(|&char| char == ' ').count();
        if line.chars().count() <= WIDTH || began + 2 >= WIDTH {
            return line.to_owned();
        }
        let below = format!("\n{}", " ".repeat(began + 2));
        format!("{}{}", " ".repeat(began), lines(line, WIDTH - began - 2).join(&below))
    };
    text.split('\n').map(fold).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(lines("3 × 4 is 12", 5), ["3 × 4", "is 12"]);
        assert_eq!((lines("", 5).len(), lines("seventeen a", 5)), (0, vec!["seventeen".into(), "a".into()]));
        assert_eq!(wrapped("a b", 2), "  a b");
    }

    #[test]
    fn long_lines_of_a_message_are_folded() {
        let short = "x: wrong\n  - a   b\n";
        assert_eq!(message(short), short);
        let known = ["resnet18"; 12].join(", ");
        let folded = message(&format!("error: {known}\n  {known}"));
        assert!(folded.lines().all(|line| line.chars().count() <= WIDTH), "{folded}");
        let begins: Vec<usize> = folded.lines().map(|line| line.len() - line.trim_start().len()).collect();
        assert_eq!(begins, [0, 2, 2, 4]);
        assert_eq!(folded.split_whitespace().count(), 25);
    }
}
