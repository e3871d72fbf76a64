//! Paths as overrides write them: `data.batch`, `branches[0].policies`.

use super::marks::join;

/// One step of it.
pub enum Segment {
    Key(String),
    Index(usize),
}

/// `a.b[2].c` as segments.
pub fn segments(key: &str) -> Option<Vec<Segment>> {
    let mut segments = Vec::new();
    for part in key.split('.') {
        let mut pieces = part.split('[');
        let name = pieces.next().filter(|name| !name.is_empty())?;
        segments.push(Segment::Key(name.to_owned()));
        for piece in pieces {
            segments.push(Segment::Index(piece.strip_suffix(']')?.parse().ok()?));
        }
    }
    Some(segments)
}

/// The text of segments.
pub fn path_of(segments: &[Segment]) -> String {
    segments.iter().fold(String::new(), |path, segment| match segment {
        Segment::Key(key) => join(&path, key),
        Segment::Index(index) => format!("{path}[{index}]"),
    })
}
