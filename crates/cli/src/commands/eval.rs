//! `eval CHECKPOINT` and `eval RECIPE`: metrics of a part of the data.

use super::{asking, checkpoint, writable};
use crate::arguments::Eval;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use tallow_data::{Dataset, counted};
use tallow_metrics::Summary;
use tallow_policy::Registry;
use tallow_report::Progress;
use tallow_train::{Error, Model, Plan, headline, intervals, part, pretrained};

pub fn eval(arguments: &Eval, registry: &Registry) -> anyhow::Result<()> {
    let progress = Progress::stderr();
    let is_recipe = arguments.subject.extension().is_some_and(|end| end == "yaml" || end == "yml");
    let subject = if is_recipe { of_recipe } else { of_checkpoint };
    let (name, model, data) = subject(arguments, registry, &progress)?;
    let (networks, asked) = asking::networks(model, &arguments.asking, registry, &progress)?;
    let predictions = networks.evaluate(&data, &arguments.split, &progress)?;
    if let Some(path) = &arguments.predictions {
        predictions.write_csv(path)?;
    }
    let summary = Summary::of(&predictions);
    let headline = headline(&predictions, data.group_name());
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let mut json = serde_json::to_value(&summary)?;
        json["intervals"] = intervals(&predictions, &headline);
        asked.put_into(&mut json);
        writeln!(out, "{}", serde_json::to_string_pretty(&json)?)?;
    } else {
        writeln!(out, "{name}: {} part, {}", arguments.split, counted(predictions.len(), "image"))?;
        asked.lines().iter().try_for_each(|line| writeln!(out, "{line}"))?;
        writeln!(out)?;
        write!(out, "{}", tallow_report::table(&summary.per_class, &headline))?;
    }
    Ok(())
}

/// What is evaluated: its name, the network, the images.
type Subject = (String, Model, Arc<dyn Dataset>);

fn of_checkpoint(arguments: &Eval, registry: &Registry, progress: &Progress) -> anyhow::Result<Subject> {
    let place = checkpoint(&arguments.subject)?;
    predictions_writable(arguments)?;
    let model = Model::open(&place, &arguments.overrides, None, registry, progress)?;
    let data = part(&model.plan, &arguments.split, progress)?;
    Ok((place.display().to_string(), model, data))
}

fn of_recipe(arguments: &Eval, registry: &Registry, progress: &Progress) -> anyhow::Result<Subject> {
    let recipe = &arguments.subject;
    if let Some(run) = run_around(recipe) {
        let problem = format!(
            "is what a run was trained by, and names the weights that it began with; evaluate the run: tallow eval {}",
            run.display()
        );
        return Err(Error::recipe(format!("{}: {problem}", recipe.display())).into());
    }
    let plan = Plan::read(recipe, &arguments.overrides, registry)?;
    predictions_writable(arguments)?;
    let found = pretrained(plan, &arguments.split, progress)?;
    found.notes.iter().for_each(|note| progress.note(&format!("  {note}")));
    let weights = found.model.plan.model.weights.as_ref().map_or(String::new(), |from| from.describe());
    Ok((format!("{}, {weights}", recipe.display()), found.model, found.data))
}

/// The folder of the run or checkpoint that a recipe was written into.
fn run_around(recipe: &Path) -> Option<&Path> {
    let folder = recipe.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_run =
        ["state.json", "best/state.json", "last/state.json"].iter().any(|file| folder.join(file).is_file());
    is_run.then_some(folder)
}

fn predictions_writable(arguments: &Eval) -> Result<(), Error> {
    arguments.predictions.as_ref().map_or(Ok(()), |path| writable("--predictions", path))
}
