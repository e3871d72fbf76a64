//! What a recipe may be at most, told before it is parsed: parsers take time by the square of the depth, and aliases multiply.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use yaml_rust2::parser::Event;

/// Bytes of a file. Those that come with tallow have about a thousandth.
pub(super) const LARGEST: usize = 1 << 20;
/// Levels of lists and mappings.
pub(super) const DEEPEST: usize = 100;
/// Values, keys among them; an alias has all those that it stands for.
const MOST: usize = 50_000;
/// Bytes of the path of a value, such as `data.split`.
const LONGEST: usize = 1000;

/// The text of a recipe or a preset.
///
/// # Errors
/// A file that cannot be opened, is too large, or is no text.
pub fn text_of(path: &Path) -> std::io::Result<String> {
    let wrong = |problem| std::io::Error::new(std::io::ErrorKind::InvalidData, problem);
    let mut bytes = Vec::new();
    // Of a device there is no end.
    std::fs::File::open(path)?.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    sized(&bytes).map_err(wrong)?;
    String::from_utf8(bytes).map_err(|_| wrong("not a text in UTF-8".to_owned()))
}

/// Whether a text is not too large.
pub(super) fn sized(text: &[u8]) -> Result<(), String> {
    match text.len() {
        0..=LARGEST => Ok(()),
        _ => Err(format!(
            "more than {LARGEST} bytes, expected a recipe – name another file, or shorten this one"
        )),
    }
}

/// Whether a path is not too long.
pub(super) fn named(path: &str) -> Result<(), String> {
    match path.len() {
        0..=LONGEST => Ok(()),
        long => Err(format!("keys of {long} bytes in all, expected at most {LONGEST} – shorten them")),
    }
}

/// What to say of more than [`DEEPEST`] levels.
pub(super) fn too_deep() -> String {
    format!("more than {DEEPEST} levels, expected a recipe of a few – take brackets or indentation away")
}

/// Counts what a text says, event by event.
#[derive(Default)]
pub(super) struct Bounds {
    values: usize,
    /// Of each open collection its anchor, and how many values there were before it.
    open: Vec<(usize, usize)>,
    /// How many values an anchor stands for.
    anchors: HashMap<usize, usize>,
}

impl Bounds {
    /// Takes one event. An error says what there is too much of.
    pub fn see(&mut self, event: &Event) -> Result<(), String> {
        let before = self.values;
        match event {
            Event::Scalar(_, _, anchor, _) => {
                self.values += 1;
                self.anchors.insert(*anchor, 1);
            }
            Event::Alias(anchor) => {
                // Of a collection that is still open, itself.
                self.values = before.saturating_add(self.anchors.get(anchor).copied().unwrap_or(1));
            }
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                self.values += 1;
                self.open.push((*anchor, before));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((anchor, before)) = self.open.pop() {
                    self.anchors.insert(anchor, self.values - before);
                }
            }
            _ => {}
        }
        if self.open.len() > DEEPEST {
            return Err(too_deep());
        }
        if self.values > MOST {
            let problem = format!("more than {MOST} values, expected a recipe of about a hundred");
            return Err(format!(
                "{problem} – lists of images belong in a CSV; aliases (*) count as what they stand for"
            ));
        }
        Ok(())
    }
}
