//! `check FILE …`: every mistake at once; with `--data`, those of the data too.

use crate::arguments::Check;
use crate::wrap::wrapped;
use std::path::Path;
use tallow_policy::Registry;
use tallow_train::{Error, Plan, check_preset, inspect, is_preset};

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
    let (mut mistakes, mut of_data) = (Vec::new(), Vec::new());
    for file in &files {
        let path = Path::new(file.as_str());
        // What `train` says of the plan before it begins.
        let (mut notes, mut doubts) = (Vec::new(), Vec::new());
        let checked = match is_preset(path) {
            true => check_preset(path, registry).map(|()| None),
            false => Plan::read(path, &overrides, registry).and_then(|plan| {
                plan.open_device()?;
                (notes, doubts) = (plan.notes.clone(), plan.doubts());
                Ok(Some(plan))
            }),
        };
        let (data, found) = match checked {
            Ok(Some(plan)) if arguments.data => inspect(&plan),
            Ok(_) => (None, Vec::new()),
            Err(error) => (None, vec![error]),
        };
        if found.is_empty() {
            println!("{file}: ok");
        }
        notes.iter().for_each(|note| println!("{}", wrapped(note, 2)));
        doubts.iter().for_each(|doubt| println!("{}", wrapped(&format!("warning: {doubt}"), 2)));
        if let Some(data) = data {
            print!("{}", data.counts());
            data.notes.iter().for_each(|note| println!("{}", wrapped(note, 2)));
        }
        for error in found {
            match error {
                Error::Recipe(lines) => mistakes.extend(lines),
                Error::Data(problem) => of_data.push(format!("{file}: {problem}")),
                other => return Err(other.into()),
            }
        }
    }
    match (mistakes.is_empty(), of_data.is_empty()) {
        (true, true) => Ok(()),
        (true, false) => Err(Error::Data(of_data.join("\n")).into()),
        _ => Err(Error::Recipe([mistakes, of_data].concat()).into()),
    }
}
