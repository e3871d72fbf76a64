//! Text of others for a terminal: names of files and classes may hold what a terminal carries out.

use std::borrow::Cow;

/// The text with every control character but tabs and ends of lines, and every character that turns the direction of writing, as an
/// escape: `\u{1b}`.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return text.into();
    }
    let mut found = String::with_capacity(text.len());
    for letter in text.chars() {
        if acts(letter) {
            found.extend(letter.escape_unicode());
        } else {
            found.push(letter);
        }
    }
    found.into()
}

fn acts(letter: char) -> bool {
    let turns = matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (letter.is_control() && letter != '\n' && letter != '\t')
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn nothing_is_carried_out() {
        assert_eq!(plain("\x1b]0;title\x07\x1b[31mred\r"), "\\u{1b}]0;title\\u{7}\\u{1b}[31mred\\u{d}");
        assert_eq!(plain("a\u{202e}gpj.exe \u{9b}2J"), "a\\u{202e}gpj.exe \\u{9b}2J");
        let ordinary = "ζ-mixup: naïve\tfile\nnext";
        assert!(matches!(plain(ordinary), std::borrow::Cow::Borrowed(text) if text == ordinary));
    }
}
