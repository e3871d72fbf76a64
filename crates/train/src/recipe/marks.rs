//! Where things stand in a YAML text: the line and column of every value and key, by path.

use super::bounds::{Bounds, DEEPEST, named, sized, too_deep};
use std::collections::HashMap;
use yaml_rust2::parser::{Event, Parser};
use yaml_rust2::scanner::Marker;

/// Line and column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pub line: usize,
    pub column: usize,
}

impl Mark {
    pub const START: Mark = Mark { line: 1, column: 1 };

    fn at(marker: &Marker) -> Mark {
        Mark { line: marker.line().max(1), column: marker.col() + 1 }
    }
}

/// The marks of one text. Paths look like `policy.branches[0].policies[1].mixup.alpha`; the root's is empty.
#[derive(Debug, Default)]
pub struct Marks {
    values: HashMap<String, Mark>,
    keys: HashMap<String, Mark>,
}

impl Marks {
    /// Reads the marks of a text; of a text that is not YAML, those before the first error.
    ///
    /// # Errors
    /// What a recipe has too much of, and where.
    pub fn of(text: &str) -> Result<Marks, (Mark, String)> {
        sized(text.as_bytes()).map_err(|problem| (Mark::START, problem))?;
        let (mut parser, mut reader, mut bounds) =
            (Parser::new_from_str(text), Reader::default(), Bounds::default());
        let mut is_first = true;
        loop {
            match parser.next_token() {
                Ok((Event::StreamEnd, _)) => return Ok(reader.marks),
                Ok((event, marker)) => {
                    let mark = Mark::at(&marker);
                    bounds.see(&event).map_err(|problem| (mark, problem))?;
                    if is_first {
                        is_first = event != Event::DocumentEnd;
                        reader.take(event, mark).map_err(|problem| (mark, problem))?;
                    }
                }
                Err(error) => {
                    let mark = Mark::at(error.marker());
                    // Of brackets the parser reads ahead, and has a bound of its own.
                    if error.info() == "recursion limit exceeded" {
                        return Err((mark, too_deep()));
                    }
                    // serde_yaml says it better, unless what follows may be beyond all bounds.
                    let rest = || text.lines().skip(mark.line - 1).flat_map(str::chars);
                    let many = rest().filter(|letter| matches!(letter, '[' | '{')).count() > 10 * DEEPEST;
                    if many || (text.contains('&') && rest().any(|letter| letter == '*')) {
                        return Err((mark, format!("not YAML: {}", error.info())));
                    }
                    return Ok(reader.marks);
                }
            }
        }
    }

    /// The place of a value.
    pub fn value(&self, path: &str) -> Option<Mark> {
        self.values.get(path).copied()
    }

    /// The place of the key that names a value.
    pub fn key(&self, path: &str) -> Option<Mark> {
        self.keys.get(path).copied()
    }
}

/// A collection that is open while events arrive.
enum Open {
    Mapping { path: String, key: Option<String> },
    Sequence { path: String, next: usize },
}

#[derive(Default)]
struct Reader {
    marks: Marks,
    open: Vec<Open>,
}

impl Reader {
    /// The path of the node that starts now; `None` for a key of a mapping.
    fn path(&mut self, scalar: Option<&str>, mark: Mark) -> Result<Option<String>, String> {
        let path = match self.open.last_mut() {
            None => Some(String::new()),
            Some(Open::Sequence { path, next }) => {
                *next += 1;
                Some(format!("{path}[{}]", *next - 1))
            }
            Some(Open::Mapping { path, key }) => match key.take() {
                Some(name) => Some(join(path, &name)),
                None => {
                    let name = scalar.unwrap_or("?").to_owned();
                    let path = join(path, &name);
                    named(&path)?;
                    self.marks.keys.insert(path, mark);
                    *key = Some(name);
                    None
                }
            },
        };
        path.as_deref().map_or(Ok(()), named)?;
        Ok(path)
    }

    fn take(&mut self, event: Event, mark: Mark) -> Result<(), String> {
        match event {
            Event::Scalar(text, ..) => {
                if let Some(path) = self.path(Some(&text), mark)? {
                    self.marks.values.insert(path, mark);
                }
            }
            Event::Alias(_) => {
                if let Some(path) = self.path(None, mark)? {
                    self.marks.values.insert(path, mark);
                }
            }
            Event::MappingStart(..) => {
                let path = self.path(None, mark)?.unwrap_or_default();
                self.marks.values.insert(path.clone(), mark);
                self.open.push(Open::Mapping { path, key: None });
            }
            Event::SequenceStart(..) => {
                let path = self.path(None, mark)?.unwrap_or_default();
                self.marks.values.insert(path.clone(), mark);
                self.open.push(Open::Sequence { path, next: 0 });
            }
            Event::MappingEnd | Event::SequenceEnd => {
                self.open.pop();
            }
            _ => {}
        }
        Ok(())
    }
}

/// `path.key`, or `key` below the root.
pub fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_keys_have_places() {
        let text = "a: 1\nb:\n  - { c: x, d: [1, 2] }\n  - e: y\n";
        let marks = Marks::of(text).unwrap();
        let at = |line, column| Some(Mark { line, column });
        assert_eq!(marks.value("a"), at(1, 4));
        assert_eq!(marks.key("b[0].c"), at(3, 7));
        assert_eq!(marks.value("b[0].d[1]"), at(3, 20));
        assert_eq!(marks.value("b[1].e"), at(4, 8));
        assert_eq!(marks.value("b[2]"), None);
    }

    #[test]
    fn what_is_beyond_bounds_is_refused_in_no_time() {
        let (many, line) = (60_000, "x: 1\n".to_owned());
        let laughs: String =
            (0..6).map(|i| format!("l{}: &l{} [{}]\n", i + 1, i + 1, format!("*l{i},").repeat(9))).collect();
        for (text, expected, at) in [
            (line.clone() + "a: " + &"[".repeat(many), "more than 100 levels", 2),
            (line.clone() + "a: " + &"[".repeat(many) + &"]".repeat(many), "more than 100 levels", 2),
            (line.clone() + "a: " + &"{a: ".repeat(many), "more than 100 levels", 2),
            (line.clone() + "a:\n" + &"- ".repeat(many), "more than 100 levels", 3),
            (line.clone() + "a:\n" + &"? ".repeat(many), "more than 100 levels", 3),
            ((0..200).map(|i| format!("{}a:\n", " ".repeat(i))).collect(), "more than 100 levels", 101),
            (format!("l0: &l0 1\n{laughs}"), "more than 50000 values", 6),
            (format!("{line}a: [{}]", "1,".repeat(many)), "more than 50000 values", 2),
            ((0..many).map(|i| format!("k{i}: 1\n")).collect(), "more than 50000 values", 25_000),
            (format!("{line}? {}\n: 1\n", "k".repeat(many)), "keys of 60000 bytes in all", 2),
            (format!("# {}\n", "x".repeat(1 << 20)), "more than 1048576 bytes", 1),
            // Another document, and what follows a mistake.
            (format!("{line}---\n{}", "[".repeat(many)), "more than 100 levels", 3),
            (format!("{line}]\n{}", "[".repeat(many)), "not YAML: ", 2),
            (format!("{line}a: &a [1]\n]\nb: *a"), "not YAML: ", 3),
        ] {
            let begun = std::time::Instant::now();
            let (mark, problem) = Marks::of(&text).expect_err(expected);
            assert!(problem.contains(expected), "{problem}");
            assert_eq!(mark.line, at, "{problem}");
            assert!(begun.elapsed().as_secs_f64() < 3.0, "{problem}: {:?}", begun.elapsed());
        }
        // What is written is far from all bounds.
        let levels = format!("{}1{}", "[".repeat(99), "]".repeat(99));
        assert!(Marks::of(&format!("a: {levels}\nb: [{}]\n", "1,".repeat(49_000))).is_ok());
        assert!(Marks::of("a: [1\n]]\n").is_ok(), "serde_yaml says what is wrong");
    }
}
