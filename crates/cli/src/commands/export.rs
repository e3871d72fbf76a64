//! `export CHECKPOINT --to LIBRARY OUT`: a checkpoint for other programs.

use super::checkpoint;
use crate::arguments::Export;
use std::io::Write;
use tallow_policy::Registry;
use tallow_train::Library;

pub fn export(arguments: &Export, registry: &Registry) -> anyhow::Result<()> {
    let place = checkpoint(&arguments.checkpoint)?;
    let named = Library::NAMED.iter().find(|(name, _)| *name == arguments.to);
    let (_, library) = named.expect("clap allows these alone");
    let exported = tallow_train::export(&place, *library, &arguments.out, registry)?;
    let mut out = std::io::stdout().lock();
    exported.files.iter().try_for_each(|path| writeln!(out, "{}", path.display()))?;
    Ok(write!(out, "\n{}", exported.loader)?)
}
