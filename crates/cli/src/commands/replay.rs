//! `replay CHECKPOINT --step N`: a batch of a run once more.

use super::preview::{ready, write};
use super::{folder, run_of, writable};
use crate::arguments::Replay;
use std::collections::BTreeMap;
use std::io::Write;
use tallow_policy::Registry;
use tallow_report::Progress;
use tallow_train::Error;

pub fn replay(arguments: &Replay, registry: &Registry) -> anyhow::Result<()> {
    let place = folder(&arguments.checkpoint);
    let named = || run_of(&place).join(format!("replay_step{}.png", arguments.step));
    let out = arguments.out.clone().unwrap_or_else(named);
    if !place.is_dir() {
        let problem = "there is no such folder; name that of a run, or one of its checkpoints";
        return Err(Error::recipe(format!("{}: {problem}", place.display())).into());
    }
    if out.extension().is_some_and(|extension| extension == "safetensors") {
        let problem = "this is where the picture goes; write the tensors with";
        return Err(Error::recipe(format!("--out {0}: {problem} --tensors {0}", out.display())).into());
    }
    ready(&out)?;
    if let Some(path) = &arguments.tensors {
        writable("--tensors", path)?;
    }
    let Replay { step, overrides, tiles, .. } = arguments;
    let progress = Progress::stderr();
    let tiles = usize::from(*tiles);
    let replay = tallow_train::replay(&place, *step, overrides, tiles, registry, &progress)?;
    replay.warnings.iter().for_each(|warning| progress.note(&format!("warning: {warning}")));
    let mut written = write(&out, &replay.sheets.iter().collect::<Vec<_>>())?;
    if let Some(path) = &arguments.tensors {
        let metadata = BTreeMap::from([("tallow.step".to_owned(), step.to_string())]);
        tallow_models::weights::save(&replay.tensors, path, &metadata)?;
        written.push(path.clone());
    }
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&replay.record)?)?;
    } else {
        written.iter().try_for_each(|path| writeln!(out, "{}", path.display()))?;
    }
    Ok(())
}
