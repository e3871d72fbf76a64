//! `sweep RECIPE`: values, seeds and folds of a recipe, one run after the other, and what they amount to.

mod array;
mod slurm;
mod table;

use super::compare::number;
use super::{compare, train};
use crate::arguments::{AgainstWhich, JudgedBy, Sweep as Arguments};
use crate::signals;
use crate::wrap::wrapped;
use anyhow::Context;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tallow_data::counted;
use tallow_policy::Registry;
use tallow_report::Progress;
use tallow_train::sweep::{CellResults, Judgement, Part, Question, Repeats, State, Sweep, finish};
use tallow_train::{Earlier, Error, Plan, Stop};

pub fn sweep(arguments: &Arguments, registry: &Registry) -> anyhow::Result<()> {
    let progress = Progress::stderr();
    let named = arguments.metric.as_deref().map(compare::metric).transpose()?;
    let repeats = Repeats { seeds: arguments.seeds.clone(), folds: arguments.folds };
    let (sweep, plans) = Sweep::plan(&arguments.recipe, &arguments.overrides, &repeats, registry)?;
    let folder = arguments.out.clone().unwrap_or_else(|| default_folder(&sweep));
    if let Some(cell) = arguments.cell.filter(|cell| !(1..=sweep.cells.len()).contains(cell)) {
        let problem = format!("expected a cell from 1 to {}, as --dry-run lists them", sweep.cells.len());
        return Err(Error::recipe(format!("--cell {cell}: {problem}")).into());
    }
    if let Some(path) = &arguments.slurm {
        return slurm::write(path, arguments, &sweep, &folder);
    }
    let question = Question {
        part: if arguments.split == JudgedBy::Test { Part::Test } else { Part::Validation },
        metric: named.unwrap_or(plans[0].select),
        against_best: arguments.against == AgainstWhich::Best,
        resamples: arguments.resamples,
        level: 0.95,
    };
    let some = some(arguments, sweep.cells.len(), &progress)?;
    let is_chosen = |at: usize| some.as_ref().is_none_or(|cells| cells.contains(&at));
    let mut states = sweep.states(&folder, &plans, is_chosen)?;
    if arguments.report {
        if !states.iter().any(|state| matches!(state, State::Done(_))) {
            let problem = "no cell is done there yet; run the sweep first, without --report";
            return Err(Error::recipe(format!("{}: {problem}", folder.display())).into());
        }
        test(arguments, &sweep, &states, &folder, registry, &progress)?;
        return report(arguments, &sweep, &sweep.judge(&folder, &states, &question)?, &folder);
    }
    let is_open = |at: usize| is_chosen(at) && !matches!(states[at], State::Done(_));
    sweep.check_data(&plans, is_open)?;
    if arguments.dry_run {
        return list(arguments, &sweep, &states, &folder);
    }
    let stop = signals::watch().context("cannot watch for signals")?;
    let mut diverged = Vec::new();
    for (at, plan) in plans.into_iter().enumerate().filter(|(at, _)| is_chosen(*at)) {
        let (cell, count) = (&sweep.cells[at], sweep.cells.len());
        let done = if let State::Done(_) = states[at] { ": done already" } else { "" };
        progress.note(&format!("cell {} of {count}, {}{done}", at + 1, cell.name));
        if done.is_empty() {
            cell.forget_test(&folder)?;
            match run(plan, &folder.join(&cell.name), &states[at], &stop, &progress) {
                Ok(ended) => states[at] = ended,
                Err(error) => match error.downcast::<Error>() {
                    // The other cells are worth their while; this one is told at the end.
                    Ok(Error::Diverged(problem)) => {
                        progress.note(&format!("warning: {problem}"));
                        diverged.push(format!("{}: {problem}", cell.name));
                    }
                    Ok(error) => return Err(of_cell(error, &cell.name).into()),
                    Err(error) => return Err(error),
                },
            }
        }
    }
    test(arguments, &sweep, &states, &folder, registry, &progress)?;
    match some {
        Some(cells) => cells.into_iter().try_for_each(|at| {
            let found = sweep.look(at, &folder, &states[at], &question)?;
            of_one(arguments, &found, question.metric.name)
        })?,
        None => report(arguments, &sweep, &sweep.judge(&folder, &states, &question)?, &folder)?,
    }
    if diverged.is_empty() { Ok(()) } else { Err(Error::Diverged(diverged.join("\n")).into()) }
}

/// The cells, from 0, that this process is to run, where they are not all.
fn some(arguments: &Arguments, cells: usize, progress: &Progress) -> Result<Option<Vec<usize>>, Error> {
    if arguments.array {
        let (share, by) = array::share(|name| std::env::var(name).ok(), cells)?;
        progress.note(&format!("{} of {cells}, by {by}", counted(share.len(), "cell")));
        return Ok(Some(share));
    }
    Ok(arguments.cell.map(|cell| vec![cell - 1]))
}

fn default_folder(sweep: &Sweep) -> PathBuf {
    Path::new("checkpoints").join(format!("{}_sweep", sweep.name))
}

/// Trains a cell to its end, from where it is.
fn run(
    plan: Plan,
    place: &Path,
    state: &State,
    stop: &Arc<Stop>,
    progress: &Progress,
) -> anyhow::Result<State> {
    if let Some(signal) = stop.asked() {
        let message = format!("stopped by signal {signal} before it began");
        return Err(Error::Interrupted { signal, message }.into());
    }
    // What lies there without a checkpoint to go on from was killed before its first one.
    let earlier = if let State::Begun { .. } = state { Earlier::Resume } else { Earlier::Overwrite };
    let (run, fitted, locked) = train::to_the_end(plan, place, earlier, progress, || Ok(stop.clone()))?;
    let ended = finish(&locked, &fitted)?;
    progress.note(&format!(
        "  {} {:.4}, of epoch {}: {}",
        run.plan().select.name,
        fitted.best.value,
        fitted.best.epoch,
        place.join("report.html").display()
    ));
    Ok(State::Done(ended))
}

/// Evaluates the cells that are done on the test part, where that is asked for.
fn test(
    arguments: &Arguments,
    sweep: &Sweep,
    states: &[State],
    folder: &Path,
    registry: &Registry,
    progress: &Progress,
) -> anyhow::Result<()> {
    if arguments.split != JudgedBy::Test {
        return Ok(());
    }
    let is_place = |text: &&String| {
        ["device=", "data.root=", "data.path=", "data.file="].iter().any(|key| text.starts_with(key))
    };
    for (cell, _) in sweep.cells.iter().zip(states).filter(|(_, state)| matches!(state, State::Done(_))) {
        let places = sweep.overrides_of(cell, &arguments.overrides);
        let places: Vec<String> = places.iter().filter(is_place).cloned().collect();
        cell.test(folder, &places, registry, progress).map_err(|error| of_cell(error, &cell.name))?;
    }
    Ok(())
}

/// An error with the cell that it is of.
fn of_cell(error: Error, name: &str) -> Error {
    match error {
        Error::Interrupted { signal, message } => {
            let message = message.replace(": go on with --resume", "");
            Error::Interrupted { signal, message: format!("{name}: {message}; the same command goes on") }
        }
        Error::Recipe(lines) => {
            Error::Recipe(lines.into_iter().map(|line| format!("{name}: {line}")).collect())
        }
        Error::Data(problem) => Error::Data(format!("{name}: {problem}")),
        other => other,
    }
}

/// The cells, and how far they are.
fn list(arguments: &Arguments, sweep: &Sweep, states: &[State], folder: &Path) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let cell = |(at, state): (usize, &State)| {
            let cell = &sweep.cells[at];
            json!({
                "cell": at + 1,
                "folder": cell.name,
                "setting": sweep.settings[cell.setting].name,
                "seed": cell.seed,
                "fold": cell.fold,
                "state": state.name(),
            })
        };
        let cells: Vec<_> = states.iter().enumerate().map(cell).collect();
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&json!({ "cells": cells }))?)?);
    }
    let width = states.len().to_string().len();
    for (at, (cell, state)) in sweep.cells.iter().zip(states).enumerate() {
        let state = match state {
            State::Begun { steps } => format!("begun, {}", counted(steps, "step")),
            other => other.name().to_owned(),
        };
        writeln!(out, "{:>width$}  {}  ({state})", at + 1, cell.name)?;
    }
    let settings = counted(sweep.settings.len(), "setting");
    let (seeds, folds) =
        (counted(sweep.seeds.len(), "seed"), sweep.repeats.folds.map(|folds| counted(folds, "fold")));
    let folds = folds.map_or(String::new(), |folds| format!(" × {folds}"));
    let all = counted(states.len(), "cell");
    writeln!(out, "\n{settings} × {seeds}{folds}: {all}, below {}", folder.display())?;
    Ok(())
}

/// What one cell came to.
fn of_one(arguments: &Arguments, cell: &CellResults, metric: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if arguments.json {
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(cell)?)?);
    }
    match (cell.metrics.get(metric), cell.epoch) {
        (Some(&value), Some(epoch)) => {
            writeln!(out, "{}: {metric} {}, epoch {epoch}", cell.folder, number(value, false))?;
        }
        _ => writeln!(out, "{}: no result", cell.folder)?,
    }
    Ok(())
}

/// Prints the report, and writes it beside the cells.
fn report(arguments: &Arguments, sweep: &Sweep, found: &Judgement, folder: &Path) -> anyhow::Result<()> {
    let json = serde_json::to_string_pretty(found)? + "\n";
    let name = if found.part == Part::Test.name() { "sweep_test" } else { "sweep" };
    let [markdown_path, json_path] = ["md", "json"].map(|end| folder.join(format!("{name}.{end}")));
    // The same runs give the same bytes, wherever they are.
    let out = if arguments.out.is_some() { " --out DIR" } else { "" };
    let markdown = table::markdown(found, &(command(arguments, sweep) + out));
    for (path, text) in [(&markdown_path, &markdown), (&json_path, &json)] {
        std::fs::write(path, text).map_err(Error::io(path))?;
    }
    let mut out = std::io::stdout().lock();
    if arguments.json {
        return Ok(write!(out, "{json}")?);
    }
    write!(out, "{}", table::text(found))?;
    writeln!(out, "\n{}", wrapped(&format!("report: {}", markdown_path.display()), 0))?;
    Ok(())
}

/// What is typed for the same cells, but for the folder.
fn command(arguments: &Arguments, sweep: &Sweep) -> String {
    let mut words = vec![train::quoted(&arguments.recipe)];
    words.extend(arguments.overrides.iter().map(|text| train::quoted(Path::new(text))));
    words.extend(sweep.repeats.seeds.iter().map(|seeds| format!("--seeds {seeds}")));
    words.extend(sweep.repeats.folds.map(|folds| format!("--folds {folds}")));
    format!("tallow sweep {}", words.join(" "))
}
