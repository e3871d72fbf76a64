//! `eval CHECKPOINT` and `eval RECIPE`: metrics of a part of the data.

mod decisions;
mod subgroups;

use super::{asking, checkpoint, writable};
use crate::arguments::Eval;
use crate::wrap::wrapped;
use decisions::Decisions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use subgroups::{Asked, Divided, divided, look};
use tallow_data::{Dataset, counted};
use tallow_metrics::{Predictions, Summary};
use tallow_policy::Registry;
use tallow_report::Progress;
use tallow_train::{
    Calibration, Error, Evaluated, Model, Plan, add_class_intervals, described, intervals, measured, part,
    pretrained,
};

pub fn eval(arguments: &Eval, registry: &Registry) -> anyhow::Result<()> {
    let progress = Progress::stderr();
    let is_recipe = arguments.subject.extension().is_some_and(|end| end == "yaml" || end == "yml");
    let subject = if is_recipe { of_recipe } else { of_checkpoint };
    let (name, model, data) = subject(arguments, registry, &progress)?;
    let subgroups = looked(arguments, &*data, &progress)?;
    let (networks, asked) = asking::networks(model, &arguments.asking, registry, &progress)?;
    let (model, images) = (&networks.first, networks.evaluate(&data, &arguments.split, &progress)?);
    let (predictions, rows) = if arguments.by_group {
        images.averaged_by_group()?
    } else {
        (images.clone(), (0..images.len()).map(|image| vec![image]).collect())
    };
    if let Some(path) = &arguments.predictions {
        predictions.write_csv(path)?;
    }
    let of = |asked| divided(asked, &predictions, &rows, data.group_name());
    let subgroups = subgroups.into_iter().map(of).collect::<Result<Vec<_>, Error>>()?;
    let summary = Summary::of(&predictions);
    let measured = measured(&predictions, data.group_name());
    let decisions = Decisions::of(model.calibration.as_ref(), &predictions);
    let what = counted(images.len(), "image");
    let what = if arguments.by_group {
        let groups = described(&predictions, data.group_name());
        format!("{groups}, each the mean of its images, of {what}")
    } else {
        what
    };
    let told = model.calibration.as_ref().map(|calibration| calibrated(calibration, &data));
    let by_group = told.is_some() && arguments.by_group;
    let by_group = by_group.then(|| "fitted to single images, not to the means of groups".to_owned());
    let told: Vec<String> = told.into_iter().chain(by_group).collect();
    if let Some(path) = &arguments.html {
        let evaluated = Evaluated {
            name: &name,
            part: &arguments.split,
            model,
            data: &data,
            images: &images,
            rows: &predictions,
            what: &what,
            summary: &summary,
            measured: &measured,
            subgroups: subgroups.iter().map(Divided::division).collect(),
            notes: asked.lines().into_iter().chain(told.clone()).collect(),
        };
        evaluated.write(path)?;
    }
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let mut json = serde_json::to_value(&summary)?;
        json["intervals"] = intervals(&predictions, &measured.headline);
        add_class_intervals(&mut json, &measured.per_class);
        json["calibration"] = serde_json::to_value(&model.calibration)?;
        json["decisions"] = decisions.as_json();
        asked.put_into(&mut json);
        if arguments.by_group {
            // What is counted are rows; `images` are images still.
            json["images"] = images.len().into();
            json["groups"] = predictions.len().into();
        }
        if !subgroups.is_empty() {
            json["subgroups"] = subgroups.iter().map(Divided::json).collect();
        }
        writeln!(out, "{}", serde_json::to_string_pretty(&json)?)?;
    } else {
        writeln!(out, "{name}: {} part, {what}", arguments.split)?;
        asked.lines().iter().try_for_each(|line| writeln!(out, "{line}"))?;
        writeln!(out)?;
        write!(out, "{}", tallow_report::table(&summary.per_class, &measured.per_class, &measured.headline))?;
        let told: String = told.iter().map(|line| wrapped(line, 0) + "\n").collect();
        write!(out, "\n{told}{}", decisions.text(if arguments.by_group { "group" } else { "image" }))?;
        for divided in &subgroups {
            write!(out, "{}", divided.text())?;
        }
        if let Some(path) = &arguments.html {
            writeln!(out, "\n{}", wrapped(&format!("page: {}", path.display()), 0))?;
        }
    }
    Ok(())
}

/// What `--by-group` and `--subgroups` want of the data, before anything is computed; what the latter found.
fn looked(arguments: &Eval, data: &dyn Dataset, progress: &Progress) -> Result<Vec<Asked>, Error> {
    let ids: Vec<String> = (0..data.len()).map(|image| data.id(image).to_owned()).collect();
    let groups: Vec<_> = (0..data.len()).map(|image| data.group(image).map(str::to_owned)).collect();
    if arguments.by_group {
        if groups.iter().all(Option::is_none) {
            let problem = "expected images with groups, got none – name them by data.split.group, or leave --by-group out";
            return Err(Error::recipe(format!("--by-group: {problem}")));
        }
        // As if each were certain of its label: groups of several are found by that.
        let mut certain = Predictions::new(data.classes());
        for image in 0..data.len() {
            let label = data.label(image);
            let row: Vec<f64> =
                (0..data.classes().len()).map(|class| f64::from(u8::from(class == label as usize))).collect();
            certain.push(&ids[image], groups[image].as_deref(), label, &row)?;
        }
        certain.averaged_by_group().map_err(|error| Error::Data(format!("--by-group: {error}")))?;
    }
    let look = |text: &String| look(text, &ids, &groups);
    let asked = arguments.subgroups.iter().map(look).collect::<Result<Vec<_>, Error>>()?;
    asked.iter().filter_map(Asked::note).for_each(|note| progress.note(&note));
    Ok(asked)
}

/// What is evaluated: its name, the network, the images.
type Subject = (String, Model, Arc<dyn Dataset>);

fn of_checkpoint(arguments: &Eval, registry: &Registry, progress: &Progress) -> anyhow::Result<Subject> {
    let place = checkpoint(&arguments.subject)?;
    files_writable(arguments)?;
    let open = if arguments.uncalibrated { Model::open_uncalibrated } else { Model::open };
    let model = open(&place, &arguments.overrides, None, registry, progress)?;
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
    files_writable(arguments)?;
    let found = pretrained(plan, &arguments.split, progress)?;
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

fn files_writable(arguments: &Eval) -> Result<(), Error> {
    let files = [("--predictions", &arguments.predictions), ("--html", &arguments.html)];
    files.into_iter().try_for_each(|(name, path)| path.as_ref().map_or(Ok(()), |path| writable(name, path)))
}
