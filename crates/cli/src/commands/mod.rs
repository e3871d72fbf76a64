//! One file per command.

mod bench;
mod check;
mod eval;
mod list;
mod predict;
mod preview;
pub mod train;

use crate::arguments::Command;
use std::path::{Path, PathBuf};
use tallow_policy::Registry;
use tallow_train::Error;

pub fn dispatch(command: Command, registry: &Registry) -> anyhow::Result<()> {
    match command {
        Command::Train(arguments) => train::train(&arguments, registry),
        Command::Eval(arguments) => eval::eval(&arguments, registry),
        Command::Predict(arguments) => predict::predict(&arguments, registry),
        Command::Preview(arguments) => preview::preview(&arguments, registry),
        Command::Check(arguments) => check::check(&arguments, registry),
        Command::Bench(arguments) => bench::bench(&arguments, registry),
        Command::List(arguments) => list::list(&arguments, registry),
    }
}

/// A checkpoint's folder: the path itself, or `best` of a run's folder.
fn checkpoint(path: &Path) -> Result<PathBuf, Error> {
    for place in [path.to_owned(), path.join("best"), path.join("last")] {
        if place.join("model.safetensors").is_file() {
            return Ok(place);
        }
    }
    let problem =
        "holds no model.safetensors, nor do its best/ and last/; train a recipe first, or name its folder";
    Err(Error::recipe(format!("{}: {problem}", path.display())))
}
