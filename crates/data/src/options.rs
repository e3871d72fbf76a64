//! The options of a source: the recipe's `data` without the engine's own keys, read with types.

use std::path::PathBuf;

use serde_yaml::{Mapping, Value};
use tallow_seed::Seed;

use crate::{Error, Result};

/// What a recipe says about a source. Reading a key of the wrong type is an [`Error::Option`] with key, expectation
/// and what was found; a key that is absent or `null` reads as `None`.
#[derive(Clone, Debug)]
pub struct Options {
    values: Mapping,
    seed: Seed,
}

impl Options {
    /// `values` are the keys of `data` that are not the engine's; `seed` is for sources that draw their images.
    pub fn new(values: Mapping, seed: Seed) -> Options {
        Options { values, seed }
    }

    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// A string. Numbers and booleans count as the text they were written with, so that `label: 1` names a column.
    ///
    /// # Errors
    /// [`Error::Option`] for a value of another kind.
    pub fn text(&self, key: &str) -> Result<Option<String>> {
        match self.value(key) {
            None => Ok(None),
            Some(value) => scalar(value).map(Some).ok_or_else(|| wrong(key, "a text", value)),
        }
    }

    /// A path, relative to the working directory.
    ///
    /// # Errors
    /// [`Error::Option`] for a value of another kind.
    pub fn path(&self, key: &str) -> Result<Option<PathBuf>> {
        Ok(self.text(key)?.map(PathBuf::from))
    }

    /// A whole number, not negative.
    ///
    /// # Errors
    /// [`Error::Option`] for a value of another kind.
    pub fn integer(&self, key: &str) -> Result<Option<u64>> {
        match self.value(key) {
            None => Ok(None),
            Some(value) => {
                value.as_u64().map(Some).ok_or_else(|| wrong(key, "a whole number, 0 or more", value))
            }
        }
    }

    /// A finite number.
    ///
    /// # Errors
    /// [`Error::Option`] for a value of another kind.
    pub fn number(&self, key: &str) -> Result<Option<f64>> {
        match self.value(key) {
            None => Ok(None),
            Some(value) => {
                let number = value.as_f64().filter(|number| number.is_finite());
                number.map(Some).ok_or_else(|| wrong(key, "a number", value))
            }
        }
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// [`Error::Option`] for a value of another kind.
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        match self.value(key) {
            None => Ok(None),
            Some(value) => value.as_bool().map(Some).ok_or_else(|| wrong(key, "`true` or `false`", value)),
        }
    }

    /// One text, or a list of them.
    ///
    /// # Errors
    /// [`Error::Option`] for a value of another kind.
    pub fn texts(&self, key: &str) -> Result<Option<Vec<String>>> {
        let expected = "a text or a list of texts";
        match self.value(key) {
            None => Ok(None),
            Some(Value::Sequence(items)) => {
                let texts: Option<Vec<String>> = items.iter().map(scalar).collect();
                texts.map(Some).ok_or_else(|| wrong(key, expected, &Value::Sequence(items.clone())))
            }
            Some(value) => {
                scalar(value).map(|text| Some(vec![text])).ok_or_else(|| wrong(key, expected, value))
            }
        }
    }

    /// The keys that are there, in the order written.
    pub fn keys(&self) -> impl Iterator<Item = String> {
        self.values.keys().map(|key| scalar(key).unwrap_or_else(|| shown(key)))
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }
}

/// "expected …, got …".
pub(crate) fn wrong(key: &str, expected: &str, got: &Value) -> Error {
    Error::option(key, format!("expected {expected}, got {}", shown(got)))
}

/// A value as a person would write it, on one line.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        Value::Sequence(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Mapping(map) => {
            let entries: Vec<String> =
                map.iter().map(|(k, v)| format!("{}: {}", shown(k), shown(v))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => scalar(other).unwrap_or_else(|| "null".to_string()),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(yaml: &str) -> Options {
        Options::new(serde_yaml::from_str(yaml).unwrap(), Seed::new(1))
    }

    #[test]
    fn reads_what_is_there() {
        let options =
            options("{ root: a/b, size: 3, share: 0.5, on: true, label: 1, none: null, list: [a, 2] }");
        assert_eq!(options.path("root").unwrap(), Some(PathBuf::from("a/b")));
        assert_eq!(options.integer("size").unwrap(), Some(3));
        assert_eq!(options.number("share").unwrap(), Some(0.5));
        assert_eq!(options.number("size").unwrap(), Some(3.0));
        assert_eq!(options.flag("on").unwrap(), Some(true));
        assert_eq!(options.text("label").unwrap().as_deref(), Some("1"));
        assert_eq!(options.text("none").unwrap(), None);
        assert_eq!(options.texts("list").unwrap(), Some(vec!["a".into(), "2".into()]));
        assert_eq!(options.texts("root").unwrap(), Some(vec!["a/b".into()]));
        assert_eq!(options.integer("absent").unwrap(), None);
    }

    #[test]
    fn says_what_was_expected_and_what_was_found() {
        let options = options("{ size: -3, on: yes please, root: [a, { b: 1 }] }");
        let message = |error: Error| error.to_string();
        assert_eq!(
            message(options.integer("size").unwrap_err()),
            "data.size: expected a whole number, 0 or more, got -3"
        );
        assert_eq!(
            message(options.flag("on").unwrap_err()),
            "data.on: expected `true` or `false`, got `yes please`"
        );
        assert_eq!(
            message(options.path("root").unwrap_err()),
            "data.root: expected a text, got [`a`, {`b`: 1}]"
        );
    }
}
