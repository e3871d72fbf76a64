//! The policy of a recipe: a preset's name, or branches written in place.

use super::ModelPlan;
use super::length::share_of;
use crate::recipe::{Document, Node, text_of, value_of};
use crate::{Error, Result};
use serde_yaml::{Mapping, Value};
use std::cell::RefCell;
use std::path::Path;
use tallow_data::listed;
use tallow_policy::{Duration, PRESETS, Policy, Registry};

/// A policy, with the text it came from.
pub struct Found {
    pub policy: Policy,
    pub preset: Option<String>,
    /// The `branches` list.
    pub branches: Value,
}

/// Reads `policy: NAME` or `branches: […]`. Mistakes inside a preset's file are complete lines in `foreign`.
pub fn policy(
    document: &Document,
    registry: &Registry,
    root: &Node,
    model: Option<&ModelPlan>,
    length: Option<Duration>,
    foreign: &mut Vec<String>,
) -> Option<Found> {
    match (root.get("policy"), root.get("branches")) {
        (Some(name), None) => {
            const EXAMPLE: &str = "`policy: mixup`, or `branches: [ { policies: [ { mixup: {} } ] } ]`";
            let Some(name_text) = name.value().as_str() else {
                return name.expected(&format!("the name of a preset, such as {EXAMPLE}"));
            };
            let (file, text) = preset(document, &name, name_text)?;
            let preset = Document::parse(&file, &text).map_err(|line| foreign.push(line)).ok()?;
            let mistakes = RefCell::new(Vec::new());
            let found = branches(
                name_text,
                &Node::root(&preset.value, &mistakes),
                registry,
                model,
                length,
                &preset.value,
            );
            foreign.extend(preset.locate_all(&mistakes.borrow()));
            found.map(|found| Found { preset: Some(name_text.to_owned()), ..found })
        }
        (None, Some(_)) => {
            let value = root.value().get("branches").cloned().unwrap_or_default();
            let only = Value::Mapping(Mapping::from_iter([("branches".into(), value)]));
            branches("custom", root, registry, model, length, &only)
        }
        (None, None) => {
            root.required("policy", "none");
            None
        }
        (Some(policy), Some(_)) => {
            policy.mistake("there are `branches` too; write one of the two");
            None
        }
    }
}

/// The text of a preset: `../policies` beside the recipe, else the embedded one.
fn preset(document: &Document, node: &Node, name: &str) -> Option<(String, String)> {
    let folder = document.path.parent().unwrap_or(Path::new("")).join("../policies");
    let file = folder.join(format!("{name}.yaml"));
    if let Ok(text) = text_of(&file) {
        return Some((file.display().to_string(), text));
    }
    if let Some((_, text)) = PRESETS.iter().find(|(known, _)| *known == name) {
        return Some((format!("policies/{name}.yaml"), (*text).to_owned()));
    }
    let known = PRESETS.iter().map(|(name, _)| *name);
    node.mistake(format!("unknown preset `{name}`{}; or write `branches`", listed("presets", name, known)));
    None
}

/// Reads a mapping with `branches`, and checks its taps against the model's.
fn branches(
    name: &str,
    node: &Node,
    registry: &Registry,
    model: Option<&ModelPlan>,
    length: Option<Duration>,
    value: &Value,
) -> Option<Found> {
    let policy = match Policy::parse(name, value, registry) {
        Ok(policy) => policy,
        Err(mistakes) => {
            node.adopt(mistakes);
            return None;
        }
    };
    if let Some(model) = model {
        node.adopt(policy.check_taps(model.spec.name, model.spec.taps));
    }
    if let Some(length) = length {
        node.adopt(policy.check_windows(share_of(length)));
    }
    let branches = value.get("branches").cloned().unwrap_or_default();
    Some(Found { policy, preset: None, branches })
}

/// The recipe with the preset's branches in it, and without the loader's threads: they are the machine's, and move no bit.
pub fn resolve(mut recipe: Value, found: &Found) -> Value {
    if let Some(map) = recipe.as_mapping_mut() {
        map.shift_remove("policy");
        map.insert("branches".into(), found.branches.clone());
        map.get_mut("data").and_then(Value::as_mapping_mut).map(|data| data.shift_remove("workers"));
    }
    recipe
}

/// Whether a file is a preset: it has `branches`, and neither `data` nor `model` nor a base.
pub fn is_preset(path: &Path) -> bool {
    let value: Option<Value> = text_of(path).ok().and_then(|text| value_of(&text).ok());
    let has = |key| value.as_ref().is_some_and(|value: &Value| value.get(key).is_some());
    has("branches") && !["data", "model", "extends"].into_iter().any(has)
}

/// Checks a preset's file; taps are known only together with a model.
///
/// # Errors
/// Every mistake, with its place.
pub fn check_preset(path: &Path, registry: &Registry) -> Result<()> {
    let name = path.display().to_string();
    let text = text_of(path).map_err(|error| Error::recipe(format!("{name}: {error}")))?;
    let preset = Document::parse(&name, &text).map_err(Error::recipe)?;
    let mistakes = Policy::parse(&name, &preset.value, registry).err().unwrap_or_default();
    let lines = preset.locate_all(&mistakes);
    if lines.is_empty() { Ok(()) } else { Err(Error::Recipe(lines)) }
}
