//! One file per command.

mod bench;
mod catalogue;
mod check;
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
pub mod train;

use crate::arguments::Command;
use candle_core::Device;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use tallow_policy::Registry;
use tallow_train::{DeviceChoice, Error};

pub fn dispatch(command: Command, registry: &Registry) -> anyhow::Result<()> {
    match command {
        Command::Train(arguments) => train::train(&arguments, registry),
        Command::Eval(arguments) => eval::eval(&arguments, registry),
        Command::Predict(arguments) => predict::predict(&arguments, registry),
        Command::Pull(arguments) => pull::pull(&arguments),
        Command::Export(arguments) => export::export(&arguments, registry),
        Command::Publish(arguments) => publish::publish(&arguments, registry),
        Command::Preview(arguments) => preview::preview(&arguments, registry),
        Command::Stats(arguments) => stats::stats(&arguments, registry),
        Command::Replay(arguments) => replay::replay(&arguments, registry),
        Command::New(arguments) => new::new(&arguments),
        Command::Check(arguments) => check::check(&arguments, registry),
        Command::Bench(arguments) => bench::bench(&arguments, registry),
        Command::List(arguments) => list::list(&arguments, registry),
    }
}

/// A checkpoint's folder: the path itself, or `best` of a run's folder.
fn checkpoint(path: &Path) -> Result<PathBuf, Error> {
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
