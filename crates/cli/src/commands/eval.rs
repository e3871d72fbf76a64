//! `eval CHECKPOINT`, `eval RECIPE` and `eval PREDICTIONS.csv`: metrics of a part of the data.

mod decisions;
mod named;
mod of_csv;
mod of_network;
mod subgroups;

use super::writable;
use crate::arguments::Eval;
use crate::commands::asking::Asked as Views;
use crate::wrap::wrapped;
use decisions::Decisions;
use serde_json::Value;
use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;
use subgroups::{Asked, Divided, divided, look};
use tallow_data::{Dataset, counted};
use tallow_metrics::{Predictions, Score, Summary, has_interval, thin_classes};
use tallow_policy::Registry;
use tallow_report::Progress;
use tallow_train::{
    Asked as Network, Calibration, Ensemble, Error, Evaluation, Measured, add_class_intervals, described,
    intervals, measured, scored, without_intervals,
};

/// What was evaluated, and by what.
struct Evaluated {
    /// Such as `checkpoints/x`.
    name: String,
    /// Of the data, where a network was asked.
    part: Option<String>,
    network: Option<(Ensemble, Arc<dyn Dataset>)>,
    images: Predictions,
    /// What a group is, such as `lesion_id`.
    group: Option<String>,
    calibration: Option<Calibration>,
    /// How the probabilities were calibrated.
    calibrated: Option<String>,
    views: Option<Views>,
    subgroups: Vec<Asked>,
    /// What is asked for instead of the usual.
    scores: Vec<Score>,
}

pub fn eval(arguments: &Eval, registry: &Registry) -> anyhow::Result<()> {
    let progress = Progress::stderr();
    let ends = |with: &str| arguments.subject.extension().is_some_and(|end| end == with);
    let evaluated = if ends("csv") {
        of_csv::evaluated(arguments, &progress)?
    } else {
        of_network::evaluated(arguments, ends("yaml") || ends("yml"), registry, &progress)?
    };
    show(arguments, evaluated)
}

fn show(arguments: &Eval, evaluated: Evaluated) -> anyhow::Result<()> {
    let Evaluated { name, part, network, images, group, calibration, calibrated, views, subgroups, scores } =
        evaluated;
    let title = part.as_ref().map_or(name.clone(), |part| format!("{name}: {part} part"));
    let group = group.as_deref();
    let (predictions, rows) = if arguments.by_group {
        let (averaged, rows) = images.averaged_by_group()?;
        (Cow::Owned(averaged), rows)
    } else {
        let rows = if subgroups.is_empty() { 0..0 } else { 0..images.len() };
        (Cow::Borrowed(&images), rows.map(|image| vec![image]).collect())
    };
    let predictions = &*predictions;
    if let Some(path) = &arguments.predictions {
        predictions.write_csv(path)?;
    }
    let of = |asked| divided(asked, predictions, &rows, group);
    let subgroups = subgroups.into_iter().map(of).collect::<Result<Vec<_>, Error>>()?;
    let what = counted(images.len(), "image");
    let what = if arguments.by_group {
        format!("{}, each the mean of its images, of {what}", described(predictions, group))
    } else {
        what
    };
    let by_group = calibrated.is_some() && arguments.by_group;
    let by_group = by_group.then(|| "fitted to single images, not to the means of groups".to_owned());
    let has_groups = predictions.groups.iter().any(Option::is_some);
    let has_intervals = !arguments.no_intervals
        && (scores.is_empty() || scores.iter().any(|score| has_interval(&score.name)));
    let thin = if has_intervals { thin_classes(predictions, has_groups) } else { None };
    let told: Vec<String> = calibrated.into_iter().chain(by_group).chain(thin).collect();
    let asked = views.as_ref().map_or(Vec::new(), Views::lines);
    let mut out = std::io::stdout().lock();
    if !scores.is_empty() {
        let found = scored(predictions, &scores, group, !arguments.no_intervals);
        let scored: Vec<_> = scores.iter().zip(found).collect();
        if arguments.json {
            let mut json = named::json(&scored, images.len(), predictions.len());
            add_asked(&mut json, calibration.as_ref(), views.as_ref())?;
            return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&json)?)?);
        }
        writeln!(out, "{title}, {what}")?;
        asked.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        write!(out, "\n{}", named::text(&scored))?;
        return Ok(told.iter().try_for_each(|line| writeln!(out, "\n{}", wrapped(line, 0)))?);
    }
    let summary = Summary::of(predictions);
    let measured = if arguments.no_intervals {
        Measured { headline: without_intervals(&summary), per_class: Vec::new() }
    } else {
        measured(predictions, group)
    };
    let decisions = Decisions::of(calibration.as_ref(), predictions);
    if let Some(path) = &arguments.html {
        let page = Evaluation {
            name: &name,
            what: part.as_ref().map_or(what.clone(), |part| format!("{part} part: {what}")),
            rows: predictions,
            summary: &summary,
            measured: &measured,
            subgroups: subgroups.iter().map(Divided::division).collect(),
            notes: asked.iter().chain(&told).cloned().collect(),
            asked: network.as_ref().zip(part.as_deref()).map(|((networks, data), part)| Network {
                model: &networks.first,
                data,
                part,
                images: &images,
            }),
        };
        page.write(path)?;
    }
    if arguments.json {
        let mut json = serde_json::to_value(&summary)?;
        if !arguments.no_intervals {
            json["intervals"] = intervals(predictions, &measured.headline);
            add_class_intervals(&mut json, &measured.per_class);
        }
        add_asked(&mut json, calibration.as_ref(), views.as_ref())?;
        json["decisions"] = decisions.as_json();
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
        writeln!(out, "{title}, {what}")?;
        asked.iter().try_for_each(|line| writeln!(out, "{line}"))?;
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

/// How the images were asked about, for programs.
fn add_asked(
    json: &mut Value,
    calibration: Option<&Calibration>,
    views: Option<&Views>,
) -> anyhow::Result<()> {
    json["calibration"] = serde_json::to_value(calibration)?;
    if let Some(views) = views {
        views.put_into(json);
    }
    Ok(())
}

/// What `--metrics` asks for of these classes.
fn scores(arguments: &Eval, classes: &[String]) -> Result<Vec<Score>, Error> {
    let Some(names) = &arguments.metrics else { return Ok(Vec::new()) };
    tallow_metrics::scores(names, classes).map_err(|error| Error::recipe(format!("--metrics: {error}")))
}

/// What `--subgroups` finds of the images.
fn looked(
    arguments: &Eval,
    ids: &[String],
    groups: &[Option<String>],
    progress: &Progress,
) -> Result<Vec<Asked>, Error> {
    let asked = arguments.subgroups.iter().map(|text| look(text, ids, groups));
    let asked = asked.collect::<Result<Vec<_>, Error>>()?;
    asked.iter().filter_map(Asked::note).for_each(|note| progress.note(&note));
    Ok(asked)
}

/// Whether `--by-group` can be had: groups, each of one label; `remedy` is what gives images groups. `certain` predicts anything.
fn groups_are_of_one_label(certain: &Predictions, remedy: &str) -> Result<(), Error> {
    if certain.groups.iter().all(Option::is_none) {
        let problem =
            format!("--by-group: expected images with groups, got none – {remedy}, or leave --by-group out");
        return Err(Error::recipe(problem));
    }
    let averaged = certain.averaged_by_group();
    averaged.map(|_| ()).map_err(|error| Error::Data(format!("--by-group: {error}")))
}

fn files_writable(arguments: &Eval) -> Result<(), Error> {
    let files = [("--predictions", &arguments.predictions), ("--html", &arguments.html)];
    files.into_iter().try_for_each(|(name, path)| path.as_ref().map_or(Ok(()), |path| writable(name, path)))
}
