//! `eval CHECKPOINT` and `eval RECIPE`: a network is asked about the images of a part of the data.

use super::{Evaluated, files_writable, groups_are_of_one_label, looked, scores};
use crate::arguments::Eval;
use crate::commands::{asking, checkpoint};
use std::path::Path;
use std::sync::Arc;
use tallow_data::Dataset;
use tallow_metrics::Predictions;
use tallow_policy::Registry;
use tallow_report::Progress;
use tallow_train::{Calibration, Error, Model, Plan, part, pretrained};

pub fn evaluated(
    arguments: &Eval,
    is_recipe: bool,
    registry: &Registry,
    progress: &Progress,
) -> anyhow::Result<Evaluated> {
    let subject = if is_recipe { of_recipe } else { of_checkpoint };
    let (name, model, data) = subject(arguments, registry, progress)?;
    // What is wrong with the data is said before anything is computed.
    let ids: Vec<String> = (0..data.len()).map(|image| data.id(image).to_owned()).collect();
    let groups: Vec<_> = (0..data.len()).map(|image| data.group(image).map(str::to_owned)).collect();
    if arguments.by_group {
        let certain = certain(&*data, &ids, &groups).map_err(Error::from)?;
        groups_are_of_one_label(&certain, "name them by data.split.group")?;
    }
    let subgroups = looked(arguments, &ids, &groups, progress)?;
    let (networks, views) = asking::networks(model, &arguments.asking, registry, progress)?;
    let scores = scores(arguments, &networks.first.classes)?;
    let images = networks.evaluate(&data, split(arguments), progress)?;
    let calibration = networks.first.calibration.clone();
    Ok(Evaluated {
        name,
        part: Some(split(arguments).to_owned()),
        images,
        group: data.group_name().map(str::to_owned),
        calibrated: calibration.as_ref().map(|calibration| calibrated(calibration, &data)),
        calibration,
        views: Some(views),
        network: Some((networks, data)),
        subgroups,
        scores,
    })
}

fn split(arguments: &Eval) -> &str {
    arguments.split.as_deref().unwrap_or("validation")
}

/// As if each image were certain of its label: groups of several are found by that.
fn certain(
    data: &dyn Dataset,
    ids: &[String],
    groups: &[Option<String>],
) -> tallow_metrics::Result<Predictions> {
    let mut certain = Predictions::new(data.classes());
    for image in 0..data.len() {
        let label = data.label(image);
        let row: Vec<f64> =
            (0..data.classes().len()).map(|class| f64::from(u8::from(class == label as usize))).collect();
        certain.push(&ids[image], groups[image].as_deref(), label, &row)?;
    }
    Ok(certain)
}

/// What is evaluated: its name, the network, the images.
type Subject = (String, Model, Arc<dyn Dataset>);

fn of_checkpoint(arguments: &Eval, registry: &Registry, progress: &Progress) -> anyhow::Result<Subject> {
    let place = checkpoint(&arguments.subject)?;
    files_writable(arguments)?;
    let open = if arguments.uncalibrated { Model::open_uncalibrated } else { Model::open };
    let model = open(&place, &arguments.overrides, None, registry, progress)?;
    let data = part(&model.plan, split(arguments), progress)?;
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
    files_writable(arguments)?;
    let found = pretrained(plan, split(arguments), progress)?;
    found.notes.iter().for_each(|note| progress.note(&format!("  {note}")));
    let weights = found.model.plan.model.weights.as_ref().map_or(String::new(), |from| from.describe());
    Ok((format!("{}, {weights}", recipe.display()), found.model, found.data))
}

/// How the probabilities were calibrated, and whether by these very images.
fn calibrated(calibration: &Calibration, data: &Arc<dyn Dataset>) -> String {
    let told = format!("calibrated: {}", calibration.describe());
    if calibration.fitted_on.data != tallow_data::manifest(&**data) {
        return told;
    }
    let other = if calibration.fitted_on.part == "test" { "validation" } else { "test" };
    format!(
        "{told}: these very images; of others it says less than it seems to here (tallow eval … --split {other})"
    )
}

/// The folder of the run or checkpoint that a recipe was written into.
fn run_around(recipe: &Path) -> Option<&Path> {
    let folder = recipe.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_run =
        ["state.json", "best/state.json", "last/state.json"].iter().any(|file| folder.join(file).is_file());
    is_run.then_some(folder)
}
