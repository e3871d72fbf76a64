//! The reference of recipes: looking keys up, and filling in the defaults of those that are left out.

use super::keys::{REQUIRED, SECTIONS};
use serde_yaml::{Mapping, Value};

/// A key of a recipe.
pub struct Key {
    pub name: &'static str,
    /// As YAML; `required`, or empty where the key may be left out and nothing stands in its place.
    pub default: &'static str,
    /// What may be written.
    pub range: &'static str,
    pub meaning: &'static str,
    /// As it stands in a recipe, from its first column.
    pub example: &'static str,
}

/// The keys of one mapping of a recipe.
pub struct Section {
    /// Empty for the recipe itself; `schedule.cosine`, where `cosine` is a choice.
    pub path: &'static str,
    pub summary: &'static str,
    pub keys: &'static [Key],
}

impl Section {
    /// Where a key of it stands in a recipe: `data.batch`.
    pub fn path_of(&self, key: &Key) -> String {
        if self.path.is_empty() { key.name.to_owned() } else { format!("{}.{}", self.path, key.name) }
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }
}

impl Key {
    /// The value that stands in the place of one that is left out.
    pub fn default(&self) -> Option<Value> {
        let is_value = !self.default.is_empty() && self.default != REQUIRED;
        is_value.then(|| serde_yaml::from_str(self.default).expect("a default is YAML"))
    }
}

/// The keys of a section. Panics at a path that is none.
pub fn section(path: &str) -> &'static Section {
    SECTIONS.iter().find(|section| section.path == path).unwrap_or_else(|| panic!("no section `{path}`"))
}

/// A recipe with the default of every key that it leaves out, where that is known from the recipe alone. What is of another kind
/// than expected stays as it is.
pub fn completed(mut recipe: Value) -> Value {
    if let Value::Mapping(root) = &mut recipe {
        let is_blank = |root: &Mapping, key: &str| root.get(key).is_none_or(Value::is_null);
        if !is_blank(root, "branches") {
            // The one stands in the place of the other.
            fill(root, "", &["policy"]);
        } else {
            fill(root, "", &[]);
        }
        if is_blank(root, "schedule")
            && let Some(schedule) = schedule(root)
        {
            root.insert("schedule".into(), schedule);
        }
    }
    recipe
}

/// Puts the defaults of a section, and of those within it, where nothing is written.
fn fill(map: &mut Mapping, path: &str, except: &[&str]) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if let Some(section) = SECTIONS.iter().find(|section| section.path == path) {
        for key in section.keys.iter().filter(|key| !except.contains(&key.name)) {
            if let Some(default) = key.default()
                && map.get(key.name).is_none_or(Value::is_null)
            {
                map.insert(key.name.into(), default);
            }
        }
    }
    for (name, value) in map.iter_mut() {
        if let (Some(name), Value::Mapping(inner)) = (name.as_str(), value) {
            let path = below(name);
            let is_known =
                |section: &&Section| section.path == path || section.path.starts_with(&format!("{path}."));
            if SECTIONS.iter().any(|section| is_known(&section)) {
                fill(inner, &path, &[]);
            }
        }
    }
}

/// A recipe without the keys that have their default, where that is known from the recipe alone; a choice, such as the optimizer,
/// stays when nothing is left in it.
pub fn without_defaults(recipe: &Value) -> Value {
    let mut recipe = recipe.clone();
    if let Value::Mapping(root) = &mut recipe {
        fold(root, "");
    }
    recipe
}

fn fold(map: &mut Mapping, path: &str) {
    if let Some(section) = SECTIONS.iter().find(|section| section.path == path) {
        map.retain(|name, value| {
            let key = section.keys.iter().find(|key| name.as_str() == Some(key.name));
            key.and_then(Key::default).is_none_or(|default| !is_same(&default, value))
        });
    }
    for (name, value) in map.iter_mut() {
        if let (Some(name), Value::Mapping(inner)) = (name.as_str(), value) {
            fold(inner, &if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") });
        }
    }
    if path.is_empty() {
        let is_left = |value: &Value| value.as_mapping().is_none_or(|inner| !inner.is_empty());
        map.retain(|_, value| is_left(value));
    }
}

/// `1` and `1.0` are one number.
fn is_same(a: &Value, b: &Value) -> bool {
    a == b || a.as_f64().is_some_and(|number| Some(number) == b.as_f64())
}

/// The schedule of a recipe that writes none: by its optimizer, and by whether it begins with weights.
fn schedule(root: &Mapping) -> Option<Value> {
    let optimizer = root.get("optimizer")?.as_mapping()?.keys().next()?.as_str()?;
    let has_weights = root.get("model")?.get("weights").is_some_and(|weights| !weights.is_null());
    let lr = match (optimizer, has_weights) {
        ("sgd", false) => 0.05,
        ("sgd", true) => 0.01,
        (_, false) => 0.001,
        (_, true) => 0.0002,
    };
    let mut cosine = Mapping::from_iter([("lr".into(), lr.into()), ("warmup".into(), 0.05.into())]);
    fill(&mut cosine, "schedule.cosine", &[]);
    Some(Value::Mapping(Mapping::from_iter([("cosine".into(), Value::Mapping(cosine))])))
}

#[cfg(test)]
mod tests;
