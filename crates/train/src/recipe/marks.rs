//! Where things stand in a YAML text: the line and column of every value and key, by path.

use std::collections::HashMap;
use yaml_rust2::parser::{Event, MarkedEventReceiver, Parser};
use yaml_rust2::scanner::Marker;

/// Line and column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pub line: usize,
    pub column: usize,
}

impl Mark {
    pub const START: Mark = Mark { line: 1, column: 1 };
}

/// The marks of one text. Paths look like `policy.branches[0].policies[1].mixup.alpha`; the root's is empty.
#[derive(Debug, Default)]
pub struct Marks {
    values: HashMap<String, Mark>,
    keys: HashMap<String, Mark>,
}

impl Marks {
    /// Reads the marks of a text; of a text that is not YAML, those before the first error.
    pub fn of(text: &str) -> Marks {
        let mut reader = Reader::default();
        // The text was read by serde_yaml before: an error here leaves places less exact, nothing more.
        let _ = Parser::new_from_str(text).load(&mut reader, false);
        reader.marks
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
    fn path(&mut self, scalar: Option<&str>, mark: Mark) -> Option<String> {
        match self.open.last_mut() {
            None => Some(String::new()),
            Some(Open::Sequence { path, next }) => {
                *next += 1;
                Some(format!("{path}[{}]", *next - 1))
            }
            Some(Open::Mapping { path, key }) => match key.take() {
                Some(name) => Some(join(path, &name)),
                None => {
                    let name = scalar.unwrap_or("?").to_owned();
                    self.marks.keys.insert(join(path, &name), mark);
                    *key = Some(name);
                    None
                }
            },
        }
    }
}

impl MarkedEventReceiver for Reader {
    fn on_event(&mut self, event: Event, marker: Marker) {
        let mark = Mark { line: marker.line(), column: marker.col() + 1 };
        match event {
            Event::Scalar(text, ..) => {
                if let Some(path) = self.path(Some(&text), mark) {
                    self.marks.values.insert(path, mark);
                }
            }
            Event::Alias(_) => {
                if let Some(path) = self.path(None, mark) {
                    self.marks.values.insert(path, mark);
                }
            }
            Event::MappingStart(..) => {
                let path = self.path(None, mark).unwrap_or_default();
                self.marks.values.insert(path.clone(), mark);
                self.open.push(Open::Mapping { path, key: None });
            }
            Event::SequenceStart(..) => {
                let path = self.path(None, mark).unwrap_or_default();
                self.marks.values.insert(path.clone(), mark);
                self.open.push(Open::Sequence { path, next: 0 });
            }
            Event::MappingEnd | Event::SequenceEnd => {
                self.open.pop();
            }
            _ => {}
        }
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
        let marks = Marks::of(text);
        let at = |line, column| Some(Mark { line, column });
        assert_eq!(marks.value("a"), at(1, 4));
        assert_eq!(marks.key("b[0].c"), at(3, 7));
        assert_eq!(marks.value("b[0].d[1]"), at(3, 20));
        assert_eq!(marks.value("b[1].e"), at(4, 8));
        assert_eq!(marks.value("b[2]"), None);
    }
}
