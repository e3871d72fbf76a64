//! What the board shows of a recipe, and in what several differ.

use crate::plan::without_defaults;
use crate::recipe::{resolved, value_of};
use serde_yaml::Value;
use tallow_policy::Duration;

/// Of a run's `recipe.yaml`.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// With every default, as the file has it.
    pub text: String,
    /// Without the keys that are as they are by default.
    pub short: String,
    pub value: Value,
    pub policy: Option<String>,
}

impl Recipe {
    pub fn of(text: String) -> Option<Recipe> {
        let value = value_of(&text).ok()?;
        let policy = resolved::heading(&text).and_then(|(_, policy)| policy.map(str::to_owned));
        let short = serde_yaml::to_string(&without_defaults(&value)).ok()?;
        Some(Recipe { text, short, value, policy })
    }

    /// A text or number of it, by its path: `data.batch`.
    pub fn get(&self, path: &str) -> Option<String> {
        let value = path.split('.').try_fold(&self.value, |value, key| value.get(key))?;
        match value {
            Value::Mapping(_) | Value::Sequence(_) | Value::Null => None,
            plain => Some(tallow_policy::text(plain)),
        }
    }

    pub fn batch(&self) -> Option<f64> {
        self.value.get("data")?.get("batch")?.as_f64()
    }

    pub fn length(&self) -> Option<Duration> {
        Duration::parse(self.value.get("length")?).ok()
    }

    /// Every value by its path, in their order; lists as one.
    fn values(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        flatten(&self.value, "", &mut found);
        found
    }
}

fn flatten(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Mapping(map) if !map.is_empty() => {
            for (key, value) in map {
                let key = tallow_policy::text(key);
                let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                flatten(value, &path, found);
            }
        }
        other => found.push((path.to_owned(), json(other))),
    }
}

/// In one line.
fn json(value: &Value) -> String {
    match value {
        Value::Mapping(_) | Value::Sequence(_) => serde_json::to_string(value).unwrap_or_default(),
        plain => tallow_policy::text(plain),
    }
}

/// The values in which recipes differ, by their paths: of each recipe its own, `None` where it has no such key.
pub fn differences(recipes: &[&Recipe]) -> Vec<(String, Vec<Option<String>>)> {
    let all: Vec<Vec<(String, String)>> = recipes.iter().map(|recipe| recipe.values()).collect();
    let mut paths: Vec<&String> = Vec::new();
    for (path, _) in all.iter().flatten() {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    let of = |path: &String| -> Vec<Option<String>> {
        let find =
            |values: &Vec<(String, String)>| values.iter().find(|(p, _)| p == path).map(|(_, v)| v.clone());
        all.iter().map(find).collect()
    };
    let rows = paths.into_iter().map(|path| (path.clone(), of(path)));
    rows.filter(|(_, values)| values.windows(2).any(|pair| pair[0] != pair[1])).collect()
}
