//! The text of a resolved recipe, as checkpoints have it: its heading, and the keys that were renamed since it was written.

use super::marks::join;
use serde_yaml::Value;

/// (a key somewhere above, the old key, the new one). A recipe with an old key is told the new one; a resolved recipe is read
/// with either.
const RENAMED: [(&str, &str, &str); 3] = [
    ("schedule", "rate", "lr"),
    ("optimizer", "head_rate", "head_lr_scale"),
    ("center_to_border", "way", "range"),
];

/// The end of the first line of a resolved recipe.
const MARK: &str = ": resolved, complete";

/// A recipe with everything it refers to, under a comment that says whence.
pub fn write(name: &str, preset: Option<&str>, value: &Value) -> String {
    let body = serde_yaml::to_string(value).expect("a YAML value is written");
    let policy = preset.map_or(String::new(), |name| format!(", policy {name}"));
    format!("# {name}{policy}{MARK}\n{body}")
}

/// The recipe's name and its preset, from the first line; `None` where the text is not of [`write()`].
pub fn heading(text: &str) -> Option<(&str, Option<&str>)> {
    let line = text.lines().next()?.strip_prefix("# ")?.strip_suffix(MARK)?;
    Some(line.split_once(", policy ").map_or((line, None), |(name, preset)| (name, Some(preset))))
}

/// What was read of a text, its old keys renamed where the text is of [`write()`].
pub fn translated(text: &str, mut value: Value) -> Value {
    if heading(text).is_some() {
        rename(&mut value, "");
        // Once, a rule stood in the place of the source's own validation part without a word.
        if let Some(Value::Mapping(split)) = value.get_mut("data").and_then(|data| data.get_mut("split"))
            && ["file", "folds", "validation"].iter().any(|rule| split.contains_key(*rule))
            && !split.contains_key("replace")
        {
            split.insert("replace".into(), true.into());
        }
    }
    value
}

/// The name that a key of the mapping at `path` has now, where it had another.
pub fn renamed(path: &str, key: &str) -> Option<&'static str> {
    let is_below = |above: &str| path.split(['.', '[']).any(|segment| segment == above);
    RENAMED.iter().find(|(above, old, _)| *old == key && is_below(above)).map(|(.., new)| *new)
}

fn rename(value: &mut Value, path: &str) {
    match value {
        Value::Mapping(map) => {
            for (key, mut value) in std::mem::take(map) {
                let name = key.as_str().unwrap_or_default();
                rename(&mut value, &join(path, name));
                let key = renamed(path, name).map_or(key, Value::from);
                map.insert(key, value);
            }
        }
        Value::Sequence(items) => items.iter_mut().for_each(|item| rename(item, path)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_keys_of_a_resolved_recipe_are_renamed() {
        let read = |text: &str| translated(text, serde_yaml::from_str(text).unwrap());
        let body =
            "optimizer: { sgd: { head_rate: 2 } }\nschedule: { cosine: { rate: 0.1, floor: 0 } }\nrate: 3\n";
        let old = write("x", Some("mixup"), &serde_yaml::from_str(body).unwrap());
        let new = "optimizer: { sgd: { head_lr_scale: 2 } }\nschedule: { cosine: { lr: 0.1, floor: 0 } }\nrate: 3\n";
        assert_eq!(read(&old), serde_yaml::from_str::<Value>(new).unwrap());
        assert_eq!(heading(&old), Some(("x", Some("mixup"))));
        let split =
            |text: &str| read(&write("x", None, &serde_yaml::from_str(text).unwrap()))["data"].clone();
        let replaced = serde_yaml::from_str::<Value>("split: { folds: 5, fold: 0, replace: true }").unwrap();
        assert_eq!(split("data: { split: { folds: 5, fold: 0 } }"), replaced);
        assert_eq!(split("data: { split: { group: id } }")["split"].get("replace"), None);
        // One that is written by hand is not.
        assert_eq!(read(body), serde_yaml::from_str::<Value>(body).unwrap());
        assert_eq!((renamed("schedule", "rate"), renamed("data", "rate")), (Some("lr"), None));
    }
}
