//! One file per command.

mod asking;
mod bench;
#[cfg(feature = "board")]
mod board;
mod calibrate;
mod catalogue;
mod check;
mod compare;
mod data;
mod doctor;
mod eval;
mod export;
mod list;
mod new;
mod predict;
mod preview;
mod publish;
mod pull;
mod reference;
mod replay;
mod stats;
mod sweep;
pub mod train;

use crate::arguments::{Board, Command, DataCommand};
use candle_core::Device;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use tallow_policy::Registry;
use tallow_report::Progress;
use tallow_train::{DeviceChoice, Error, Plan};

pub fn dispatch(command: Command, registry: &Registry) -> anyhow::Result<()> {
    match command {
        Command::Train(arguments) => train::train(&arguments, registry),
        Command::Sweep(arguments) => sweep::sweep(&arguments, registry),
        Command::Eval(arguments) => eval::eval(&arguments, registry),
        Command::Compare(arguments) => compare::compare(&arguments, registry),
        Command::Board(arguments) => board(&arguments, registry),
        Command::Calibrate(arguments) => calibrate::calibrate(&arguments, registry),
        Command::Predict(arguments) => predict::predict(&arguments, registry),
        Command::Pull(arguments) => pull::pull(&arguments),
        Command::Export(arguments) => export::export(&arguments, registry),
        Command::Publish(arguments) => publish::publish(&arguments, registry),
        Command::Preview(arguments) => preview::preview(&arguments, registry),
        Command::Stats(arguments) => stats::stats(&arguments, registry),
        Command::Replay(arguments) => replay::replay(&arguments, registry),
        Command::New(arguments) => new::new(&arguments),
        Command::Check(arguments) => check::check(&arguments, registry),
        Command::Data(arguments) => match arguments.command {
            DataCommand::Check(arguments) => data::check(&arguments, registry),
        },
        Command::Bench(arguments) => bench::bench(&arguments, registry),
        Command::Doctor(arguments) => doctor::doctor(&arguments, registry),
        Command::List(arguments) => list::list(&arguments, registry),
    }
}

#[cfg(feature = "board")]
fn board(arguments: &Board, registry: &Registry) -> anyhow::Result<()> {
    board::board(arguments, registry)
}

#[cfg(not(feature = "board"))]
fn board(_: &Board, _: &Registry) -> anyhow::Result<()> {
    Err(Error::recipe(
        "board: this build has no server; build with the feature `board`, which is on by default",
    )
    .into())
}

/// The folder that a file `model.safetensors` stands for; any other path is itself.
fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if path.is_file() && path.ends_with("model.safetensors") => match parent.as_os_str() {
            here if here.is_empty() => PathBuf::from("."),
            _ => parent.to_owned(),
        },
        _ => path.to_owned(),
    }
}

/// The folder of the run that a checkpoint belongs to; a run's folder is itself.
fn run_of(place: &Path) -> &Path {
    let above = place.parent().filter(|above| above.join("metrics.jsonl").is_file());
    let above = above.filter(|_| place.join("state.json").is_file());
    above.map_or(place, |above| if above.as_os_str().is_empty() { Path::new(".") } else { above })
}

/// A checkpoint's folder: the path itself, `best` of a run's folder, or the folder of `model.safetensors`.
fn checkpoint(path: &Path) -> Result<PathBuf, Error> {
    let path = &*folder(path);
    if path.is_file() {
        let problem = format!(
            "is a file, expected a checkpoint's folder or its model.safetensors; weights alone are evaluated by a recipe: \
             tallow eval RECIPE model.weights={}",
            path.display()
        );
        return Err(Error::recipe(format!("{}: {problem}", path.display())));
    }
    let places = [path.to_owned(), path.join("best"), path.join("last")];
    if let Some(place) = places.iter().find(|place| place.join("model.safetensors").is_file()) {
        if place.join("recipe.yaml").is_file() || place.join("state.json").is_file() {
            return Ok(place.clone());
        }
        return Err(alone(place));
    }
    if path.join("model.onnx").is_file() {
        return Err(alone(path));
    }
    if let Some(place) = places.iter().find(|place| place.join("state.json").is_file()) {
        return Err(Error::Checkpoint(format!("{}: is missing", place.join("model.safetensors").display())));
    }
    let problem =
        "holds no model.safetensors, nor do its best/ and last/; train a recipe first, or name its folder";
    Err(Error::recipe(format!("{}: {problem}", path.display())))
}

/// What to say of a folder of weights that is no checkpoint.
fn alone(place: &Path) -> Error {
    let (onnx, place) = (place.join("model.onnx").is_file(), place.display());
    let train = if onnx { String::new() } else { format!(", or train from them: model.weights={place}") };
    Error::recipe(format!(
        "{place}: holds weights alone, as `export` writes them for other programs, without the recipe that says what they were \
         trained on; name the checkpoint that they came from{train}"
    ))
}

/// The plan of a recipe, and a line for each thing to know of how it was read.
fn plan(
    recipe: &Path,
    overrides: &[String],
    registry: &Registry,
    progress: &Progress,
) -> Result<Plan, Error> {
    let plan = Plan::read(recipe, overrides, registry)?;
    plan.notes.iter().for_each(|note| progress.note(&format!("  {note}")));
    Ok(plan)
}

/// The device that `--device` names.
fn device(text: &str) -> Result<Device, Error> {
    let mistake = |problem| Error::recipe(format!("--device: {problem}"));
    text.parse::<DeviceChoice>().map_err(mistake)?.open().map_err(mistake)
}

/// Refuses a file that could not be written when the work is done. Leaves no file where there was none.
fn writable(option: &str, path: &Path) -> Result<(), Error> {
    let refuse = |error| refused(option, path, error);
    match File::create_new(path) {
        Ok(_) => std::fs::remove_file(path).map_err(refuse),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().append(true).open(path).map(drop).map_err(refuse)
        }
        Err(error) => Err(refuse(error)),
    }
}

fn refused(option: &str, path: &Path, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::AlreadyExists && path.is_file() {
        let problem = "cannot be written over: there is such a file; name another, or remove it first";
        return Error::recipe(format!("{option} {}: {problem}", path.display()));
    }
    let remedy = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "name a file in a folder that is there",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "name a file in a folder that you may write to"
        }
        io::ErrorKind::IsADirectory => "name a file, not a folder",
        _ => "name another file",
    };
    Error::recipe(format!("{option} {}: cannot be written ({error}); {remedy}", path.display()))
}
