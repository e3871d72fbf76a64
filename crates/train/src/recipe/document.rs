//! A recipe as written: its text, what it extends, what the command line overrides; and the place of each of its values.

use super::bounds::{DEEPEST, text_of};
use super::marks::{Mark, Marks, join};
use super::path::{Segment, path_of, segments};
use super::resolved::translated;
use serde_yaml::{Mapping, Value};
use std::path::{Path, PathBuf};
use tallow_data::counted;
use tallow_policy::Mistake;

/// A recipe before it is understood: one YAML value, merged from texts whose places are known.
pub struct Document {
    pub value: Value,
    /// The recipe's file.
    pub path: PathBuf,
    /// In the order of application: a later one wins.
    layers: Vec<Layer>,
}

/// One text that contributed to a document.
struct Layer {
    /// How errors name it: a file, or the override as typed.
    name: String,
    /// Where its root stands in the document.
    prefix: String,
    marks: Option<Marks>,
    /// The paths it sets.
    value: Value,
}

/// Of so many mistakes a person reads the first.
pub(super) const SHOWN: usize = 100;

/// Maps with one key that is a choice: another key replaces the whole map.
const CHOICES: [&str; 2] = ["optimizer", "schedule"];

/// Two ways to write one thing: a later one replaces the other.
const RIVALS: [(&str, &str); 2] = [("policy", "branches"), ("branches", "policy")];

impl Document {
    /// Reads a recipe, the recipes it extends, and `key=value` overrides.
    ///
    /// # Errors
    /// Complete messages: a file that cannot be read or is not YAML, an override without a place.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Document, Vec<String>> {
        let mut layers = Vec::new();
        extend(path, &mut layers, &mut Vec::new()).map_err(|message| vec![message])?;
        let mut document = Document { value: Value::Mapping(Mapping::new()), path: path.to_owned(), layers };
        for layer in &document.layers {
            merge(&mut document.value, &layer.value, "");
        }
        let mut mistakes = Vec::new();
        for text in overrides {
            if let Err(message) = document.set(text) {
                mistakes.push(message);
            }
        }
        if mistakes.is_empty() { Ok(document) } else { Err(mistakes) }
    }

    /// A document of one text.
    ///
    /// # Errors
    /// A complete message, of what is not YAML.
    pub fn parse(name: &str, text: &str) -> Result<Document, String> {
        let (value, marks) = parse(name, text)?;
        let (name, marks) = (name.to_owned(), Some(marks));
        let (path, prefix) = (PathBuf::from(&name), String::new());
        Ok(Document { value: value.clone(), path, layers: vec![Layer { name, prefix, marks, value }] })
    }

    /// Applies `key.sub=value`, split at the first `=`; the value is YAML.
    fn set(&mut self, text: &str) -> Result<(), String> {
        let name = format!("override `{text}`");
        let Some((key, value)) = text.split_once('=') else {
            return Err(format!("{name}: expected key=value, such as optimizer.sgd.momentum=0.9"));
        };
        Marks::of(value).map_err(|(_, problem)| format!("{name}: {problem}"))?;
        let value: Value = serde_yaml::from_str(value).map_err(|e| {
            let message = e.to_string();
            let remedy = if message.contains("escape character") {
                "use single quotes inside"
            } else {
                "quote the value"
            };
            let shown = too_long(&message).unwrap_or_else(|| format!("{message}; {remedy}"));
            format!("{name}: {shown}")
        })?;
        let mut node = &mut self.value;
        let segments =
            segments(key).ok_or_else(|| format!("{name}: expected a path such as a.b or a[0].b"))?;
        if segments.len() > DEEPEST {
            return Err(format!("{name}: more than {DEEPEST} levels, expected a path such as a.b or a[0].b"));
        }
        for (depth, segment) in segments.iter().enumerate() {
            let at = || format!("{name}: {}", path_of(&segments[..depth]));
            node = match segment {
                Segment::Key(key) => {
                    if node.is_null() {
                        *node = Value::Mapping(Mapping::new());
                    }
                    let got = kind(node);
                    let map = node
                        .as_mapping_mut()
                        .ok_or_else(|| format!("{}: expected a mapping, got {got}", at()))?;
                    if depth == 1
                        && CHOICES.contains(&path_of(&segments[..1]).as_str())
                        && !map.contains_key(key.as_str())
                    {
                        map.clear();
                    }
                    if let (0, Some((_, other))) = (depth, RIVALS.iter().find(|(one, _)| one == key)) {
                        map.shift_remove(*other);
                    }
                    map.entry(Value::String(key.clone())).or_insert(Value::Null)
                }
                Segment::Index(index) => {
                    let got = kind(node);
                    let list = node
                        .as_sequence_mut()
                        .ok_or_else(|| format!("{}: expected a list, got {got}", at()))?;
                    let len = list.len();
                    list.get_mut(*index)
                        .ok_or_else(|| format!("{}: has {}, no [{index}]", at(), counted(len, "entry")))?
                }
            };
        }
        *node = value.clone();
        self.layers.push(Layer { name, prefix: key.to_owned(), marks: None, value });
        Ok(())
    }

    /// Whether the command line set a key of the recipe, or a part of it.
    pub fn is_overridden(&self, key: &str) -> bool {
        self.overrides().any(|layer| encloses(key, &layer.prefix))
    }

    /// What the files say of a key that the command line set.
    pub fn before_overrides(&self, key: &str) -> Option<&Value> {
        let files = self.layers.iter().rev().filter(|layer| layer.marks.is_some());
        files.into_iter().find_map(|layer| layer.value.get(key)).filter(|_| self.is_overridden(key))
    }

    fn overrides(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter().filter(|layer| layer.marks.is_none())
    }

    /// `recipes/x.yaml:14:16: path: message`, the place being that of the text that set the value.
    pub fn locate(&self, mistake: &Mistake) -> String {
        self.line(mistake, self.place(&mistake.path))
    }

    /// All of them, or the first and how many more there are, in the order of their places: the recipe's text, what it extends,
    /// overrides as typed.
    pub fn locate_all(&self, mistakes: &[Mistake]) -> Vec<String> {
        let mut placed: Vec<(Option<(usize, Mark)>, &Mistake)> =
            mistakes.iter().map(|mistake| (self.place(&mistake.path), mistake)).collect();
        let file = self.layers.iter().rposition(|layer| layer.marks.is_some()).unwrap_or(0);
        placed.sort_by_key(|(place, _)| {
            // The recipe itself is the last file; missing keys come after what is written.
            place.map_or((2, 0, Mark::START), |(layer, mark)| match layer {
                layer if layer > file => (3, layer, mark),
                layer => (usize::from(layer != file), layer, mark),
            })
        });
        let more = placed.len().saturating_sub(SHOWN);
        placed.truncate(SHOWN);
        let lines = placed.into_iter().map(|(place, mistake)| self.line(mistake, place));
        let last =
            (more > 0).then(|| format!("{}: and {}", self.path.display(), counted(more, "more mistake")));
        lines.chain(last).collect()
    }

    fn line(&self, Mistake { path, message }: &Mistake, place: Option<(usize, Mark)>) -> String {
        let shown = if path.is_empty() { String::new() } else { format!("{path}: ") };
        match place.map(|(layer, mark)| (&self.layers[layer], mark)) {
            None => format!("{}: {shown}{message}", self.path.display()),
            Some((layer, _)) if layer.marks.is_none() => format!("{}: {shown}{message}", layer.name),
            Some((layer, Mark { line, column })) => {
                format!("{}:{line}:{column}: {shown}{message}", layer.name)
            }
        }
    }

    /// The layer that set a path or a part of its value last, and where; of what encloses it where it is written nowhere (a
    /// missing key).
    fn place(&self, path: &str) -> Option<(usize, Mark)> {
        let last = |place: &dyn Fn(&Layer) -> Option<Mark>| {
            self.layers.iter().enumerate().rev().find_map(|(index, layer)| Some((index, place(layer)?)))
        };
        let within = |path: &str| last(&|layer| layer.place(path).or_else(|| layer.below(path)));
        let mut enclosing = path;
        while !enclosing.is_empty() {
            // What an override set beside a missing key is not to blame, unless nothing else wrote what encloses both.
            let found = if enclosing == path { within(path) } else { last(&|layer| layer.place(enclosing)) };
            if let Some(found) = found.or_else(|| within(enclosing)) {
                return Some(found);
            }
            enclosing = enclosing.rfind(['.', '[']).map_or("", |end| &enclosing[..end]);
        }
        None
    }
}

impl Layer {
    /// The place of a path in this layer, if the layer wrote it.
    fn place(&self, path: &str) -> Option<Mark> {
        let Some(marks) = &self.marks else {
            return encloses(&self.prefix, path).then_some(Mark::START);
        };
        // A block that begins below its key is found by its key.
        match (marks.value(path), marks.key(path)) {
            (Some(value), Some(key)) if value.line != key.line => Some(key),
            (value, key) => value.or(key),
        }
    }

    /// The place of an override that set a part of what stands at a path.
    fn below(&self, path: &str) -> Option<Mark> {
        (self.marks.is_none() && encloses(path, &self.prefix)).then_some(Mark::START)
    }
}

/// Whether `path` is `outer` or below it.
fn encloses(outer: &str, path: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Reads a file and, before it, what it extends.
fn extend(path: &Path, layers: &mut Vec<Layer>, above: &mut Vec<PathBuf>) -> Result<(), String> {
    let name = path.display().to_string();
    let text = text_of(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => {
            format!("{name}: there is no such recipe; `ls recipes` shows those that come with tallow")
        }
        _ => format!("{name}: {e}"),
    })?;
    let (value, marks) = parse(&name, &text)?;
    let mut value = translated(&text, value);
    if let Some(base) = value.as_mapping_mut().and_then(|map| map.shift_remove("extends")) {
        let Mark { line, column } = marks.value("extends").unwrap_or(Mark::START);
        let fail = |problem: String| format!("{name}:{line}:{column}: extends: {problem}");
        let Some(base) = base.as_str() else {
            return Err(fail(format!("expected the path of a recipe, got {}", kind(&base))));
        };
        let base = path.parent().unwrap_or(Path::new("")).join(base);
        above.push(path.to_owned());
        let real = |path: &Path| path.canonicalize().ok();
        if !base.is_file() {
            return Err(fail(format!("there is no {}; paths are relative to the recipe", base.display())));
        }
        if above.iter().any(|above| real(above) == real(&base)) {
            return Err(fail(format!("{} is extended in a circle; remove one `extends`", base.display())));
        }
        if above.len() > LONGEST_CHAIN {
            return Err(fail(format!(
                "a chain of more than {LONGEST_CHAIN} recipes, expected one or two; merge some"
            )));
        }
        extend(&base, layers, above)?;
        above.pop();
    }
    layers.push(Layer { name, prefix: String::new(), marks: Some(marks), value });
    Ok(())
}

/// How many recipes may extend one another.
const LONGEST_CHAIN: usize = 20;

/// The value of a text whose places nobody asks for.
///
/// # Errors
/// What is not YAML, or beyond the bounds of a recipe.
pub fn value_of(text: &str) -> Result<Value, String> {
    Marks::of(text).map_err(|(mark, problem)| format!("{problem} at line {}", mark.line))?;
    serde_yaml::from_str(text).map_err(|error| error.to_string())
}

fn parse(name: &str, text: &str) -> Result<(Value, Marks), String> {
    // Before the parser, which takes more time and memory.
    let marks = Marks::of(text);
    let marks =
        marks.map_err(|(Mark { line, column }, problem)| format!("{name}:{line}:{column}: {problem}"))?;
    let value: Value = serde_yaml::from_str(text).map_err(|e| match e.location() {
        Some(at) => {
            let message = e.to_string();
            let message = message.split(" at line ").next().unwrap_or_default();
            let shown = match message.split_once("duplicate entry with key ") {
                Some((_, key)) => format!("the key {} is written twice; keep one", key.replace('"', "`")),
                None => too_long(message).unwrap_or_else(|| format!("not YAML: {message}")),
            };
            format!("{name}:{}:{}: {shown}", at.line(), at.column())
        }
        None => format!("{name}: not YAML: {e}"),
    })?;
    match value {
        Value::Mapping(_) => Ok((value, marks)),
        Value::Null => Err(format!(
            "{name}: expected a recipe, got an empty file; recipes/quickstart.yaml is one to begin with"
        )),
        other => Err(format!("{name}:1:1: expected `key: value` lines, got {}", kind(&other))),
    }
}

/// What to say where serde refuses a whole number beyond 64 bits.
fn too_long(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("invalid type: integer `")?;
    let (number, _) = rest.split_once("` as ")?;
    Some(format!("expected whole numbers up to {}, got {number}", u64::MAX))
}

/// Lays `over` on `base`: mappings merge, everything else is replaced.
fn merge(base: &mut Value, over: &Value, path: &str) {
    match (base, over) {
        (Value::Mapping(base), Value::Mapping(over)) => {
            if CHOICES.contains(&path) && !over.keys().any(|key| base.contains_key(key)) {
                base.clear();
            }
            if path.is_empty() {
                for (one, other) in RIVALS {
                    if over.get(one).is_some_and(|value| !value.is_null()) && !over.contains_key(other) {
                        base.shift_remove(other);
                    }
                }
            }
            for (key, value) in over {
                let below = join(path, key.as_str().unwrap_or("?"));
                merge(base.entry(key.clone()).or_insert(Value::Null), value, &below);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

/// What a value is, for messages: `a number (3)`, `a list`.
pub fn kind(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(s) => format!("`{}`", short(s)),
        Value::Sequence(items) => if items.is_empty() { "an empty list" } else { "a list" }.into(),
        Value::Mapping(map) => if map.is_empty() { "an empty mapping" } else { "a mapping" }.into(),
        Value::Tagged(tagged) => format!("a tag {}", short(&tagged.tag.to_string())),
    }
}

/// A text as a message can bear it.
fn short(text: &str) -> String {
    let short: String = text.chars().take(200).collect();
    if short.len() < text.len() { short + "…" } else { short }
}

#[cfg(test)]
mod tests;
