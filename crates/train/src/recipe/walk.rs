//! Walking a recipe node by node: every mistake is collected, none stops the walk.

use super::document::{SHOWN, kind};
use super::elsewhere::elsewhere_below;
use super::marks::join;
use super::resolved::renamed;
use serde_yaml::{Mapping, Value};
use std::cell::RefCell;
use tallow_data::{counted, suggestion};
use tallow_policy::Mistake;

/// A node of a recipe, its path, and the collector it shares with all others.
#[derive(Clone)]
pub struct Node<'a> {
    value: &'a Value,
    path: String,
    mistakes: &'a RefCell<Vec<Mistake>>,
}

impl<'a> Node<'a> {
    pub fn root(value: &'a Value, mistakes: &'a RefCell<Vec<Mistake>>) -> Node<'a> {
        Node { value, path: String::new(), mistakes }
    }

    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// Records a mistake at this node.
    pub fn mistake(&self, message: impl Into<String>) {
        self.mistakes.borrow_mut().push(Mistake { path: self.path.clone(), message: message.into() });
    }

    /// Records mistakes found by others below this node.
    pub fn adopt(&self, found: Vec<Mistake>) {
        for Mistake { path, message } in found {
            let path = match () {
                () if path.is_empty() => self.path.clone(),
                () if path.starts_with('[') => format!("{}{path}", self.path),
                () => join(&self.path, &path),
            };
            self.mistakes.borrow_mut().push(Mistake { path, message });
        }
    }

    /// The result, or the mistake it is.
    pub fn take<T>(&self, result: Result<T, impl ToString>) -> Option<T> {
        result.map_err(|message| self.mistake(message.to_string())).ok()
    }

    /// Records that something else was expected here.
    pub fn expected<T>(&self, what: &str) -> Option<T> {
        self.mistake(format!("expected {what}, got {}", kind(self.value)));
        None
    }

    pub fn mapping(&self) -> Option<&'a Mapping> {
        match self.value {
            Value::Mapping(map) => Some(map),
            _ => self.expected("a mapping"),
        }
    }

    /// The node, if it is a mapping; the mistake says what to write, such as `ema: { decay: 0.999 }`.
    pub fn section(&self, example: &str) -> Option<&Node<'a>> {
        if self.value.is_mapping() {
            return Some(self);
        }
        let key = self.path.rsplit('.').next().unwrap_or_default();
        // `loss: focal`
        match self.value.as_str().and_then(|word| elsewhere_below(&self.path, word)) {
            Some(ours) => {
                self.mistake(format!("expected a mapping, got {}; in its place: {ours}", kind(self.value)))
            }
            None => return self.expected(&format!("a mapping such as `{key}: {example}`")),
        }
        None
    }

    /// Reports keys other than these, with the nearest of them, which is looked for as often as mistakes are shown.
    pub fn only(&self, known: &[&str]) {
        let names = self.mapping().into_iter().flat_map(Mapping::keys);
        let names = names.map(|key| key.as_str().map(str::to_owned).unwrap_or_else(|| kind(key)));
        for (at, name) in names.filter(|name| !known.contains(&name.as_str())).enumerate() {
            let near = if at < SHOWN { self.near(&name, known) } else { String::new() };
            let child = Node { path: join(&self.path, &name), ..self.clone() };
            child.mistake(format!("unknown key `{name}`{near}"));
        }
    }

    /// What to write in the place of an unknown key.
    fn near(&self, name: &str, known: &[&str]) -> String {
        let new = renamed(&self.path, name).filter(|new| known.contains(new));
        // `warm_up` is `warmup` before it is anybody else's word.
        let plain = |name: &str| name.to_lowercase().replace(['_', '-'], "");
        let is_own = known.iter().any(|known| plain(known) == plain(name));
        match (new, elsewhere_below(&self.path, name).filter(|_| !is_own)) {
            (Some(new), _) => format!("; it is `{new}` now"),
            (None, Some(ours)) => format!("; in its place: {ours}"),
            (None, None) => suggestion(name, known.iter().copied()),
        }
    }

    pub fn get(&self, key: &str) -> Option<Node<'a>> {
        let value = match self.value {
            Value::Mapping(map) => map.get(key).filter(|value| !value.is_null())?,
            _ => return None,
        };
        Some(Node { value, path: join(&self.path, key), mistakes: self.mistakes })
    }

    /// The value of a key that must be there; `example` shows what to write.
    pub fn required(&self, key: &str, example: &str) -> Option<Node<'a>> {
        let found = self.get(key);
        let Value::Mapping(map) = self.value else { return found };
        // An old name of it is a mistake already.
        let is_renamed = |old: &Value| old.as_str().is_some_and(|old| renamed(&self.path, old) == Some(key));
        if found.is_none() && !map.keys().any(is_renamed) {
            let child = Node { path: join(&self.path, key), ..self.clone() };
            child.mistake(format!("is missing; write, for example, `{key}: {example}`"));
        }
        found
    }

    /// The one key of a choice such as `sgd: { … }`, and what is below it.
    pub fn choice(&self, known: &[&'static str]) -> Option<(&'static str, Node<'a>)> {
        let map = self.mapping()?;
        self.only(known);
        if map.len() != 1 {
            self.mistake(format!(
                "expected exactly one of {}, got {}",
                known.join(", "),
                counted(map.len(), "key")
            ));
            return None;
        }
        let (key, value) = map.iter().next()?;
        let key = known.iter().find(|name| Some(**name) == key.as_str())?;
        Some((*key, Node { value, path: join(&self.path, key), mistakes: self.mistakes }))
    }

    pub fn list(&self) -> Option<Vec<Node<'a>>> {
        let Value::Sequence(items) = self.value else { return self.expected("a list") };
        let item = |(i, value)| Node { value, path: format!("{}[{i}]", self.path), mistakes: self.mistakes };
        Some(items.iter().enumerate().map(item).collect())
    }

    pub fn text(&self) -> Option<&'a str> {
        self.value.as_str().or_else(|| self.expected("a word"))
    }

    pub fn boolean(&self) -> Option<bool> {
        self.value.as_bool().or_else(|| self.expected("true or false"))
    }

    pub fn number(&self) -> Option<f64> {
        self.value.as_f64().filter(|x| x.is_finite()).or_else(|| self.expected("a number"))
    }

    /// A number that `ok` accepts; `what` names the range.
    pub fn number_in(&self, what: &str, ok: impl Fn(f64) -> bool) -> Option<f64> {
        match self.value.as_f64() {
            Some(x) if ok(x) => Some(x),
            _ => self.expected(what),
        }
    }

    pub fn positive(&self) -> Option<f64> {
        self.number_in("a positive number", |x| x > 0.0 && x.is_finite())
    }

    pub fn nonnegative(&self) -> Option<f64> {
        self.number_in("a number that is not negative", |x| x >= 0.0 && x.is_finite())
    }

    /// In [0, 1).
    pub fn fraction(&self) -> Option<f64> {
        self.number_in("a number from 0 up to, but not, 1", |x| (0.0..1.0).contains(&x))
    }

    /// A whole number of at least `least`.
    pub fn count(&self, least: usize) -> Option<usize> {
        self.whole(least as u64, u64::from(u32::MAX)).map(|n| n as usize)
    }

    pub fn whole(&self, least: u64, most: u64) -> Option<u64> {
        match self.value.as_u64() {
            Some(n) if n >= least && n <= most => Some(n),
            // Beyond u64 a number is a float.
            _ if self.value.as_f64().is_some_and(|x| x > most as f64) => {
                self.expected(&format!("a whole number from {least} to {most}"))
            }
            _ => self.expected(&format!("a whole number, {least} or more")),
        }
    }

    /// One of a list of names.
    pub fn one_of<T: Copy>(&self, what: &str, choices: &[(&str, T)]) -> Option<T> {
        let name = self.text()?;
        let found = choices.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        if found.is_none() {
            let names = choices.iter().map(|(name, _)| *name);
            self.mistake(format!("unknown {what} `{name}`{}", suggestion(name, names)));
        }
        found
    }
}
