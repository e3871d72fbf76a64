//! `list recipe`: every key of a recipe, on the terminal, as JSON, and as the page docs/recipe.md.

use super::catalogue::escaped;
use crate::wrap::{message, wrapped};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use tallow_data::SOURCES;
use tallow_policy::Registry;
use tallow_train::{Error, RECIPE, RecipeKey, RecipeSection};

const HEAD: &str = "# Recipes

Every key of a recipe, made by `tallow list recipe --markdown docs`; `tallow list recipe KEY` prints one. A recipe needs `data`, `model`,
`optimizer` and `length`; every other key has a default, and the recipe that a run writes into its folder has them all.

Any key can be set on the command line by its path: `train RECIPE data.batch=16 'loss={ smoothing: 0.1 }'`. A duration is a number of
`epochs`, `steps` or `images`, or a fraction of the run. Image policies and mixes have [a page of their own](policies.md).
";

/// Every key with its section.
fn keys() -> impl Iterator<Item = (&'static RecipeSection, &'static RecipeKey)> {
    RECIPE.iter().flat_map(|section| section.keys.iter().map(move |key| (section, key)))
}

/// The keys of the recipe itself.
pub fn names() -> Vec<&'static str> {
    RECIPE.iter().find(|section| section.path.is_empty()).map_or(Vec::new(), |section| section.names())
}

/// Of every key.
pub fn json() -> Value {
    keys().map(|(section, key)| one(section, key)).collect()
}

fn one(section: &RecipeSection, key: &RecipeKey) -> Value {
    let RecipeKey { default, range, meaning, example, .. } = key;
    json!({ "key": section.path_of(key), "default": default, "range": range, "meaning": meaning, "example": example })
}

/// All keys in a line each; those of a name in full: a path, the end of one, or a section.
pub fn show(name: Option<&str>, as_json: bool, registry: &Registry) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let found = match name {
        Some(name) => named(name, registry)?,
        None => keys().collect(),
    };
    if as_json {
        let all: Value = found.iter().map(|(section, key)| one(section, key)).collect();
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?);
    }
    for (index, (section, key)) in found.iter().enumerate() {
        let path = section.path_of(key);
        if name.is_none() {
            writeln!(out, "{path}\n{}", wrapped(key.meaning, 4))?;
            continue;
        }
        let gap = if index == 0 { "" } else { "\n" };
        writeln!(out, "{gap}{}\n{}", message(&format!("{path}: {}", default(key))), wrapped(key.meaning, 2))?;
        writeln!(out, "{}", wrapped(&format!("may be: {}", key.range), 2))?;
        writeln!(out, "{}", wrapped(&format!("example: {}", key.example), 2))?;
    }
    Ok(())
}

fn default(key: &RecipeKey) -> &'static str {
    if key.default.is_empty() { "may be left out" } else { key.default }
}

/// Whether `list recipe` shows something of that name.
pub fn is_key(name: &str) -> bool {
    !matching(name).is_empty()
}

/// The key of that path; else those that end so, or are below it.
fn matching(name: &str) -> Vec<(&'static RecipeSection, &'static RecipeKey)> {
    let those = |is: &dyn Fn(&str) -> bool| -> Vec<_> {
        keys().filter(|(section, key)| is(&section.path_of(key))).collect()
    };
    let below = format!("{name}.");
    let found = those(&|path| path == name || path.starts_with(&below));
    if !found.is_empty() {
        return found;
    }
    those(&|path| path.ends_with(&format!(".{name}")) || path.contains(&format!(".{below}")))
}

/// The same, or what to look for in its place.
fn named(
    name: &str,
    registry: &Registry,
) -> Result<Vec<(&'static RecipeSection, &'static RecipeKey)>, Error> {
    let found = matching(name);
    if !found.is_empty() {
        return Ok(found);
    }
    let hint = match (super::list::elsewhere("recipe", name, registry), tallow_train::elsewhere(name)) {
        (Some(place), _) => place,
        (None, Some(ours)) => format!("; in its place: {ours}"),
        (None, None) => near(name),
    };
    Err(Error::recipe(format!("no key of a recipe is called `{name}`{hint}")))
}

/// The keys that a name is a part of, else the nearest one.
fn near(name: &str) -> String {
    let mut parts: Vec<&str> = keys().map(|(_, key)| key.name).filter(|key| key.contains(name)).collect();
    parts.sort_unstable();
    parts.dedup();
    if name.len() < 3 || parts.is_empty() {
        return tallow_data::listed("recipe", name, keys().map(|(_, key)| key.name));
    }
    let parts: Vec<String> = parts.into_iter().map(|key| format!("`{key}`")).collect();
    format!("; did you mean {}? known: those of `tallow list recipe`", parts.join(" or "))
}

/// Writes DIR/recipe.md.
pub fn write(folder: &Path) -> anyhow::Result<()> {
    let page = folder.join("recipe.md");
    let write = || std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&page, text()));
    write().map_err(|error| {
        let problem = format!("cannot be written ({error}); name a folder that you may write to");
        Error::recipe(format!("--markdown {}: {problem}", page.display()))
    })?;
    println!("{}", page.display());
    Ok(())
}

fn text() -> String {
    let mut page = HEAD.to_owned();
    for section in RECIPE {
        let title = if section.path.is_empty() { "The recipe" } else { section.path };
        let _ = write!(page, "\n## {title}\n\n{}.\n\n", capital(section.summary));
        page.push_str("| key | default | may be | meaning | example |\n|---|---|---|---|---|\n");
        for key in section.keys {
            let default = match key.default {
                "" => String::new(),
                "required" => "required".to_owned(),
                value => format!("`{value}`"),
            };
            let RecipeKey { name, range, meaning, example, .. } = key;
            let (range, meaning) = (escaped(range), escaped(meaning));
            let _ = writeln!(
                page,
                "| `{name}` | {default} | {range} | {meaning} | `{}` |",
                escaped_code(example)
            );
        }
    }
    page.push_str("\n## Datasets\n\nKeys beside those of `data`, by its `name`.\n");
    for source in SOURCES {
        let _ = write!(page, "\n### {}\n\n{}.\n\n", source.name, capital(&escaped(source.summary)));
        page.push_str("| key | default | meaning |\n|---|---|---|\n");
        for (name, default, meaning) in source.keys {
            let _ = writeln!(page, "| `{name}` | {} | {} |", escaped(default), escaped(meaning));
        }
    }
    page
}

/// Within backticks only the bar of a table needs an escape.
fn escaped_code(text: &str) -> String {
    text.replace('|', "\\|")
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}
