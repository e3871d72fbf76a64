//! `check FILE …`: every mistake at once.

use crate::arguments::Check;
use std::path::Path;
use tallow_policy::Registry;
use tallow_train::{Error, Plan, check_preset, is_preset};

pub fn check(arguments: &Check, registry: &Registry) -> anyhow::Result<()> {
    let is_override = |input: &&String| input.contains('=') && !Path::new(input.as_str()).exists();
    let (overrides, files): (Vec<&String>, Vec<&String>) = arguments.inputs.iter().partition(is_override);
    let overrides: Vec<String> = overrides.into_iter().cloned().collect();
    if files.is_empty() {
        return Err(
            Error::recipe("check: expected a recipe or preset, such as recipes/quickstart.yaml").into()
        );
    }
    if let (Some(first), true) =
        (overrides.first(), files.iter().all(|file| is_preset(Path::new(file.as_str()))))
    {
        let problem = "expected a recipe to override, got presets alone; leave it out, or edit the preset";
        return Err(Error::recipe(format!("check: `{first}`: {problem}")).into());
    }
    let mut mistakes = Vec::new();
    for file in &files {
        let path = Path::new(file.as_str());
        let checked = match is_preset(path) {
            true => check_preset(path, registry),
            false => Plan::read(path, &overrides, registry).and_then(|plan| {
                let opened = plan.device.open().map(drop);
                opened.map_err(|problem| plan.mistake("device", problem))
            }),
        };
        match checked {
            Ok(()) => println!("{file}: ok"),
            Err(Error::Recipe(lines)) => mistakes.extend(lines),
            Err(other) => return Err(other.into()),
        }
    }
    if mistakes.is_empty() { Ok(()) } else { Err(Error::Recipe(mistakes).into()) }
}
